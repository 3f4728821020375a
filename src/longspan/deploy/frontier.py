"""What smaller variants of a model cost and what they lose: measurements, paired differences, a recommendation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from longspan.metrics.metric import Direction

__all__ = ["Frontier", "Latency", "Loss", "Variant", "paired_accuracy_loss", "paired_loss"]

_Z = 1.959964  # 95 %
_DRAWS = 400
QUICKER = 1.05
"""A variant counts as quicker if its median is below the original's by this factor: less is within the noise."""


@final
@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from encoded rows to predictions, of one batch size and number of threads."""

    threads: int
    batch: int
    p50_ms: float
    p99_ms: float
    runs: int


@final
@dataclass(frozen=True, slots=True)
class Loss:
    """What a variant loses of the original's main metric, on the same rows; above 0 it is worse."""

    lost: float
    """Of a metric of which higher is better, the difference; of others the difference as a fraction of the original."""
    low: float
    """Of a 95 % interval."""
    high: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One variant of a model, measured."""

    name: str
    """Such as "original", "int8", "prune50+int8"."""
    file: str
    """Its name in the folder."""
    metrics: Mapping[str, float]
    """The main metric of each target."""
    losses: Mapping[str, Loss] = field(default_factory=dict)
    """By target; empty for the original."""
    latencies: Sequence[Latency]
    megabytes: float
    """Of the file."""
    memory_mb: float
    """Peak memory of a process that loads and uses it."""
    start_seconds: float
    """Of a process, until the first prediction."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What was done: layers in integers, multiply-adds that are gone, epochs."""

    def latency(self, threads: int, batch: int) -> Latency:
        """That of one setting."""
        return next(each for each in self.latencies if (each.threads, each.batch) == (threads, batch))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """All variants, the original first, and which of them is worth using on this machine."""

    variants: Sequence[Variant]
    metrics: Mapping[str, str]
    """By target the name of its main metric."""
    better: Mapping[str, Direction]
    """By target which way is better."""
    rows: int
    """Held-out rows that all were measured on."""
    calibration_rows: int
    """Training rows that quantization was calibrated on; 0 if nothing was quantized."""
    max_drop: float
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Variants that could not be made, and why."""
    folder: Path = Path()
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def original(self) -> Variant:
        """What was compressed."""
        return self.variants[0]

    def speedup(self, variant: Variant, threads: int, batch: int = 1) -> float:
        """How many times as quick as the original, by medians."""
        return self.original.latency(threads, batch).p50_ms / variant.latency(threads, batch).p50_ms

    def verdict(self, variant: Variant) -> str:
        """Why a variant is not recommended; empty where nothing speaks against it."""
        slow = [
            threads
            for threads in dict.fromkeys(each.threads for each in variant.latencies)
            if not self.speedup(variant, threads) >= QUICKER
        ]
        if slow:
            return f"not quicker at batch 1 with {' and '.join(map(str, slow))} thread{'s' * (slow != [1])}"
        lost = [target for target, each in variant.losses.items() if not each.lost <= self.max_drop]
        if lost:
            return f"loses more than {self.max_drop:g} of {', '.join(self.metrics[target] for target in lost)}"
        return ""

    @property
    def recommended(self) -> Variant | None:
        """The quickest at batch 1 with one thread, among variants that are quicker and lose no more than allowed."""
        fit = [each for each in self.variants[1:] if not self.verdict(each)]
        return max(fit, key=lambda each: self.speedup(each, each.latencies[0].threads), default=None)

    def recommendation(self) -> str:
        """In a sentence or two."""
        best = self.recommended
        if best is None:
            return (
                "No variant is recommended: none is quicker than the original on this machine and within the allowed "
                f"loss of {self.max_drop:g}."
            )
        first = best.latencies[0].threads
        words = f"{best.name} is recommended: {self.speedup(best, first):.2f} times as quick at batch 1"
        loss = next(iter(best.losses.values()))
        words += f", loss {loss.lost:+.4f} (95 % interval {loss.low:+.4f} to {loss.high:+.4f})."
        if loss.high > self.max_drop:
            words += f" {self.rows:,} rows are too few to rule out a loss above {self.max_drop:g}."
        return words

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        from dataclasses import asdict

        best = self.recommended
        return {
            "recommended": None if best is None else best.name,
            "recommendation": self.recommendation(),
            "max_drop": self.max_drop,
            "metrics": dict(self.metrics),
            "rows": self.rows,
            "calibration_rows": self.calibration_rows,
            "variants": [
                {
                    **asdict(each),
                    "speedup": {
                        f"{one.threads} threads, batch {one.batch}": round(
                            self.speedup(each, one.threads, one.batch), 3
                        )
                        for one in each.latencies
                    },
                    "verdict": "" if each is self.original else self.verdict(each),
                }
                for each in self.variants
            ],
            "left_out": dict(self.left_out),
            "environment": dict(self.environment),
        }


def paired_accuracy_loss(original: np.ndarray, variant: np.ndarray) -> Loss:
    """Loss of accuracy, with the adjusted Wald interval for matched proportions.

    Source: Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions", section 2.2:
    half a row is added to each of the four cells, so that the interval has a width where no row differs.

    Args:
        original: `(N,)` bool: which rows the original has right.
        variant: `(N,)` bool.

    Example:
        >>> import numpy as np
        >>> right = np.arange(100) < 90
        >>> paired_accuracy_loss(right, right).lost
        0.0
    """
    rows = len(original)
    worse, better = int((original & ~variant).sum()) + 0.5, int((~original & variant).sum()) + 0.5
    total = rows + 2
    middle = (worse - better) / total
    width = _Z * math.sqrt(max(worse + better - (worse - better) ** 2 / total, 0.0)) / total
    lost = float(original.mean() - variant.mean()) if rows else 0.0
    return Loss(lost, middle - width, middle + width)


def paired_loss(
    measure: Callable[[np.ndarray], tuple[float, float]], rows: int, better: Direction, *, seed: int = 0
) -> Loss:
    """Loss of any metric, with an interval from resampled rows (Efron and Tibshirani 1993, section 13.3).

    Args:
        measure: From row numbers, some of them repeated, to the metric of the original and of the variant.
        rows: How many there are.
        better: Which way is better.
        seed: Of the draws.
    """

    def lost(chosen: np.ndarray) -> float:
        one, other = measure(chosen)
        return one - other if better == "higher" else (other - one) / max(abs(one), 1e-12)

    random = np.random.default_rng(seed)
    drawn = [lost(random.integers(0, rows, rows)) for _ in range(_DRAWS)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Loss(lost(np.arange(rows)), float(low), float(high))

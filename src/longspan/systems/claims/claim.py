"""A claim, the measured quantity that decides it, and the verdict; what every `claim-NAME` writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

from longspan.errors import ConfigError
from longspan.report import Document
from longspan.systems.result import SystemRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Claim", "Claims", "Quantity", "check_seeds", "curves_figure", "finish_claims", "seeds_of"]

_LEAST_SEEDS = 3


@final
@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured value, once per seed, with the 95 % interval of its mean (Student's t over seeds)."""

    name: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check that there are enough seeds."""
        assert len(self.values) >= _LEAST_SEEDS, f"{self.name}: {len(self.values)} seeds give no interval"

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.values))

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high end."""
        from longspan.study.statistics.t_distribution import mean_interval

        return mean_interval(self.values)[1:]

    def to_json(self) -> dict[str, Any]:
        """Name, mean, ends and the values by seed."""
        low, high = self.interval
        return {"name": self.name, "mean": self.mean, "low": low, "high": high, "values": list(self.values)}


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A sentence that a measured quantity can support or contradict.

    The rule: the claim says on which side of a bound, fixed before measuring, the quantity lies. If its whole 95 %
    interval lies on that side, the claim is reproduced; if on the other side, refuted; else the question is open.

    Example:
        >>> gap = Quantity("error of A less error of B", (0.02, 0.03, 0.025))
        >>> Claim(says="B has the lower error", quantity=gap, side="above", bound=0.0).verdict
        'reproduced'
        >>> Claim(says="A has the lower error", quantity=gap, side="below", bound=0.0).verdict
        'refuted'
        >>> Claim(says="B has half the error", quantity=gap, side="above", bound=0.026).verdict
        'open'
    """

    says: str
    quantity: Quantity
    side: Literal["above", "below"]
    bound: float

    @property
    def verdict(self) -> str:
        """Reproduced, refuted or open."""
        low, high = self.quantity.interval
        above, below = low > self.bound, high < self.bound
        if self.side == "below":
            above, below = below, above
        return "reproduced" if above else "refuted" if below else "open"

    def to_json(self) -> dict[str, Any]:
        """The sentence, what was measured, the rule and the verdict."""
        rule = {"side": self.side, "bound": self.bound}
        return {"claim": self.says, "quantity": self.quantity.to_json(), **rule, "verdict": self.verdict}


@final
class Claims:
    """What one system measured: its claims, in order, and the quantities behind them."""

    def __init__(self) -> None:
        """Nothing is measured yet."""
        self.claims: list[Claim] = []
        self.quantities: list[Quantity] = []

    def measured(self, name: str, values: Sequence[float]) -> Quantity:
        """Keep a quantity, one value per seed."""
        self.quantities.append(Quantity(name, tuple(map(float, values))))
        return self.quantities[-1]

    def above(self, says: str, name: str, values: Sequence[float], bound: float = 0.0) -> Claim:
        """A claim that holds if the quantity lies above the bound."""
        return self._add(says, name, values, "above", bound)

    def below(self, says: str, name: str, values: Sequence[float], bound: float = 0.0) -> Claim:
        """A claim that holds if the quantity lies below the bound."""
        return self._add(says, name, values, "below", bound)

    def metrics(self) -> dict[str, float]:
        """The number of verdicts of each kind, then every claim's quantity with its interval, then the others."""
        found = {
            f"claims {verdict}": float(sum(claim.verdict == verdict for claim in self.claims))
            for verdict in ("reproduced", "refuted", "open")
        }
        for claim in self.claims:
            low, high = claim.quantity.interval
            name = claim.quantity.name
            found |= {name: claim.quantity.mean, f"{name}, low": low, f"{name}, high": high}
        return found | {each.name: each.mean for each in self.quantities}

    def _add(
        self, says: str, name: str, values: Sequence[float], side: Literal["above", "below"], bound: float
    ) -> Claim:  # fmt: skip
        quantity = Quantity(name, tuple(map(float, values)))
        self.claims.append(Claim(says=says, quantity=quantity, side=side, bound=bound))
        return self.claims[-1]


def check_seeds(seeds: int) -> None:
    """ConfigError for fewer seeds than an interval takes."""
    if seeds < _LEAST_SEEDS:
        raise ConfigError(f"--seeds must be at least {_LEAST_SEEDS}, got {seeds}: fewer give no interval.")


def seeds_of(run: SystemRun, count: int) -> list[int]:
    """The seeds of a run: no two runs with different seeds share one."""
    return [1000 * run.seed + each for each in range(count)]


def curves_figure(
    curves: Mapping[str, Mapping[float, Quantity]], *, label: str, size_label: str, log: bool = True
) -> Figure:
    """Mean and interval of each named curve over sizes."""
    from longspan.report import band_curves

    figure = band_curves(
        {name: list(points) for name, points in curves.items()},
        {name: [each.mean for each in points.values()] for name, points in curves.items()},
        {name: [each.interval[0] for each in points.values()] for name, points in curves.items()},
        {name: [each.interval[1] for each in points.values()] for name, points in curves.items()},
        label=label, size_label=size_label,
    )  # fmt: skip
    if not log:
        figure.axes[0].set_xscale("linear")
    return figure


def finish_claims(
    run: SystemRun,
    claims: Claims,
    *,
    started: float,
    options: Mapping[str, Any],
    subtitle: str,
    figures: Callable[[], Mapping[str, Figure]] | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Say the verdicts, and write result and report.

    Args:
        run: Where to.
        claims: With everything measured.
        started: `time.perf_counter()` at the start.
        options: Of the system, as JSON values.
        subtitle: Of the report: the lectures' claim in a sentence.
        figures: Makes the figures of the report, by caption.
        details: More JSON values for the result.
    """
    for claim in claims.claims:
        run.say(f"{claim.verdict}: {claim.says}. {_measure(claim)}")

    def page() -> Document:
        document = Document(run.system, subtitle=subtitle)
        for claim in claims.claims:
            document.headline(claim.verdict, _rounded(claim.quantity.mean), claim.says)
        document.section("Claims").table([_row(claim) for claim in claims.claims])
        document.text(
            "A claim is reproduced if the whole 95 % interval over seeds (Student's t) lies on the claim's side of "
            "the bound, refuted if it lies on the other side, else open."
        )
        for caption, figure in (figures() if figures else {}).items():
            document.section(caption).figure(figure)
        document.section("Everything measured").table([_quantity_row(each) for each in claims.quantities])
        document.section("Settings")
        return document.settings(dict(options)).environment()

    told = {
        "claims": [claim.to_json() for claim in claims.claims],
        "quantities": [each.to_json() for each in claims.quantities],
    }
    run.finish(
        None, claims.metrics(), train_seconds=time.perf_counter() - started, options=dict(options), report=page,
        details={**told, **(details or {})},
    )  # fmt: skip


def _measure(claim: Claim) -> str:
    low, high = map(_rounded, claim.quantity.interval)
    mean, bound = _rounded(claim.quantity.mean), _rounded(claim.bound)
    return f"{claim.quantity.name}: {mean} (95 %: {low} to {high}); the claim says {claim.side} {bound}."


def _row(claim: Claim) -> dict[str, object]:
    rule = {"claim says": f"{claim.side} {_rounded(claim.bound)}", "verdict": claim.verdict}
    return {"claim": claim.says, **_quantity_row(claim.quantity), **rule}


def _quantity_row(quantity: Quantity) -> dict[str, object]:
    low, high = map(_rounded, quantity.interval)
    return {"measured": quantity.name, "mean": _rounded(quantity.mean), "95 %": f"{low} to {high}"}


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"

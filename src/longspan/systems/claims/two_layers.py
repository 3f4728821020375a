"""How wide must one hidden layer be to learn a Boolean function of n bits, and how narrow may log n layers be?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, final

import numpy as np

from longspan.errors import ConfigError
from longspan.lazy_torch import torch
from longspan.systems.claims.claim import (
    Claims,
    Quantity,
    check_seeds,
    curves_figure,
    finish_claims,
    seeds_of,
)
from longspan.systems.options import check_above_zero, check_at_least
from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

__all__ = ["FUNCTIONS", "TWO_LAYERS", "TwoLayersOptions", "learns", "truth_table"]

_WIDTHS = ((1, 2, 3, 4, 5, 6, 8), (10, 12, 16, 20, 24), (32, 48, 64))
"""Widths that are tried; those of a group are trained side by side."""
_LOOK = 50
"""Steps between two looks at whether a network is right everywhere."""
_SQUARE = 2.0
"""A width that grows as a higher power of n than this counts as exponential growth over these few bits."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TwoLayersOptions:
    """Options of claim-two-layers."""

    functions: str = "parity,multiplexer,addition"
    """Boolean functions, separated by commas."""
    bits: int = 8
    """Most input bits; a function is measured at every number of bits it is defined for, up to this."""
    steps: int = 1500
    """Training steps of a network, each over the whole table of values."""
    tries: int = 6
    """Networks of a width that start from different weights; a width suffices if one of them learns the function."""
    lr: float = 0.02
    """Learning rate."""
    seeds: int = 3
    """Repetitions, for intervals."""

    def __post_init__(self) -> None:
        """Check the names and ranges."""
        unknown = sorted(set(self.functions.split(",")) - set(FUNCTIONS))
        if unknown:
            raise ConfigError(f"--functions: {', '.join(unknown)} is not among {', '.join(FUNCTIONS)}.")
        if not 4 <= self.bits <= 12:
            raise ConfigError(f"--bits must be at least 4 and at most 12, got {self.bits}.")
        check_at_least(steps=(self.steps, 1), tries=(self.tries, 1))
        check_above_zero(lr=self.lr)
        check_seeds(self.seeds)


def _parity(bits: np.ndarray) -> np.ndarray:
    return bits.sum(axis=1, keepdims=True) % 2


def _multiplexer(bits: np.ndarray) -> np.ndarray:
    """The first bits are the address of one of the others: n = k + 2^k."""
    address = next(k for k in range(1, 5) if k + 2**k == bits.shape[1])
    place = address + bits[:, :address] @ (1 << np.arange(address))
    return np.take_along_axis(bits, place[:, None], axis=1)


def _addition(bits: np.ndarray) -> np.ndarray:
    """All bits of the sum of two numbers of n / 2 bits each, the lowest first."""
    half = bits.shape[1] // 2
    powers = 1 << np.arange(half)
    total = bits[:, :half] @ powers + bits[:, half:] @ powers
    return (total[:, None] >> np.arange(half + 1)) & 1


FUNCTIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], tuple[int, ...]]] = {
    "parity": (_parity, (2, 3, 4, 6, 8, 10, 12)),
    "multiplexer": (_multiplexer, (3, 6, 11)),
    "addition": (_addition, (2, 4, 6, 8, 10, 12)),
}
"""Each function of `(N, n)` bits with the numbers of bits n that it is defined for here."""


def truth_table(name: str, n: int) -> tuple[Tensor, Tensor]:
    """All 2^n inputs as -1 and 1, `(2^n, n)` float, and the outputs as 0 and 1, `(2^n, outputs)` float."""
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    outputs = FUNCTIONS[name][0](bits)
    return torch.tensor(2.0 * bits - 1, dtype=torch.float32), torch.tensor(outputs, dtype=torch.float32)


def learns(
    inputs: Tensor, outputs: Tensor, *, widths: Sequence[int], layers: int, steps: int, lr: float, seed: int
) -> Tensor:
    """Train a network of each width on the whole table; `(networks,)` bool: which ones got every bit of it right.

    Network i has `layers` hidden layers of `widths[i]` rectified units. All are trained side by side in batched
    products, with Adam. Training ends early if every network has got everything right.
    """
    generator = torch.Generator().manual_seed(seed)
    count, widest = len(widths), max(widths)
    sizes = [inputs.shape[1], *[widest] * layers, outputs.shape[1]]
    wide = torch.tensor(widths, dtype=torch.float32)[:, None, None]
    exists = (torch.arange(widest) < wide).float()  # (networks, 1, widest): units beyond a network's width are silent
    weights, biases = [], []
    for place, (reads, gives) in enumerate(pairwise(sizes)):
        fan_in = wide if place else torch.tensor(float(reads))
        drawn = torch.randn(count, reads, gives, generator=generator) * (2 / fan_in).sqrt()
        weights.append(drawn.requires_grad_())
        biases.append((0.5 * torch.randn(count, 1, gives, generator=generator)).requires_grad_())
    optimizer = torch.optim.Adam([*weights, *biases], lr=lr, fused=True)
    targets = outputs.expand(count, -1, -1)
    right = torch.zeros(count, dtype=torch.bool)
    for step in range(steps + 1):
        hidden = inputs.expand(count, -1, -1)
        for place, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            hidden = torch.baddbmm(bias, hidden.relu() * exists if place else hidden, weight)
        if step % _LOOK == 0 or step == steps:
            right |= ((hidden > 0) == (targets > 0.5)).flatten(1).all(1)
            if right.all() or step == steps:
                break
        loss = torch.nn.functional.binary_cross_entropy_with_logits(hidden, targets, reduction="sum")
        optimizer.zero_grad()
        (loss / targets[0].numel()).backward()
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 - 0.9 * step / steps)
    return right


def _smallest(name: str, n: int, layers: int, options: TwoLayersOptions, seeds: list[int]) -> list[int | None]:
    """For each seed the smallest width of which a network learned the function; None if no width did."""
    inputs, outputs = truth_table(name, n)
    found: list[int | None] = [None] * len(seeds)
    for group in _WIDTHS:
        widths = [width for width in group for _ in range(options.seeds * options.tries)]
        right = learns(
            inputs, outputs, widths=widths, layers=layers, steps=options.steps, lr=options.lr, seed=seeds[0]
        ).view(len(group), len(seeds), options.tries)
        learned = right.any(2)
        for place in range(len(seeds)):
            if found[place] is None and learned[:, place].any():
                found[place] = group[int(learned[:, place].int().argmax())]
        if all(found):
            break
    return found


def _run(options: TwoLayersOptions, run: SystemRun) -> None:
    started = time.perf_counter()
    seeds = seeds_of(run, options.seeds)
    claims, curves = Claims(), {}
    failures: list[dict[str, Any]] = []
    for name in options.functions.split(","):
        units: dict[str, dict[int, list[int]]] = {"one layer": {}, "log n layers": {}}
        for n in (each for each in FUNCTIONS[name][1] if each <= options.bits):
            for shape, layers in (("one layer", 1), ("log n layers", max(2, math.ceil(math.log2(n))))):
                widths = _smallest(name, n, layers, options, seeds)
                run.say(f"{name} of {n} bits, {shape} ({layers}): smallest width by seed {widths}")
                if all(widths):
                    units[shape][n] = [layers * width for width in widths if width]
                else:
                    failures.append({"function": name, "bits": n, "shape": shape, "widths": widths})
        _judge(claims, name, units)
        for shape, by_n in units.items():
            curves[f"{name}, {shape}"] = {
                n: claims.measured(f"{name}, {n} bits, {shape}: hidden units", values) for n, values in by_n.items()
            }
    finish_claims(
        run, claims, started=started, options=asdict(options),
        subtitle="Does one hidden layer need exponentially many units where log n layers do not?",
        figures=lambda: _figures(curves), details={"not learned at any width": failures},
    )  # fmt: skip


def _judge(claims: Claims, name: str, units: dict[str, dict[int, list[int]]]) -> None:
    """Two claims of a function: the growth of one layer, and what the deep network saves at most bits."""
    shallow, deep = units["one layer"], units["log n layers"]
    if len(shallow) >= 2:
        bits = np.log([*shallow])
        powers = [np.polyfit(bits, np.log(column), 1)[0] for column in zip(*shallow.values(), strict=True)]
        claims.above(
            f"One hidden layer needs exponentially many units for {name}", f"{name}: units grow as n to the power",
            powers, _SQUARE,
        )  # fmt: skip
    both = [n for n in shallow if n in deep]
    if both:
        n = both[-1]
        ratios = [a / b for a, b in zip(shallow[n], deep[n], strict=True)]
        claims.above(
            f"log n layers learn {name} of {n} bits with fewer units",
            f"{name}: units of one layer / units of log n layers", ratios, 1.0,
        )  # fmt: skip


def _figures(curves: dict[str, dict[int, Quantity]]) -> dict[str, Figure]:
    shown = {name: points for name, points in curves.items() if points}
    figure = curves_figure(shown, label="hidden units", size_label="input bits n", log=False)  # type: ignore[arg-type]
    figure.axes[0].set_yscale("log")
    return {"Smallest number of hidden units that learned the whole table of values": figure}


TWO_LAYERS = System(
    name="claim-two-layers",
    summary="Measures how wide one hidden layer must be for parity, multiplexer and addition, beside log n layers.",
    needs="no download, and some minutes",
    options=TwoLayersOptions,
    run=_run,
)

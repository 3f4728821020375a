"""How the learning rate moves: pure functions of the progress from 0 to 1."""

from __future__ import annotations

import math
from typing import Literal, get_args

from longspan.errors import unknown_name

__all__ = ["SCHEDULES", "Schedule", "lr_factor", "momentum_at"]

Schedule = Literal["one_cycle", "cosine", "linear", "step", "constant", "coslog4"]
SCHEDULES: tuple[str, ...] = get_args(Schedule)

_START, _END = 1 / 25, 1e-5  # of the peak, before and after one cycle; fastai's defaults


def lr_factor(schedule: Schedule, progress: float, warmup: float) -> float:
    """Fraction of the peak learning rate at `progress` (0 at the first step, towards 1 at the last).

    Args:
        schedule: "one_cycle": cosine up from 1/25, then cosine down to 1e-5 (Smith 2018, section 4, with cosines for
            its straight lines as in fastai); "cosine" and "linear" fall to 0; "step" falls to a tenth after one half
            and to a hundredth after three quarters (He et al. 2015, section 4.2); "constant" stays; "coslog4" rises
            and falls four times, each time for twice as long (Holzmueller et al. 2024, RealMLP, section 3.1).
        progress: Fraction of the steps that are done.
        warmup: Fraction of the steps in which the rate rises; linearly from 0 for all but "one_cycle".
    """
    if schedule not in SCHEDULES:
        raise unknown_name("schedule", schedule, SCHEDULES)
    if progress < warmup:
        rising = progress / warmup
        return _cosine(_START, 1.0, rising) if schedule == "one_cycle" else rising
    rest = (progress - warmup) / max(1 - warmup, 1e-12)
    if schedule == "one_cycle":
        return _cosine(1.0, _END, rest)
    if schedule == "cosine":
        return _cosine(1.0, 0.0, rest)
    if schedule == "linear":
        return 1 - rest
    if schedule == "coslog4":
        return (1 - math.cos(2 * math.pi * math.log2(1 + 15 * rest))) / 2
    if schedule == "step":
        return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01
    return 1.0


def momentum_at(schedule: Schedule, progress: float, warmup: float) -> float | None:
    """Momentum (Adam: beta1) that belongs to the learning rate: 0.95 to 0.85 and back for one cycle, else None."""
    if schedule != "one_cycle":
        return None
    if progress < warmup:
        return _cosine(0.95, 0.85, progress / warmup)
    return _cosine(0.85, 0.95, (progress - warmup) / max(1 - warmup, 1e-12))


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(fraction, 1.0))) / 2

"""Which stage's labels to buy next: its part in the pipeline's error, the slope of its curve, the price of a label."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from longspan.errors import StudyError
from longspan.pipeline.ceiling import Ceiling
from longspan.study.formatting import say_error, say_size, three_digits
from longspan.study.statistics.extrapolation import FARTHEST_FORECAST, extrapolate

__all__ = ["StageLabels", "labels_to_buy"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class StageLabels:
    """What a sum of money spent on the labels of one stage is expected to bring the pipeline."""

    stage: str
    labels: int
    """That the money buys, or up to four times those that are there, beyond which nothing was checked."""
    spent: float
    stage_error: tuple[float, float]
    """Of the stage, now and with those labels."""
    gain: float
    """Expected drop of the pipeline's error."""
    gain_per_cost: float

    def sentence(self, unit: str = "") -> str:
        """In words.

        Args:
            unit: of the pipeline's error; "%" shows a proportion as percent.
        """
        return (
            f"{self.stage}: {say_size(self.labels)} labels for {say_size(three_digits(self.spent))} are expected to "
            f"cut the pipeline's error by {say_error(self.gain, unit)}"
        )

    def __str__(self) -> str:
        """In words."""
        return self.sentence()


def labels_to_buy(
    ceiling: Ceiling, curves: Mapping[str, tuple[Sequence[int], np.ndarray]], prices: Mapping[str, float], *,
    money: float,
) -> list[StageLabels]:  # fmt: skip
    """Every stage with what `money` spent on its labels would bring, the best purchase first.

    A stage without errors would lower the pipeline's error by its gain in the ceiling analysis. Labels remove a part of
    its errors, which its learning curve forecasts; that part of the gain is what they are expected to bring. Stages
    are taken to be improved one at a time, and the part of the gain to fall as the stage's error does.

    Source: Ng 2018, "Machine Learning Yearning", chapters 53 to 57 (ceiling analysis by parts); the forecast is
    `longspan.study.statistics.extrapolation`.

    Args:
        ceiling: Of the pipeline, `pipeline.ceiling(table)`.
        curves: For each stage, the numbers of labels it was trained with, ascending, and its errors `(K, R)`.
        prices: Of one label, by stage.
        money: To be spent on one stage, in the unit of prices.

    Raises:
        StudyError: stages that the ceiling, curves or prices do not have, prices or money not above 0; all at once.
    """
    gains = {stage.stage: stage.gain for stage in ceiling.stages}
    faults = [
        f"{name!r} is not a stage of the ceiling analysis, {', '.join(gains)}." for name in curves if name not in gains
    ]
    faults += [
        f"{name!r} has no gain: its ceiling could not be measured." for name in curves if gains.get(name, 0) is None
    ]
    faults += [f"{name!r} has no price." for name in curves if name not in prices]
    faults += [f"the price of {n!r} is {p!r}: above 0." for n, p in prices.items() if not 0 < p < math.inf]
    if not 0 < money < math.inf:
        faults.append(f"money={money}: what is to be spent, above 0.")
    if not curves:
        faults.append("no stage has a learning curve.")
    if faults:
        raise StudyError("It cannot be computed which labels to buy: " + " ".join(faults))
    found = []
    for name, (sizes, errors) in curves.items():
        counts, values = np.asarray(sizes, dtype=np.float64), np.asarray(errors, dtype=np.float64)
        last, now = float(counts[-1]), float(np.nanmean(values[-1]))
        labels = min(int(money / prices[name]), int((FARTHEST_FORECAST - 1) * last))
        then = now
        if labels >= 1 and now > 0:
            then = min(now, extrapolate(counts, values, last + labels).quantile(0.5))
        part = 0.0 if now == 0 else 1 - then / now
        gain = max(0.0, gains[name] or 0.0) * part
        spent = labels * prices[name]
        found.append(
            StageLabels(
                stage=name, labels=labels, spent=spent, stage_error=(now, then), gain=gain,
                gain_per_cost=gain / spent if spent else 0.0,
            )
        )  # fmt: skip
    return sorted(found, key=lambda each: -each.gain_per_cost)

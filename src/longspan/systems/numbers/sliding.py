"""LeNet-5 as a space displacement network: trained on windows, slid over the image of a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

import longspan as ls

__all__ = ["WINDOW_PX", "ReadBySliding", "SlidingReader", "cut_windows"]

WINDOW_PX = 32
"""Height and width of a window."""

_NEAR_PX = 4.5  # largest distance between the centres of a window and of the digit it shows
_EVERY_PX = 3
_WINDOWS = ls.Augment(rotate_deg=5, scale=0.06, brightness=0.1, contrast=0.3, fill="border", resample="bilinear")


@final
class ReadBySliding:
    """A strategy: LeNet-5 learns windows of 32 px, and is then slid over the image as one convolution.

    Windows are cut from the training images every 3 px and labelled with the digit in their centre, or "none".

    Source: see `longspan.inference.tiling.sliding_windows`.
    """

    def __init__(self, recipe: ls.Recipe | None = None) -> None:
        """Take the recipe of the windows; its model must be lenet5."""
        config = ls.TrainConfig(batch_size=64, weight_decay=0.02, augment=_WINDOWS)
        self.recipe = recipe or ls.Recipe("lenet5", epochs=10, lr=3e-3, config=config)

    def __repr__(self) -> str:
        return f"ReadBySliding({self.recipe!r})"

    def train(self, task: ls.Task, *, seed: int = 0, budget: ls.Budget | None = None) -> SlidingReader:
        """Cut the windows of the training rows, train on them, slide the network."""
        from longspan.inference.tiling.sliding_windows import slide

        windows = cut_windows(task.table.take(task.train.numpy()))
        single = self.recipe.train(
            ls.Task(windows.split(valid=0), inputs="image", targets="digit"), seed=seed, budget=budget
        )
        (column,) = task.inputs.values()
        width_px = column.shape[1]
        return SlidingReader(slide(single, width_px=width_px, target="number"), single.steps_done)

    def to_json(self) -> dict[str, Any]:
        """JSON values by which a study recognises the strategy."""
        return {"strategy": "read by sliding", "recipe": self.recipe.to_json()}


@final
@dataclass(frozen=True, slots=True)
class SlidingReader:
    """A sliding network and the number of its training steps."""

    predictor: ls.Predictor
    steps_done: int

    def predict(self, data: Any) -> Any:
        """See `Predictor.predict`."""
        return self.predictor.predict(data)

    def save(self, path: str | Path) -> Path:
        """See `Predictor.save`; the file holds a network for whole images."""
        return self.predictor.save(path)


def cut_windows(numbers: ls.Table) -> ls.Table:
    """Windows of 32 px of images of numbers: `image`, and `digit`, "none" where no digit is in the centre."""
    images: list[np.ndarray] = []
    labels: list[str] = []
    margin = WINDOW_PX // 2
    for row in range(len(numbers)):
        values: Mapping[str, Any] = numbers[row]
        padded = np.pad(values["image"], ((0, 0), (margin, margin)), mode="edge")
        centres = [(box[0] + box[2]) / 2 for box in values["boxes"]]
        # Without a gap between digit and none: there the network could name any other digit.
        for x in np.arange(centres[0] - 2 * _EVERY_PX - _NEAR_PX - row % _EVERY_PX, centres[-1] + 16, _EVERY_PX):
            nearest = min(range(len(centres)), key=lambda i: abs(x - centres[i]))
            near = abs(x - centres[nearest]) <= _NEAR_PX
            left = int(np.clip(round(x), 0, values["image"].shape[1]))
            images.append(padded[:, left : left + WINDOW_PX])
            labels.append(str(values["digits"][nearest]) if near else "none")
    vocab = (*map(str, range(10)), "none")
    return ls.Table.from_arrays(
        {"image": np.stack(images), "digit": labels}, {"image": ls.Image(), "digit": ls.Category(vocab=vocab)}
    )

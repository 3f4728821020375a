"""LeNet-5 slid over a handwritten number: windows of the training images, and the network that they teach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

import longspan as ls
from longspan.inference import Predictor
from longspan.inference.sliding_windows import slide
from longspan.train import Budget

__all__ = ["WINDOW_PX", "ReadBySliding", "SlidingReader", "cut_windows"]

WINDOW_PX = 32
"""Width of what the network learns, and its height."""

_NEAR_PX = 4.5  # a digit whose middle is so near to a window's is in it; a farther one is not
_EVERY_PX = 3
_WINDOWS = ls.TrainConfig(
    batch_size=64,
    weight_decay=0.02,
    augment=ls.Augment(rotate_deg=5, scale=0.06, brightness=0.1, contrast=0.3, fill="border"),
)


@final
class ReadBySliding:
    """A strategy: LeNet-5 learns single windows, 32 px wide, and is then slid over the image as one convolution.

    Windows are cut from the training images every 3 px: with a digit in the middle, labelled with it, and others,
    labelled "none". Source: see `longspan.inference.sliding_windows`.
    """

    def __init__(self, recipe: ls.Recipe | None = None) -> None:
        """The recipe of the single windows; its model must be lenet5."""
        self.recipe = recipe or ls.Recipe("lenet5", epochs=10, lr=3e-3, config=_WINDOWS)

    def __repr__(self) -> str:
        return f"ReadBySliding({self.recipe!r})"

    def train(self, task: ls.Task, *, seed: int = 0, budget: Budget | None = None) -> SlidingReader:
        """Cut the windows of the training rows, train on them, slide."""
        windows = cut_windows(task.table.take(task.train.numpy()))
        single = self.recipe.train(
            ls.Task(windows.split(valid=0), inputs="image", targets="digit"), seed=seed, budget=budget
        )
        (column,) = task.inputs.values()
        assert isinstance(column, ls.Image)
        assert column.size_px is not None
        return SlidingReader(slide(single, width_px=column.size_px[1], target="number"), single.steps_done)

    def to_json(self) -> dict[str, Any]:
        """As JSON values: what a study compares to know whether the strategy is still the same."""
        return {"strategy": "read by sliding", "recipe": self.recipe.to_json()}


@final
@dataclass(frozen=True, slots=True)
class SlidingReader:
    """A slid network and the steps that it was trained for."""

    predictor: Predictor
    steps_done: int

    def predict(self, data: Any) -> Any:
        """See `Predictor.predict`."""
        return self.predictor.predict(data)

    def save(self, path: str | Path) -> Path:
        """See `Predictor.save`; the file is that of a network which reads whole images."""
        return self.predictor.save(path)


def cut_windows(numbers: ls.Table) -> ls.Table:
    """Windows of 32 px width of images of numbers: `image`, and `digit`, "none" where no digit is in the middle."""
    images: list[np.ndarray] = []
    labels: list[str] = []
    margin = WINDOW_PX // 2
    for row in range(len(numbers)):
        values: Mapping[str, Any] = numbers[row]
        padded = np.pad(values["image"], ((0, 0), (margin, margin)), mode="edge")
        centres = [(box[0] + box[2]) / 2 for box in values["boxes"]]
        # Up to a sharp border: between what it was shown as a digit and as none, a network may name any third thing.
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

"""Four ways to read a handwritten number: in stages, by a sliding network, end to end, and from single digits on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np

import longspan as ls
from longspan.datasets import NumbersConfig, make_numbers
from longspan.systems.find_digits import cut_out, find_digits, join_digits
from longspan.train import Budget, Predictor, Strategy
from longspan.train.slide import slide

__all__ = [
    "END_TO_END",
    "FROM_DIGITS",
    "NEEDS",
    "SLIDING",
    "STAGED",
    "ReadBySliding",
    "staged_pipeline",
    "ways_to_read",
]

STAGED, SLIDING = "in stages", "sliding LeNet"
END_TO_END, FROM_DIGITS = "end to end", "from single digits"
NEEDS = {
    STAGED: ("number", "boxes"),
    SLIDING: ("number", "boxes"),
    END_TO_END: ("number",),
    FROM_DIGITS: ("number",),
}
"""The labels that each way learns from: boxes say where each digit is."""

_WINDOW_PX = 32
_NEAR_PX = 4.5  # a digit whose middle is so near to a window's is in it; a farther one is not
_EVERY_PX = 3
_SOURCE_EPOCHS = 5
_LINES = ls.TrainConfig(
    batch_size=32,
    weight_decay=0.02,
    augment=ls.Augment(rotate_deg=3, shift=0.02, scale=0.06, brightness=0.1, contrast=0.3, fill="border"),
)
_WINDOWS = ls.TrainConfig(
    batch_size=64,
    weight_decay=0.02,
    augment=ls.Augment(rotate_deg=5, scale=0.06, brightness=0.1, contrast=0.3, fill="border"),
)
_DIGITS = ls.TrainConfig(
    batch_size=64,
    weight_decay=0.02,
    augment=ls.Augment(rotate_deg=8, shift=0.06, scale=0.1, brightness=0.1, contrast=0.3, fill="border"),
)


def ways_to_read(digits: ls.Table, *, source: int = 8_000, seed: int = 0) -> dict[str, Strategy]:
    """The four strategies by name.

    Args:
        digits: Pictures of single digits that training may see: the last way starts from them.
        source: Pictures of one digit each that the last way learns first.
        seed: Of the source training of the last way.
    """
    reader = line_reader()
    single = make_numbers(digits, source, seed=seed, config=NumbersConfig(size_px=(32, _WINDOW_PX), lengths=(1, 1)))
    task = ls.Task(single.split(valid=0), inputs="image", targets="number")
    source_recipe = ls.Recipe(reader.model, epochs=_SOURCE_EPOCHS, lr=reader.lr, config=_DIGITS)
    return {
        STAGED: staged_pipeline(),
        SLIDING: ReadBySliding(),
        END_TO_END: reader,
        FROM_DIGITS: ls.Transfer(reader, source=task, source_recipe=source_recipe),
    }


def line_reader(*, small: bool = False) -> ls.Recipe:
    """Convolutions over the whole picture and CTC."""
    channels = (16, 32, 64, 96) if small else (24, 48, 96, 128)
    model = ls.LineCNNConfig(channels=channels, num_features=channels[-1])
    # CTC needs some hundreds of steps before it spells anything, so small budgets want small batches.
    config = replace(_LINES, batch_size=16) if small else _LINES
    return ls.Recipe(model, epochs=20, lr=8e-3 if small else 6e-3, config=config)


def staged_pipeline(*, small: bool = False) -> ls.Pipeline:
    """Find each digit, cut it out, classify it, join: all but the classifier are given functions."""
    config = replace(_DIGITS, batch_size=32) if small else _DIGITS
    classifier = ls.Recipe("unshuffle_cnn" if small else "deep_cnn", epochs=10, lr=4e-3, config=config)
    return ls.Pipeline(
        [
            ls.Stage("find", find_digits, reads="image", adds="boxes"),
            ls.Stage("cut", cut_out, reads=["image", "boxes"], adds={"crops": ls.Image()}, each="boxes"),
            ls.Stage("classify", classifier, reads="crops", adds={"digits": ls.Category()}, each="crops"),
            ls.Stage("join", join_digits, reads="digits", adds={"number": ls.Text()}),
        ]
    )


@final
class ReadBySliding:
    """A strategy: LeNet-5 learns single windows, 32 px wide, and is then slid over the picture as one convolution.

    Windows are cut from the training pictures every 3 px: with a digit in the middle, labelled with it, and others,
    labelled "none". Source: see `longspan.train.slide`.
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
        """See `Predictor.save`; the file is that of a network which reads whole pictures."""
        return self.predictor.save(path)


def cut_windows(numbers: ls.Table) -> ls.Table:
    """Windows of 32 px width of pictures of numbers: `image`, and `digit`, "none" where no digit is in the middle."""
    pictures: list[np.ndarray] = []
    labels: list[str] = []
    margin = _WINDOW_PX // 2
    for row in range(len(numbers)):
        values: Mapping[str, Any] = numbers[row]
        padded = np.pad(values["image"], ((0, 0), (margin, margin)), mode="edge")
        centres = [(box[0] + box[2]) / 2 for box in values["boxes"]]
        # Up to a sharp border: between what it was shown as a digit and as none, a network may name any third thing.
        for x in np.arange(centres[0] - 2 * _EVERY_PX - _NEAR_PX - row % _EVERY_PX, centres[-1] + 16, _EVERY_PX):
            nearest = min(range(len(centres)), key=lambda i: abs(x - centres[i]))
            near = abs(x - centres[nearest]) <= _NEAR_PX
            left = int(np.clip(round(x), 0, values["image"].shape[1]))
            pictures.append(padded[:, left : left + _WINDOW_PX])
            labels.append(str(values["digits"][nearest]) if near else "none")
    vocab = (*map(str, range(10)), "none")
    return ls.Table.from_arrays(
        {"image": np.stack(pictures), "digit": labels}, {"image": ls.Image(), "digit": ls.Category(vocab=vocab)}
    )

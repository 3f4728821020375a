"""Pipelines that read numbers: find each digit, cut it out, classify it, join; finding is a function or a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import longspan as ls
from longspan.randomness import step_seed
from longspan.systems.numbers.digit_halves import HALVES, boxes_of_halves, halves_of_boxes
from longspan.systems.numbers.find_digits import cut_out, find_digits, join_digits

__all__ = ["cut_digits", "learned_stages", "single_digits", "staged_pipeline"]

_NUMBERS_A_DIGIT = 2 / 4.5  # digits are drawn at random: with twice as many draws few are left out
_VIEWS = 8  # test-time augmentation of each crop
_OFF_PX = 0.5  # standard deviation of the noise on the boxes that source digits are cut out by
_FIND = ls.Augment(
    rotate_deg=2, shift=0.02, scale=0.06, brightness=0.1, contrast=0.3, fill="border", resample="bilinear"
)
_CROPS = ls.Augment(
    rotate_deg=8, shear_deg=10, shift=0.05, scale=0.1, brightness=0.1, contrast=0.3, fill="border", resample="bilinear"
)
_DIGITS = ls.Augment(
    rotate_deg=8, shift=0.06, scale=0.1, brightness=0.1, contrast=0.3, fill="border", resample="bilinear"
)


def single_digits(*, batch_size: int = 64) -> ls.TrainConfig:
    """The training configuration for images of single digits."""
    return ls.TrainConfig(batch_size=batch_size, weight_decay=0.02, augment=_DIGITS)


def staged_pipeline(*, small: bool = False) -> ls.Pipeline:
    """Find each digit, cut it out, classify it, join: all but the classifier are function stages."""
    config = single_digits(batch_size=16 if small else 64)
    classifier = ls.Recipe("space_to_depth_cnn" if small else "deep_cnn", epochs=10, lr=4e-3, config=config)
    return ls.Pipeline(
        [
            ls.Stage("find", find_digits, reads="image", adds="boxes"),
            ls.Stage("cut", cut_out, reads=["image", "boxes"], adds={"crops": ls.Image()}, each="boxes"),
            ls.Stage("classify", classifier, reads="crops", adds={"digits": ls.Category()}, each="crops"),
            ls.Stage("join", join_digits, reads="digits", adds={"number": ls.Text()}),
        ]
    )


def learned_stages(digits: ls.Table, *, source: int, seed: int, keep_in: Path | None = None) -> ls.Pipeline:
    """The same stages with a network that finds the digits; both networks are pretrained on composed numbers.

    Numbers composed of single digits come with the box of each digit for free.

    Args:
        digits: Images of the single digits of the training part.
        source: Number of single digits; the source numbers show each about twice.
        seed: Seed of the source numbers and source trainings.
        keep_in: Folder for the pretrained networks; see `Transfer`.
    """
    numbers = ls.datasets.make_numbers(
        digits, max(4, round(source * _NUMBERS_A_DIGIT)), seed=step_seed(seed, "source numbers", 0)
    )
    look = ls.Stage(
        "look", _finder(numbers, seed, keep_in), reads="image", adds={"halves": HALVES}, train_on="predicted",
        label=halves_of_boxes,
    )  # fmt: skip
    # Trained on predicted boxes too: they are slightly off, and so are those at prediction time.
    classify = ls.Stage(
        "classify", _classifier(numbers, seed, keep_in), reads="crops", adds={"digits": ls.Category()}, each="crops",
        train_on="both", views=_VIEWS,
    )  # fmt: skip
    return ls.Pipeline(
        [
            look,
            ls.Stage("find", boxes_of_halves, reads="halves", adds="boxes"),
            ls.Stage("cut", cut_out, reads=["image", "boxes"], adds={"crops": ls.Image()}, each="boxes"),
            classify,
            ls.Stage("join", join_digits, reads="digits", adds={"number": ls.Text()}),
        ]
    )


def _finder(numbers: ls.Table, seed: int, keep_in: Path | None) -> ls.Transfer:
    recipe = ls.Recipe(
        ls.SpaceToDepthCNNConfig(),
        epochs=4,
        lr=2e-3,
        config=ls.TrainConfig(batch_size=32, weight_decay=0.02, augment=_FIND),
        heads={"halves": ls.Segment(decoder="unet", width=16)},
        average=0.98,
    )
    masks = [halves_of_boxes({}, numbers[row]) for row in range(len(numbers))]
    marked = numbers.select("image").with_column("halves", HALVES, masks)
    task = ls.Task(marked.split(valid=0), inputs="image", targets="halves")
    source_recipe = replace(recipe, phases=(ls.Phase(epochs=4, lr=1e-2), ls.Phase(epochs=4, lr=6e-3)))
    return ls.Transfer(recipe, task, source_recipe=source_recipe, source_seed=seed, keep_in=keep_in)


def _classifier(numbers: ls.Table, seed: int, keep_in: Path | None) -> ls.Transfer:
    config = ls.TrainConfig(batch_size=64, weight_decay=0.02, augment=_CROPS)
    recipe = ls.Recipe(
        ls.SpaceToDepthCNNConfig(widths=(24, 48, 96, 96), dropout=0.2), epochs=5, lr=1e-3, config=config, average=0.98
    )
    task = ls.Task(cut_digits(numbers, seed=seed).split(valid=0), inputs="crops", targets="digits")
    source_recipe = replace(recipe, phases=(), lr=1.2e-2, average=0.99)
    return ls.Transfer(recipe, task, source_recipe=source_recipe, source_seed=seed, keep_in=keep_in)


def cut_digits(numbers: ls.Table, *, seed: int) -> ls.Table:
    """Every digit of these numbers, cut out by a box with random noise on its sides: `crops` and `digits`."""
    generator = np.random.default_rng(step_seed(seed, "boxes that are off", 0))
    crops: list[np.ndarray] = []
    classes: list[int] = []
    for row in range(len(numbers)):
        values: dict[str, Any] = numbers[row]
        boxes = np.asarray(values["boxes"]) + generator.normal(0, _OFF_PX, (len(values["boxes"]), 4))
        crops += [cut_out(values["image"], box.tolist()) for box in boxes]
        classes += values["digits"]
    return ls.Table.from_arrays(
        {"crops": np.stack(crops), "digits": classes}, {"crops": ls.Image(), "digits": ls.Category()}
    )

"""What the segmentation and detection systems share: options, training, timing, contact sheets."""

from __future__ import annotations

import time
from abc import ABC
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError
from longspan.report import CaptionedImage
from longspan.systems.options import check_above_zero, check_at_least, check_network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "DetectorOptions",
    "Trained",
    "VisionOptions",
    "all_detections",
    "detector_training",
    "first_of_parts",
    "parse_networks",
    "parse_size",
    "sheet",
    "train_network",
]  # fmt: skip

_TIMED_IMAGES = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class VisionOptions(ABC):  # noqa: B024 -- nothing to override, and no options of any system
    """Abstract. Options that these systems share; each sets its defaults and adds its own."""

    backbone: str = "squeezenet1_1"
    """Backbone of the networks; see `longspan models`."""
    weights: str = "imagenet"
    """Initial weights of the backbone: imagenet, none, or a file."""
    size: str = "224"
    """Height and width of the network's input."""
    epochs: int = 10
    """Passes over the training images."""
    batch_size: int = 4
    """Images per step."""
    lr: float = 1e-3
    """Peak learning rate of the new layers."""
    limit: int | None = None
    """Use only this many images of each part, for a quick look."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_network(self.backbone, self.weights)
        check_at_least(epochs=(self.epochs, 1), batch_size=(self.batch_size, 1), limit=(self.limit, 10))
        check_above_zero(lr=self.lr)
        parse_size(self.size)

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width."""
        return parse_size(self.size)

    @property
    def start(self) -> str | None:
        """`weights` in the form that `Learner` takes."""
        return None if self.weights == "none" else self.weights


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectorOptions(VisionOptions, ABC):
    """Abstract. Options of the systems that train detectors."""

    channels: int = 128
    """Channels of every pyramid level."""
    box_head_dim: int = 512
    """Width of the layers that classify a region."""
    samples: int = 128
    """Regions of a photo in the loss of a step."""
    proposals: int = 300
    """Regions of a photo that reach the second stage."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        VisionOptions.__post_init__(self)
        check_at_least(**{name: (value, 1) for name, value in self.head_sizes.items()})

    @property
    def head_sizes(self) -> dict[str, Any]:
        """These options as arguments of `Detect` and `SegmentInstances`, which check them."""
        return {name: getattr(self, name) for name in ("channels", "box_head_dim", "samples", "proposals")}


@final
@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network and its times."""

    learner: ls.Learner
    seconds: float
    """Wall-clock time of the training, validation included."""
    images_per_second: float
    """Prediction one image at a time, reading the file included."""


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from "180x240", or from "224" for a square.

    Raises:
        ConfigError: it is not a size, or a side is below 32 pixels.
    """
    parts = text.lower().split("x")
    try:
        sides = [int(part) for part in parts]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < 32:
        raise ConfigError(
            f"--size must be HEIGHTxWIDTH or one side, at least 32 pixels each, like 180x240; got {text!r}."
        )
    return (sides[0], sides[-1])


def parse_networks(text: str, known: Collection[str]) -> list[str]:
    """The names in "unet,segnet", each once.

    Raises:
        ConfigError: a name is unknown or named twice.
    """
    names = text.split(",")
    if set(names) - set(known) or len(set(names)) < len(names):
        raise ConfigError(f"--networks must be some of {', '.join(known)}, each once; got {text!r}.")
    return names


def first_of_parts(table: ls.Table, limit: int | None) -> ls.Table:
    """The first `limit` rows of the parts "train" and "valid" in the column `part`; all rows if `limit` is None."""
    if limit is None:
        return table
    parts = np.asarray(table.column_values("part"))
    return table.take(np.concatenate([np.flatnonzero(parts == part)[:limit] for part in ("train", "valid")]))


def detector_training(
    batch_size: int, *, scale: float = 0.2, shift: float = 0.08, contrast: float = 0.2
) -> ls.TrainConfig:
    """The training configuration of detectors: photos are flipped, zoomed, shifted, and vary in light."""
    augment = ls.Augment(flip=True, scale=scale, shift=shift, brightness=0.1, contrast=contrast)
    return ls.TrainConfig(batch_size=batch_size, weight_decay=0.02, clip_norm=5.0, augment=augment)


def all_detections(learner: ls.Learner, target: str = "boxes") -> ls.Predictor:
    """The same detector without a score threshold: average precision ranks all detections."""
    predictor = learner.predictor()
    head = predictor.heads[target]
    assert isinstance(head, ls.Detect)
    return ls.Predictor(predictor.network, predictor.inputs, {target: replace(head, answer_score=0.0)})


def train_network(
    task: ls.Task,
    model: str | ls.SegNetConfig,
    *,
    weights: str | None,
    heads: Mapping[str, ls.Head] | None = None,
    epochs: int,
    lr: float,
    config: ls.TrainConfig,
    backbone_lr_mult: float = 0.3,
    seed: int = 0,
    progress: bool = True,
) -> Trained:
    """Train all layers with one cycle of the learning rate, pretrained ones at a lower rate; average the weights."""
    learner = ls.Learner(
        task, model, weights=weights, heads=heads, config=config, callbacks=[ls.WeightAverage(0.98)], seed=seed,
        progress=progress,
    )  # fmt: skip
    started = time.perf_counter()
    learner.run([ls.Phase(epochs=epochs, lr=lr, backbone_lr_mult=1.0 if weights is None else backbone_lr_mult)])
    seconds = time.perf_counter() - started
    rows = task.valid if len(task.valid) else task.train
    table = task.table.take(rows[:_TIMED_IMAGES].numpy()).select(*task.input_names)
    predictor = learner.predictor()
    predictor.predict(table.take([0]))
    started = time.perf_counter()
    for row in range(len(table)):
        predictor.predict(table.take([row]))
    return Trained(learner, seconds, len(table) / (time.perf_counter() - started))


def sheet(
    table: ls.Table, target: str, predictions: Mapping[str, Sequence[ls.Prediction]], *, title: str, cell_px: int = 190
) -> Figure:
    """A row per image of a table: the image, its ground truth, and the prediction of each model.

    Args:
        table: Images in `image`, ground truth in `target`.
        target: A fitted column whose values lie in the image.
        predictions: One per row, by the name of the model.
        title: Title of the sheet.
        cell_px: Width of one image, in pixels.
    """
    from longspan.report import contact_sheet
    from longspan.vision.image_io import read_pixels

    column = table.columns[target]
    images = []
    for row in range(len(table)):
        pixels = np.asarray(read_pixels(table.value(row, "image"), "RGB", 1 << 20))
        images.append(CaptionedImage(pixels, caption="image"))
        target_value = table.value(row, target)
        drawn = pixels if target_value is None else column.draw(pixels, target_value)
        images.append(CaptionedImage(drawn, caption="ground truth"))
        images += [CaptionedImage(each[row].draw(pixels), caption=name) for name, each in predictions.items()]
    return contact_sheet(images, columns=2 + len(predictions), title=title, cell_px=cell_px, legend=column.legend)

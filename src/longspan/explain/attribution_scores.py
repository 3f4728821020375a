"""Scores of where a network looked, beside those of random weights: on the object, on what its prediction hangs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from longspan.data import Table
from longspan.errors import ConfigError, DataError, ShapeError
from longspan.explain.attribution import (
    AttributionModel,
    Method,
    attribution_batch,
    attribution_model,
    maps_of,
)
from longspan.explain.attribution_checks import make_random
from longspan.explain.expected_cost import HOUR, check_cost
from longspan.inference.predictor import Predictor
from longspan.study.statistics.t_distribution import t_quantile

__all__ = ["AttributionScores", "ScorePair", "attribution_scores", "regions_of"]

_AT_A_TIME = 16


@final
@dataclass(frozen=True, slots=True)
class ScorePair:
    """One score of the trained network's maps beside that of maps of random weights, over the same images."""

    trained: float
    random: float
    difference: float
    """Of the trained network minus random weights, the mean over images."""
    interval: tuple[float, float]
    """Of the difference, 95 %, over images."""

    @property
    def certain(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval[0] > 0 or self.interval[1] < 0


@final
@dataclass(frozen=True, slots=True)
class AttributionScores:
    """How good the maps of one method are."""

    method: Method
    images: int
    area: float | None
    """Fraction of the image that the object covers: the energy of a map without meaning."""
    energy: ScorePair | None
    """Fraction of the positive attribution inside the object; None without regions."""
    pointing: ScorePair | None
    """Fraction of images whose highest place lies inside (the pointing game)."""
    deletion: ScorePair
    """Mean probability of the class while the pixels that count most go first; lower is better."""
    insertion: ScorePair
    """Mean probability while those pixels come first into an image of the mean colour; higher is better."""
    deletion_curve: tuple[float, ...]
    """Of the trained network's maps: the mean probability after each step, from the whole image to none of it."""
    insertion_curve: tuple[float, ...]
    """Likewise from an image of the mean colour to the whole one."""


def attribution_scores(
    model: Any,
    images: Any,
    regions: Sequence[np.ndarray] | None = None,
    *,
    method: Method = "grad_cam",
    target: str | None = None,
    outcome: Any = None,
    steps: int = 10,
    seed: int = 0,
    max_seconds: float | None = HOUR,
    **options: Any,
) -> AttributionScores:
    """Score the maps of a trained network, and those of a copy with random weights on the same images.

    Args:
        model: See `attribute`; it must predict one class of an image.
        images: See `attribute`; some dozens.
        regions: Bool `(H, W)` each: where the object is, in the frame of the image as the network reads it; see
            `regions_of`.
        method: See `attribute`.
        target: See `attribute`.
        outcome: See `attribute`.
        steps: Of deletion and insertion.
        seed: Of the random weights.
        max_seconds: Refused if it would take longer; None: never.
        options: `patch_px` of `attribute`.

    Raises:
        ConfigError: fewer than two images, another number of regions, or a target without classes.
        ShapeError: a region of another size than its map, or an empty one.

    Source: energy: Wang et al. 2020, "Score-CAM", section 4.3; pointing game: Zhang et al. 2016, "Top-down neural
    attention by excitation backprop", section 4.1; deletion and insertion: Petsiuk et al. 2018, "RISE", section 4.2.
    Differs: pixels are deleted to the mean colour of the training rows, and inserted into it, not into a blurred image;
    the pointing game has no margin. The probabilities are those of the trained network, whoever made the map.
    """
    if steps < 2:
        raise ConfigError(f"steps must be at least 2, got {steps}.")
    batch = attribution_batch(model, images, target=target, outcome=outcome)
    if batch.predictor.heads[batch.target].kind != "classify":
        raise ConfigError(f"Target {batch.target!r} has no classes, whose probability deletion and insertion follow.")
    count = len(batch.prepared)
    if count < 2:
        raise ConfigError("Scores are intervals over images: give two at least.")
    if regions is not None and len(regions) != count:
        raise ConfigError(f"Give as many regions as images; got {len(regions)} and {count}.")
    inside = None if regions is None else _checked(regions, tuple(batch.prepared.shape[2:]))

    def probe() -> int:
        some, numbers = batch.prepared[:2], batch.classes[:2]
        maps = maps_of(batch.model, some, numbers, method, **options)[0].cpu()
        _curves(batch.model, some, numbers, maps, steps)
        return len(some)

    # Each image is looked at twice: by the trained network, and by one with random weights.
    check_cost("Scores of the maps", 2 * count, probe, each=2, max_seconds=max_seconds)
    random = _random_model(batch.predictor, batch.target, batch.prepared[:1], seed)
    found: dict[str, dict[str, np.ndarray]] = {}
    curves: dict[str, dict[str, np.ndarray]] = {}
    for name, scored in (("trained", batch.model), ("random", random)):
        maps = torch.cat(
            [
                maps_of(scored, images_, classes, method, **options)[0].cpu()
                for images_, classes in zip(
                    batch.prepared.split(_AT_A_TIME), batch.classes.split(_AT_A_TIME), strict=True
                )
            ]
        )
        curves[name] = _curves(batch.model, batch.prepared, batch.classes, maps, steps)
        found[name] = {each: curve.mean(axis=1) for each, curve in curves[name].items()}
        if inside is not None:
            found[name] |= _inside(maps.numpy(), inside)
    pairs = {name: _pair(values, found["random"][name]) for name, values in found["trained"].items()}
    return AttributionScores(
        method, count, None if inside is None else float(inside.mean()), pairs.get("energy"), pairs.get("pointing"),
        pairs["deletion"], pairs["insertion"],
        *(tuple(curves["trained"][name].mean(axis=0).tolist()) for name in ("deletion", "insertion")),
    )  # fmt: skip


def regions_of(model: Any, table: Table, column: str, label: Any = None) -> tuple[Table, list[np.ndarray]]:
    """Where the objects are, as the network reads the images: rows with an object, and for each a bool `(H, W)`.

    Args:
        model: A network that reads one image, or a Learner.
        table: Rows with the images.
        column: Of boxes or masks.
        label: Only objects of this class; of a mask it must be given.

    Raises:
        ConfigError: a column of another kind, or a mask without a label.
        DataError: no row has such an object inside the frame.
    """
    predictor = model.predictor() if hasattr(model, "predictor") else model
    ((name, image),) = predictor.inputs.items()
    objects: Any = table.column(column)
    if objects.kind not in ("boxes", "mask") or (objects.kind == "mask" and label is None):
        raise ConfigError(
            f"Column {column!r} is of kind {objects.kind}: regions come from boxes, or from a mask and a label= of it."
        )
    values = table.column_values(column)
    known = np.array([row for row, value in enumerate(values) if value is not None], np.int64)
    if objects.kind == "mask":
        objects = objects.fit([values[row] for row in known])
    rows, regions = [], []
    for row, value in zip(known, table.take(known).column_values(name), strict=True):
        transform = image.context_of(value)
        if objects.kind == "mask":
            classes = objects.classes(values[row])
            region = transform.mask_to_frame(classes, 255) == list(objects.vocab).index(label)
        else:
            region = np.zeros(image.size_px, bool)
            for each in values[row]:
                if label is not None and isinstance(each, dict) and each.get("label") != label:
                    continue
                box = each["box"] if isinstance(each, dict) else each
                left, top, right, bottom = np.clip(transform.boxes_to_frame([box])[0].round(), 0, None).astype(int)
                region[top:bottom, left:right] = True
        if region.any():
            rows.append(row)
            regions.append(region)
    if not rows:
        raise DataError(f"No row of {table.source} has an object in column {column!r} inside the frame of its image.")
    return table.take(np.array(rows)), regions


def _random_model(predictor: Predictor, target: str, example: Tensor, seed: int) -> AttributionModel:
    network = copy.deepcopy(predictor.network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in network.modules():
            if any(True for _ in module.parameters(recurse=False)):
                make_random(module)
    return attribution_model(network.eval(), target, example)


def _checked(regions: Sequence[np.ndarray], size_px: tuple[int, ...]) -> np.ndarray:
    for number, region in enumerate(regions):
        if np.shape(region) != size_px or not np.any(region):
            raise ShapeError(
                f"Region {number} must be a mask of {size_px} with at least one place inside, got {np.shape(region)} "
                f"with {int(np.sum(region))}."
            )
    return np.stack([np.asarray(region, bool) for region in regions])


def _inside(maps: np.ndarray, inside: np.ndarray) -> dict[str, np.ndarray]:
    """Energy and hits of each image."""
    positive = np.clip(maps, 0, None)
    total = positive.sum(axis=(1, 2))
    areas = inside.mean(axis=(1, 2))
    energy = np.where(total > 0, (positive * inside).sum(axis=(1, 2)) / np.maximum(total, 1e-30), areas)
    places = maps.reshape(len(maps), -1).argmax(axis=1)
    return {"energy": energy, "pointing": inside.reshape(len(maps), -1)[np.arange(len(maps)), places].astype(float)}


@torch.no_grad()
def _curves(
    model: AttributionModel, images: Tensor, classes: Tensor, maps: Tensor, steps: int
) -> dict[str, np.ndarray]:
    """By name `(N, steps + 1)`: probabilities while more and more pixels are deleted, and inserted."""
    count, _, height, width = images.shape
    # Rank 0 is the place that counts most; equal ones in the order of pixels.
    order = torch.argsort(maps.reshape(count, -1), dim=1, descending=True, stable=True)
    ranks = torch.argsort(order, dim=1).reshape(count, 1, height, width).to(images.device)
    found: dict[str, list[np.ndarray]] = {"deletion": [], "insertion": []}
    for step in range(steps + 1):
        gone = ranks < round(step * height * width / steps)
        for name, changed in (("deletion", images.masked_fill(gone, 0)), ("insertion", images.masked_fill(~gone, 0))):
            parts = [
                model.outputs(part).softmax(dim=1).gather(1, numbers[:, None])[:, 0]
                for part, numbers in zip(changed.split(_AT_A_TIME), classes.split(_AT_A_TIME), strict=True)
            ]
            found[name].append(torch.cat(parts).double().cpu().numpy())
    return {name: np.stack(values, axis=1) for name, values in found.items()}


def _pair(trained: np.ndarray, random: np.ndarray) -> ScorePair:
    differences = trained - random
    mean = float(differences.mean())
    margin = t_quantile(0.975, len(differences) - 1) * float(differences.std(ddof=1)) / len(differences) ** 0.5
    return ScorePair(float(trained.mean()), float(random.mean()), mean, (mean - margin, mean + margin))

"""R-CNN as published, as a pipeline: regions, a network's features of each, a linear SVM and a regression per class."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

import longspan as ls
from longspan.columns.category import Label
from longspan.errors import ConfigError
from longspan.models import ModelConfig
from longspan.pipeline import FeaturesOf
from longspan.systems.rcnn.box_deltas import moved
from longspan.systems.rcnn.labels import BACKGROUND, kinds_of_regions, moves_of_regions, regions_of_class
from longspan.systems.rcnn.regions import find_regions, warp_regions
from longspan.vision.image_io import look

__all__ = ["decide_boxes", "join_regions", "rcnn", "scale_features"]

_NORM = 20.0  # of features: the constants of the machines and regressions were chosen for it
_MOST = 100  # boxes of one image


def rcnn(
    labels: Sequence[Label],
    *,
    backbone: str | ModelConfig = "squeezenet1_1",
    weights: str | None = "imagenet",
    search_px: int = 160,
    regions: int = 250,
    crop_px: int = 96,
    grid: int = 2,
    epochs: int = 4,
    batch_size: int = 64,
    lr: float = 1e-3,
) -> ls.Pipeline:
    """R-CNN for these classes; fit it on a table with `image`, `boxes` and `regions` (`with_true_regions`).

    propose (selective search) -> warp -> tune (the network learns which kind each region is) -> look (its features) ->
    for each class: score (a linear support vector machine) and refine (ridge regression of the box) -> join (of boxes
    of a class that overlap by more than 0.3 the surest) -> decide (those on the machine's side of its border).

    Source: Girshick, Donahue, Darrell and Malik 2014, "Rich feature hierarchies for accurate object detection and
    semantic segmentation", with the numbers of its appendices, and where the paper is silent those of the authors'
    code: features of norm 20, C = 0.001, positives counted twice, the machine's constant times 10.

    Differs:
        - A small network on small crops; the paper has AlexNet at 227 px.
        - Machines and regressions read one and the same features, the last map averaged to a grid; the paper's
          machines read the layer before the classes, its regressions the last map.
        - Every vector of features is brought to norm 20; the authors' code brings their mean to it.
        - No hard negative mining, which is there to save memory: all negatives are learned from at once, and so the
          machine is the one that mining would end at.
        - The score is the logistic function of the machine's margin: 0.5 on its border; it is no probability.
        - Regions, crops, batches and moves: see `find_regions`, `warp_regions`, `kinds_of_regions`, `moves_between`.

    Args:
        labels: The classes of things.
        backbone: The network, by name or with options; any with feature maps.
        weights: What it starts from; see `Learner`.
        search_px: Longer side of the image that is searched for regions.
        regions: Most regions of an image.
        crop_px: Side of the square that the network sees.
        grid: Places a side of the grid of features.
        epochs: Of the network over the regions.
        batch_size: Regions in a step.
        lr: Peak learning rate of the network.

    Raises:
        ConfigError: no classes, or one is called like the background.
    """
    from sklearn.linear_model import Ridge
    from sklearn.svm import LinearSVC

    if not labels or BACKGROUND in labels or len({*labels}) < len(labels):
        raise ConfigError(f"R-CNN needs classes, each once and none called {BACKGROUND!r}, got {list(labels)}.")
    recipe = ls.Recipe(
        backbone,
        weights=weights,
        epochs=epochs,
        lr=lr,
        average=0.98,
        config=ls.TrainConfig(
            batch_size=batch_size,
            weight_decay=0.02,
            augment=ls.Augment(flip=True, brightness=0.1, contrast=0.2),
        ),
    )
    stages = [
        ls.Stage(
            "propose",
            functools.partial(find_regions, side_px=search_px, most=regions),
            reads="image",
            adds="regions",
        ),
        ls.Stage("warp", functools.partial(warp_regions, size_px=crop_px), reads=["image", "regions"], adds="crops"),
        ls.Stage(
            "tune",
            recipe,
            reads="crops",
            adds={"kinds": ls.Category(vocab=(BACKGROUND, *labels))},
            columns={"crops": ls.Image(resize="stretch")},
            each="crops",
            size_px=crop_px,
            train_on="both",
            label=kinds_of_regions,
        ),
        ls.Stage("look", FeaturesOf(stage="tune", grid=grid), reads="crops", adds="seen", each="crops"),
        ls.Stage("scale", scale_features, reads="seen", adds="features"),
    ]
    for label in labels:
        stages += [
            ls.Stage(
                f"score {label}",
                LinearSVC(C=1e-3, loss="hinge", class_weight={1: 2.0}, intercept_scaling=10, max_iter=10_000),
                reads="features",
                adds=f"margins of {label}",
                each="features",
                train_on="both",
                label=functools.partial(regions_of_class, label=label),
                method="decision_function",
            ),
            ls.Stage(
                f"refine {label}",
                Ridge(alpha=1000.0),
                reads="features",
                adds=f"moves of {label}",
                each="features",
                train_on="predicted",
                label=functools.partial(moves_of_regions, label=label),
            ),
        ]
    of_classes = [f"{what} of {label}" for what in ("margins", "moves") for label in labels]
    stages += [
        ls.Stage(
            "join",
            functools.partial(join_regions, labels=list(labels)),
            reads=["image", "regions", *of_classes],
            adds="found",
        ),
        ls.Stage("decide", decide_boxes, reads="found", adds={"boxes": ls.Boxes(vocab=tuple(labels))}),
    ]
    return ls.Pipeline(stages, answers=("boxes",))


def scale_features(features: list[Any]) -> list[np.ndarray]:
    """Every vector with a norm of 20; zeros stay zeros."""
    return [np.asarray(each) * np.float32(_NORM / max(float(np.linalg.norm(each)), 1e-6)) for each in features]


def join_regions(
    image: Any,
    regions: Sequence[Sequence[float]],
    *of_classes: Sequence[Any],
    labels: list[Label],
    overlap: float = 0.3,
) -> list[dict[str, Any]]:
    """Regions moved to where their things are, without doubles, the surest first: a raw value of `Boxes` with scores.

    Args:
        image: The image; only its size is of interest.
        regions: N boxes [x0, y0, x1, y1].
        of_classes: For each class a list of N margins, then for each class a list of N moves.
        labels: The classes.
        overlap: Of two boxes of one class that overlap by more (intersection over union) the surer one stays.
    """
    import torch

    from longspan.nn.detections import class_wise_nms

    if not regions:
        return []
    margins, moves = of_classes[: len(labels)], of_classes[len(labels) :]
    boxes = torch.from_numpy(np.concatenate([moved(regions, each) for each in moves]))
    scores = torch.sigmoid(torch.tensor(margins, dtype=torch.float64).flatten())
    classes = torch.arange(len(labels)).repeat_interleave(len(regions))
    kept = class_wise_nms(boxes, scores, classes, look(image)[1], overlap=overlap, most=_MOST)
    found = zip(*(each.tolist() for each in kept), strict=True)
    return [{"box": box, "label": labels[kind], "score": score} for box, score, kind in found]


def decide_boxes(found: list[dict[str, Any]], *, least: float = 0.5) -> list[dict[str, Any]]:
    """Those that are at least so sure; 0.5 is the border of a machine."""
    return [each for each in found if each["score"] >= least]

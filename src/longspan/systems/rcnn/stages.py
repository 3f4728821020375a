"""R-CNN as a pipeline: region proposals, features of a network, a linear SVM and a box regression per class."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

import longspan as ls
from longspan.columns.category import Label
from longspan.errors import ConfigError
from longspan.systems.rcnn.box_deltas import apply_deltas
from longspan.systems.rcnn.labels import BACKGROUND, region_classes, region_deltas, region_positives
from longspan.systems.rcnn.regions import find_regions, warp_regions
from longspan.vision.image_io import look

__all__ = ["decide_boxes", "join_regions", "rcnn", "scale_features"]

_NORM = 20.0  # of feature vectors: C and alpha were chosen for it
_MOST = 100  # detections per image


def rcnn(
    labels: Sequence[Label],
    *,
    backbone: str | ls.models.ModelConfig = "squeezenet1_1",
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

    propose (selective search) -> warp -> tune (the network learns the class of each region) -> extract (its features)
    -> for each class: score (a linear support vector machine) and refine (ridge regression of the box) -> join
    (non-maximum suppression at an IoU of 0.3) -> decide (detections with a positive margin).

    Source: Girshick, Donahue, Darrell and Malik 2014, "Rich feature hierarchies for accurate object detection and
    semantic segmentation", with the numbers of its appendices, and from the authors' code where the paper gives none:
    features of norm 20, C = 0.001, positives weighted twice, intercept scaling 10.

    Differs:
        - A small network on small crops; the paper uses AlexNet at 227 px.
        - SVMs and regressions share the same features, the last map averaged to a grid; in the paper SVMs read the
          layer before the classes, regressions the last map.
        - Every feature vector is scaled to norm 20; the authors' code scales their mean norm.
        - No hard negative mining, whose purpose is to save memory: the SVM learns from all negatives at once.
        - The score is the logistic function of the margin, 0.5 at the decision boundary; not a calibrated probability.
        - Regions, crops, batches and deltas: see `find_regions`, `warp_regions`, `region_classes`, `encode_deltas`.

    Args:
        labels: The classes of objects.
        backbone: A network with feature maps, by name or as its config.
        weights: Its initial weights; see `Learner`.
        search_px: Longer side of the image in selective search.
        regions: Largest number of regions per image.
        crop_px: Height and width of the crops.
        grid: Cells per side of the feature grid.
        epochs: Epochs of the network over the regions.
        batch_size: Regions per step.
        lr: Peak learning rate of the network.

    Raises:
        ConfigError: no classes, a duplicate, or one named like the background.
    """
    from sklearn.linear_model import Ridge
    from sklearn.svm import LinearSVC

    if not labels or BACKGROUND in labels or len({*labels}) < len(labels):
        raise ConfigError(
            f"R-CNN needs at least one class, each once and none named {BACKGROUND!r}; got {list(labels)}."
        )
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
            adds={"classes": ls.Category(vocab=(BACKGROUND, *labels))},
            columns={"crops": ls.Image(resize="stretch")},
            each="crops",
            size_px=crop_px,
            train_on="both",
            label=region_classes,
        ),
        ls.Stage("extract", ls.FeaturesOf(stage="tune", grid=grid), reads="crops", adds="raw_features", each="crops"),
        ls.Stage("scale", scale_features, reads="raw_features", adds="features"),
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
                label=functools.partial(region_positives, label=label),
                method="decision_function",
            ),
            ls.Stage(
                f"refine {label}",
                Ridge(alpha=1000.0),
                reads="features",
                adds=f"deltas of {label}",
                each="features",
                train_on="predicted",
                label=functools.partial(region_deltas, label=label),
            ),
        ]
    of_classes = [f"{what} of {label}" for what in ("margins", "deltas") for label in labels]
    stages += [
        ls.Stage(
            "join",
            functools.partial(join_regions, labels=list(labels)),
            reads=["image", "regions", *of_classes],
            adds="found",
        ),
        ls.Stage("decide", decide_boxes, reads="found", adds={"boxes": ls.Boxes(vocab=tuple(labels))}),
    ]
    return ls.Pipeline(stages, outputs=("boxes",))


def scale_features(features: list[Any]) -> list[np.ndarray]:
    """Every vector scaled to norm 20; zeros stay zeros."""
    return [np.asarray(each) * np.float32(_NORM / max(float(np.linalg.norm(each)), 1e-6)) for each in features]


def join_regions(
    image: Any,
    regions: Sequence[Sequence[float]],
    *of_classes: Sequence[Any],
    labels: list[Label],
    overlap: float = 0.3,
) -> list[dict[str, Any]]:
    """Refined regions after class-wise non-maximum suppression, highest score first: a raw value of `Boxes`.

    Args:
        image: The image; only its size is used.
        regions: N boxes [x0, y0, x1, y1].
        of_classes: N margins per class, then N deltas per class.
        labels: The classes.
        overlap: IoU above which the box of lower score is dropped.
    """
    import torch

    from longspan.nn.detections import class_wise_nms

    if not regions:
        return []
    margins, deltas = of_classes[: len(labels)], of_classes[len(labels) :]
    boxes = torch.from_numpy(np.concatenate([apply_deltas(regions, each) for each in deltas]))
    scores = torch.sigmoid(torch.tensor(margins, dtype=torch.float64).flatten())
    classes = torch.arange(len(labels)).repeat_interleave(len(regions))
    selected = class_wise_nms(boxes, scores, classes, look(image)[1], overlap=overlap, most=_MOST)
    found = zip(*(each.tolist() for each in selected), strict=True)
    return [{"box": box, "label": labels[kind], "score": score} for box, score, kind in found]


def decide_boxes(found: list[dict[str, Any]], *, least: float = 0.5) -> list[dict[str, Any]]:
    """Detections with at least this score; 0.5 is the decision boundary."""
    return [each for each in found if each["score"] >= least]

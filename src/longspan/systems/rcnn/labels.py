"""Training targets of each region for the learned stages of R-CNN, from the ground-truth boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import longspan as ls
from longspan.columns.category import Label
from longspan.metrics.iou import box_iou
from longspan.systems.rcnn.box_deltas import encode_deltas
from longspan.vision.annotation_values import entries_of, label_of

__all__ = ["BACKGROUND", "region_classes", "region_deltas", "region_positives", "with_true_regions"]

BACKGROUND = "background"
"""The class of a region without an object."""

_OBJECT = 0.5  # smallest IoU with a ground-truth box at which a region has its class, for the network
_NEGATIVE = 0.3  # largest IoU of a negative example, for the support vector machine
_SAME = 0.99  # IoU of a ground-truth box with itself, after rounding
_NEAR = 0.6  # smallest IoU of an example for box regression
_BACKGROUNDS = 3  # background regions per object region: 96 to 32 in a batch of the paper
_LEAST_BACKGROUNDS = 12  # at least, also in an image without objects


def with_true_regions(table: ls.Table, boxes: str = "boxes") -> ls.Table:
    """The table with `regions`, the ground truth of the proposal stage: boxes that are not ignored."""
    return table.with_column(
        "regions",
        ls.Raw(),
        lambda row: None if row[boxes] is None else [each["box"] for each in _objects(row[boxes])[0]],
    )


def region_classes(predicted: Mapping[str, Any], ground_truth: Mapping[str, Any]) -> list[Label | None]:
    """For the network: the label of the object with the largest IoU of at least one half, else `BACKGROUND`.

    Background regions are thinned out, evenly by size, to three times the number of object regions; the rest have no
    label. Neither have regions whose nearest object is ignored.

    Source: Girshick et al. 2014, section 2.3 and appendix B. Differs: there each batch draws 32 object regions and 96
    background regions at random; here epochs run over all regions that are left.
    """
    regions, (objects, ignored) = predicted["regions"], _objects(ground_truth["boxes"])
    overlaps = _overlaps([*objects, *ignored], regions)
    classes: list[Label | None] = [None] * len(regions)
    background = []
    for number in range(len(regions)):
        nearest = int(overlaps[:, number].argmax()) if len(overlaps) else -1
        if nearest < 0 or overlaps[nearest, number] < _OBJECT:
            background.append(number)
        elif nearest < len(objects):
            classes[number] = label_of(objects[nearest])
    found = sum(kind is not None for kind in classes)
    most = max(_BACKGROUNDS * (found + len(objects)), _LEAST_BACKGROUNDS)
    for place in np.linspace(0, len(background) - 1, min(most, len(background))).round().astype(int):
        classes[background[place]] = BACKGROUND
    return classes


def region_positives(
    predicted: Mapping[str, Any], ground_truth: Mapping[str, Any], *, label: Label
) -> list[int | None]:
    """For the support vector machine of a class: 1 for its ground-truth boxes, 0 for an IoU below 0.3, else None.

    Source: Girshick et al. 2014, section 2.3 and appendix B.
    """
    regions, (objects, ignored) = predicted["regions"], _objects(ground_truth["boxes"])
    own, hidden = ([each for each in part if label_of(each) == label] for part in (objects, ignored))
    same, any_of_it = _most(_overlaps(own, regions)), _most(_overlaps([*own, *hidden], regions))
    return [1 if a >= _SAME else 0 if b < _NEGATIVE else None for a, b in zip(same, any_of_it, strict=True)]


def region_deltas(
    predicted: Mapping[str, Any], ground_truth: Mapping[str, Any], *, label: Label
) -> list[list[float] | None]:
    """For the regression of a class: deltas to the nearest ground-truth box, if of this class and with an IoU of 0.6.

    Source: Girshick et al. 2014, appendix C.
    """
    regions, (objects, ignored) = predicted["regions"], _objects(ground_truth["boxes"])
    overlaps = _overlaps([*objects, *ignored], regions)
    deltas: list[list[float] | None] = [None] * len(regions)
    for number, region in enumerate(regions):
        nearest = int(overlaps[:, number].argmax()) if len(overlaps) else -1
        if 0 <= nearest < len(objects) and overlaps[nearest, number] >= _NEAR and label_of(objects[nearest]) == label:
            deltas[number] = encode_deltas([region], [objects[nearest]["box"]])[0].tolist()
    return deltas


def _objects(boxes: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Objects that count and objects that are ignored, of a raw value of `Boxes`."""
    entries = entries_of(boxes, "boxes", "box")
    return [each for each in entries if not each.get("ignore")], [each for each in entries if each.get("ignore")]


def _overlaps(objects: list[dict[str, Any]], regions: list[list[float]]) -> np.ndarray:
    """Intersection over union, `(objects, regions)`."""
    return box_iou([each["box"] for each in objects], regions)


def _most(overlaps: np.ndarray) -> list[float]:
    return (overlaps.max(axis=0) if len(overlaps) else np.zeros(overlaps.shape[1])).tolist()

"""What each region of an image teaches the learned stages of R-CNN, from the true boxes of the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import longspan as ls
from longspan.columns.category import Label
from longspan.metrics.iou import box_iou
from longspan.systems.rcnn.box_deltas import moves_between
from longspan.vision.annotation_values import entries_of, label_of

__all__ = ["BACKGROUND", "kinds_of_regions", "moves_of_regions", "regions_of_class", "with_true_regions"]

BACKGROUND = "background"
"""The kind of a region that holds nothing."""

_THING = 0.5  # overlap with a true box from which on a region is one of its kind to the network
_NOT = 0.3  # overlap below which a region is no thing of a class to its machine
_SAME = 0.99  # overlap of a true box with itself, after rounding
_NEAR = 0.6  # overlap from which on a region is so near that its move can be learned
_BACKGROUNDS = 3  # regions of background for each that is none: 96 and 32 of a batch in the paper
_LEAST_BACKGROUNDS = 12  # also of an image with nothing in it


def with_true_regions(table: ls.Table, boxes: str = "boxes") -> ls.Table:
    """A table with the truth of the stage that proposes regions, `regions`: the true boxes, those ignored left out."""
    return table.with_column(
        "regions",
        ls.Raw(),
        lambda row: None if row[boxes] is None else [each["box"] for each in _things(row[boxes])[0]],
    )


def kinds_of_regions(predicted: Mapping[str, Any], truth: Mapping[str, Any]) -> list[Label | None]:
    """For the network: the label of the thing that a region overlaps most, by at least one half, else `BACKGROUND`.

    Of the background only so many regions teach as three times those of things, one after the other in size; the rest
    have no label. Nor have regions whose nearest thing is ignored.

    Source: Girshick et al. 2014, section 2.3 and appendix B. Differs: there every batch has 32 regions of things and 96
    of background, drawn at random; here all that are left are gone through in epochs.
    """
    regions, (things, ignored) = predicted["regions"], _things(truth["boxes"])
    overlaps = _overlaps([*things, *ignored], regions)
    kinds: list[Label | None] = [None] * len(regions)
    background = []
    for number in range(len(regions)):
        nearest = int(overlaps[:, number].argmax()) if len(overlaps) else -1
        if nearest < 0 or overlaps[nearest, number] < _THING:
            background.append(number)
        elif nearest < len(things):
            kinds[number] = label_of(things[nearest])
    found = sum(kind is not None for kind in kinds)
    most = max(_BACKGROUNDS * (found + len(things)), _LEAST_BACKGROUNDS)
    for place in np.linspace(0, len(background) - 1, min(most, len(background))).round().astype(int):
        kinds[background[place]] = BACKGROUND
    return kinds


def regions_of_class(predicted: Mapping[str, Any], truth: Mapping[str, Any], *, label: Label) -> list[int | None]:
    """For the machine of a class: 1 for a region that is a true box of it, 0 where it overlaps none by 0.3, else None.

    Source: Girshick et al. 2014, section 2.3 and appendix B.
    """
    regions, (things, ignored) = predicted["regions"], _things(truth["boxes"])
    own, hidden = ([each for each in part if label_of(each) == label] for part in (things, ignored))
    same, any_of_it = _most(_overlaps(own, regions)), _most(_overlaps([*own, *hidden], regions))
    return [1 if a >= _SAME else 0 if b < _NOT else None for a, b in zip(same, any_of_it, strict=True)]


def moves_of_regions(
    predicted: Mapping[str, Any], truth: Mapping[str, Any], *, label: Label
) -> list[list[float] | None]:
    """For the regression of a class: the move to the nearest true box, where that is of the class and overlaps by 0.6.

    Source: Girshick et al. 2014, appendix C.
    """
    regions, (things, ignored) = predicted["regions"], _things(truth["boxes"])
    overlaps = _overlaps([*things, *ignored], regions)
    moves: list[list[float] | None] = [None] * len(regions)
    for number, region in enumerate(regions):
        nearest = int(overlaps[:, number].argmax()) if len(overlaps) else -1
        if 0 <= nearest < len(things) and overlaps[nearest, number] >= _NEAR and label_of(things[nearest]) == label:
            moves[number] = moves_between([region], [things[nearest]["box"]])[0].tolist()
    return moves


def _things(boxes: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Those that count and those that are ignored, of a raw value of `Boxes`."""
    entries = entries_of(boxes, "boxes", "box")
    return [each for each in entries if not each.get("ignore")], [each for each in entries if each.get("ignore")]


def _overlaps(things: list[dict[str, Any]], regions: list[list[float]]) -> np.ndarray:
    """Intersection over union, `(things, regions)`."""
    return box_iou([each["box"] for each in things], regions)


def _most(overlaps: np.ndarray) -> list[float]:
    return (overlaps.max(axis=0) if len(overlaps) else np.zeros(overlaps.shape[1])).tolist()

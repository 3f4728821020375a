"""Boxes of digits as a segmentation target: the left and the right half of each box, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

import longspan as ls

__all__ = ["HALVES", "boxes_of_halves", "halves_of_boxes"]

HALVES = ls.Mask(vocab=("nothing", "left half", "right half"))
"""Halves separate digits that touch: a new digit begins where a left half follows a right one."""

_OFF, _LEFT, _RIGHT = range(3)
_OFF_PX = 8.0  # a column with fewer digit pixels counts as background
_DIGIT_COST = 6.0  # pixels: a digit supported by fewer is taken for noise


def halves_of_boxes(_: dict[str, Any], ground_truth: dict[str, Any]) -> np.ndarray:
    """The mask `(H, W)` of an image with known `boxes`.

    A column inside two boxes belongs to the digit whose centre is nearer.
    """
    height, width = ground_truth["image"].shape[:2]
    mask = np.zeros((height, width), np.uint8)
    nearest = np.full(width, np.inf)
    columns = np.arange(width) + 0.5
    for x0, y0, x1, y1 in ground_truth["boxes"]:
        middle = (x0 + x1) / 2
        distance = np.abs(columns - middle)
        own = (columns > x0) & (columns < x1) & (distance < nearest)
        nearest[own] = distance[own]
        mask[:, own] = _OFF
        mask[round(y0) : round(y1), own] = np.where(columns[own] < middle, _LEFT, _RIGHT)
    return mask


def boxes_of_halves(halves: np.ndarray) -> list[list[float]]:
    """Boxes `[x0, y0, x1, y1]` in pixels, from left to right, of the digits in a mask `(H, W)` of halves.

    Each column is background, a left half or a right half, and each left half is followed by its right half. Of all
    such labellings the one that agrees with most pixels is found by dynamic programming (Viterbi 1967).
    """
    boxes = []
    for start, end in _digits((halves == _LEFT).sum(axis=0), (halves == _RIGHT).sum(axis=0)):
        rows = np.flatnonzero((halves[:, start:end] != _OFF).mean(axis=1) > 0.5)
        if len(rows):
            boxes.append([float(start), float(rows[0]), float(end), float(rows[-1] + 1)])
    return boxes


def _digits(lefts: np.ndarray, rights: np.ndarray) -> list[tuple[int, int]]:
    """First column, and the one after the last, of each digit in the best labelling of the columns."""
    never = float("-inf")
    off, left, right = 0.0, never, never  # scores of the best labellings that end in each state
    came_from: list[tuple[int, int, int]] = []
    for left_px, right_px in zip(lefts.tolist(), rights.tolist(), strict=True):
        ended, ended_as = (right, _RIGHT) if right > off else (off, _OFF)
        begun = ended - _DIGIT_COST
        came_from.append((ended_as, _LEFT if left > begun else ended_as, _LEFT if left > right else _RIGHT))
        off, left, right = ended + _OFF_PX, max(left, begun) + left_px, max(left, right) + right_px
    state, found, end = (_RIGHT if right > off else _OFF), [], 0
    for x in range(len(came_from) - 1, -1, -1):
        before = came_from[x][state]
        if state == _RIGHT and end == 0:
            end = x + 1
        if state == _LEFT and before != _LEFT:
            found.append((x, end))
            end = 0
        state = before
    return found[::-1]

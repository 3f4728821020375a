"""Masks from maps of probabilities, of images and of objects, with numpy alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import numpy as np

from longspan.metrics.pixel_counts import IGNORED
from longspan.portable.decoders import DECODERS, Decoder, Transforms
from longspan.portable.target_prediction import TargetPrediction
from longspan.vision.rle import encode_runs
from longspan.vision.smooth_masks import classes_in_source

__all__ = ["ClassMask", "ObjectMasks", "paste_masks"]


@DECODERS.register()
@final
@dataclass(frozen=True)
class ClassMask(Decoder):
    """The class of every pixel of the original image, from probabilities `(B, K, H, W)` of the frame."""

    kind: ClassVar[str] = "class_mask"
    in_source: ClassVar[bool] = True

    def decode(self, values: np.ndarray, transforms: Transforms) -> list[TargetPrediction]:
        """Class numbers `(h, w)` uint8; of a row without transform `(H, W)`."""
        smallest = np.finfo(np.float32).tiny
        return [
            TargetPrediction(
                maps.argmax(axis=0).astype(np.uint8)
                if transform is None
                else classes_in_source(np.log(np.maximum(maps.astype(np.float32), smallest)), transform, IGNORED)
            )
            for maps, transform in zip(values, transforms, strict=True)
        ]


@DECODERS.register()
@final
@dataclass(frozen=True)
class ObjectMasks(Decoder):
    """Objects with labels and masks, from detections `(B, D, 6 + M * M)`: as of `Objects`, then M x M probabilities."""

    kind: ClassVar[str] = "object_masks"
    finds: ClassVar[Literal["values", "objects", "texts"]] = "objects"
    vocab: tuple[Any, ...]
    """The K labels."""
    answer_score: float
    """The least score of an object that is given."""
    size_px: tuple[int, int]
    """Height and width of the frame."""

    def decode(self, values: np.ndarray, transforms: Transforms) -> list[TargetPrediction]:
        """Dicts with `box`, `label`, `score` and `rle`; without those whose mask is empty."""
        del transforms
        predictions = []
        for row in values:
            found = row[(row[:, 4] > 0) & (row[:, 4] >= self.answer_score)]
            masks = paste_masks(found[:, 6:], found[:, :4], self.size_px)
            predictions.append(
                TargetPrediction(
                    [
                        {
                            "box": line[:4],
                            "label": self.vocab[int(line[5])],
                            "score": line[4],
                            "rle": {"size": list(mask.shape), "counts": encode_runs(mask)},
                        }
                        for line, mask in zip(found[:, :6].tolist(), masks, strict=True)
                        if mask.any()
                    ]
                )
            )
        return predictions


def paste_masks(small: np.ndarray, boxes: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Masks in the image, `(N, H, W)` bool: where the probability is at least one half; see `nn.mask_branch`.

    Args:
        small: `(N, M * M)` probabilities in the box.
        boxes: `(N, 4)` in pixels.
        size_px: Height and width of the image.
    """
    side = math.isqrt(small.shape[1])
    masks = np.zeros((len(small), *size_px), bool)
    for mask, part, (x0, y0, x1, y1) in zip(masks, small.reshape(-1, side, side), boxes, strict=True):
        down, across = _blend(y0, y1, size_px[0], side), _blend(x0, x1, size_px[1], side)
        mask[:] = down @ part.astype(np.float32) @ across.T >= 0.5
    return masks


def _blend(low: np.floating, high: np.floating, pixels: int, places: int) -> np.ndarray:
    """Weights `(pixels, places)` that interpolate a row of mask values from `low` to `high` at pixels; 0 outside."""
    at = np.arange(pixels, dtype=np.float32) - np.float32(low)
    at = at / max(np.float32(high - low), np.float32(1.0)) * np.float32(places) - np.float32(0.5)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(places, dtype=np.float32)), 0)

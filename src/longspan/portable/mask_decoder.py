"""Masks from maps of probabilities, with numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from longspan.metrics.pixel_counts import IGNORED
from longspan.portable.decoders import DECODERS, Decoder, Transforms
from longspan.portable.target_prediction import TargetPrediction
from longspan.vision.smooth_masks import classes_in_source

__all__ = ["ClassMask"]


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

"""Images: files, resizing, warps, alignment, boxes, masks, run lengths, drawing."""

from __future__ import annotations

from longspan.vision.align import Align
from longspan.vision.augment import Augment
from longspan.vision.augment_params import AugmentParams
from longspan.vision.resize_transform import ResizeTransform

__all__ = ["Align", "Augment", "AugmentParams", "ResizeTransform"]

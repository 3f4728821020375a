"""Mean and spread of the colours of ImageNet, as networks that were pretrained on it read images."""

from __future__ import annotations

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Of red, green and blue in 0..1, as torchvision's weights expect it."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of the same."""

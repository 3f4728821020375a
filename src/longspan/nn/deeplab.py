"""The head of DeepLabV3."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from longspan.errors import ShapeError

__all__ = ["DeepLabHead"]

_REACH_PX = 96  # what the smallest atrous rate spans: 12 places of stride 8, 6 of stride 16


@final
class DeepLabHead(nn.Module):
    """torchvision's DeepLabV3 head: `(B, channels, h, w)` to logits `(B, num_classes, h, w)`.

    Convolutions at several atrous rates and a pooling over the whole map side by side, 256 channels each, joined, and
    two convolutions more.

    Source: Chen, Papandreou, Schroff, Adam 2017, "Rethinking atrous convolution for semantic image segmentation",
    section 3.3; the layers are torchvision's.
    Differs: the backbone is not dilated, so that the head reads maps at the backbone's own stride, mostly 32 (paper: 16
    or 8). The rates follow the stride as in the paper, (6, 12, 18) at 16 and twice that at 8, and (3, 6, 9) at 32. No
    multi-grid, no auxiliary loss.

    Raises: ShapeError for a training batch of one image, whose pooled values have no spread to normalise by.
    """

    def __init__(self, *, channels: int, stride: int, num_classes: int) -> None:
        """Build for a map of `channels` at `stride`."""
        super().__init__()
        from torchvision.models.segmentation import deeplabv3

        rate = max(1, _REACH_PX // stride)
        self.layers = deeplabv3.DeepLabHead(channels, num_classes, (rate, 2 * rate, 3 * rate))

    def forward(self, maps: Tensor) -> Tensor:
        """Logits at the size of the map."""
        if self.training and len(maps) == 1:
            raise ShapeError(
                "deeplabv3 normalises pooled values over the images of a batch, and this training batch has one. "
                "Choose a batch_size that leaves at least two images in every batch."
            )
        return self.layers(maps)

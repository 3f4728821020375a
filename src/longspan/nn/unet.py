"""The decoder of U-Net, for the maps of any network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longspan.nn.upsample import enlarge, fit

__all__ = ["UNetDecoder"]

_BLOCK = 2  # pixels a side for which one place of the finest maps predicts
_WIDEST = 8


@final
class UNetDecoder(nn.Module):
    """From the coarsest map to logits of every pixel, `(B, num_classes, H, W)`, by way of all finer maps.

    At each stride the maps so far are enlarged, joined with the backbone's map of that stride, and go through two 3 x 3
    convolutions with batch normalisation and ReLU. The finest stride is 2: there the image itself is joined as well,
    each block of 2 x 2 pixels as channels, and each place gives the logits of its four pixels. So the output is as fine
    as the image, while no layer works at its full size, which is where a U-Net spends most of its time. A backbone
    with a map of stride 1 goes on to that instead, without the image.

    Source: Ronneberger, Fischer, Brox 2015, "U-Net: convolutional networks for biomedical image segmentation", fig. 1.
    Differs:
      - Any backbone in place of the contracting path; maps of any size (see `enlarge`), and the output has the size of
        the image (paper: unpadded convolutions, 572 px give 388 px).
      - 1 x 1 convolution, then bilinear enlarging (paper: transposed 2 x 2 convolution).
      - Batch normalisation. Widths: `width` at stride 2, twice as many at each coarser stride, at most eight times
        (paper: 64 at stride 1, doubling).
      - Blocks of pixels as channels, and back, at the finest stride: Shi et al. 2016, "Real-time single image and video
        super-resolution", section 3.2. Their four classifiers start alike (Aitken et al. 2017), so that no checkerboard
        has to be unlearnt.
    """

    def __init__(
        self,
        *,
        channels: Sequence[int],
        strides: Sequence[int],
        in_channels: int,
        num_classes: int,
        width: int = 32,
        dropout: float = 0.0,
    ) -> None:
        """Build for maps of `channels` at `strides` (fine to coarse) of images with `in_channels` channels.

        Args:
            channels: Of each map.
            strides: Of each map, in pixels.
            in_channels: Channels of the images.
            num_classes: K.
            width: Channels at stride 2.
            dropout: Fraction of the coarsest map that is silenced in training.
        """
        super().__init__()
        skips = dict(zip(strides, channels, strict=True))
        self.strides = tuple(strides)
        self.block = 1 if 1 in skips else _BLOCK
        if self.block > 1:
            skips[_BLOCK] = skips.get(_BLOCK, 0) + _BLOCK**2 * in_channels
        self.levels = tuple(sorted(skips, reverse=True))
        """Strides from coarse to fine; at all but the first something is joined."""
        widths = [width * min(_WIDEST, max(1, stride // _BLOCK)) for stride in self.levels[1:]]
        reads = [channels[-1], *widths]
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.narrow = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in pairwise(reads))
        self.joins = nn.ModuleList(
            _two_convolutions(each + skips[stride], each) for stride, each in zip(self.levels[1:], widths, strict=True)
        )
        self.classes = nn.Conv2d(reads[-1], num_classes * self.block**2, 1)
        with torch.no_grad():
            one = self.classes.weight[:: self.block**2]
            self.classes.weight.copy_(one.repeat_interleave(self.block**2, dim=0))
            nn.init.zeros_(self.classes.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, images: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Logits of images `(B, C, H, W)` from their maps, fine to coarse."""
        height, width = images.shape[2:]
        at = dict(zip(self.strides, maps, strict=True))
        values = self.dropout(maps[-1])
        steps = zip(pairwise(self.levels), self.narrow, self.joins, strict=True)
        for (before, stride), narrow, join in steps:
            # The finest level covers every pixel, whatever the backbone left out at the border.
            size = (-(-height // stride), -(-width // stride)) if stride == self.block else _size(at[stride])
            skips = [fit(at[stride], size)] if stride in at else []
            if stride == self.block > 1:
                skips.append(F.pixel_unshuffle(fit(images, (stride * size[0], stride * size[1])), stride))
            values = enlarge(narrow(values), before // stride, size)
            values = join(torch.cat([values, *skips], dim=1))
        values = self.classes(values)
        if self.block > 1:
            values = F.pixel_shuffle(values, self.block)
        return fit(values, (height, width))


def _size(maps: Tensor) -> tuple[int, int]:
    return maps.shape[2], maps.shape[3]


def _two_convolutions(in_channels: int, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for reads in (in_channels, channels):
        conv = nn.Conv2d(reads, channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        layers += [conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)

"""Fully convolutional networks: scores on maps of several strides, enlarged and summed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from longspan.errors import ConfigError
from longspan.nn.upsample import enlarge, fit

__all__ = ["FCNDecoder", "bilinear_deconvolution", "fcn_head"]


@final
class FCNDecoder(nn.Module):
    """FCN-32s, -16s, -8s: logits of every pixel `(B, num_classes, H, W)` from the maps at `stride` and coarser.

    A 1 x 1 convolution scores every class on each of these maps; from the coarsest on, scores are enlarged by a
    transposed convolution to the next finer map and added to its scores; the sum at `stride` is enlarged to the
    image. FCN-32s reads the map at stride 32 alone, FCN-16s also that at 16, FCN-8s also that at 8; a backbone whose
    coarsest map has stride 16 (squeezenet) has an FCN-16s that reads one map.

    Source: Long, Shelhamer, Darrell 2015, "Fully convolutional networks for semantic segmentation", sections 3.3, 4.2,
    4.3; as there, class scores start at zero, transposed convolutions as bilinear interpolation and then learn, and the
    last enlarging stays bilinear.
    Differs:
      - Any backbone; `vgg16_fcn` is the paper's. All strides are trained at once (paper: FCN-32s first, from whose
        weights FCN-16s starts, from that FCN-8s).
      - The maps' places are brought together as in `enlarge` (paper: the image is padded by 100 px and the scores are
        cropped), and the last enlarging repeats the border (paper: fades to zero).

    Raises: ConfigError if the backbone has no map at `stride`.
    """

    def __init__(
        self, *, channels: Sequence[int], strides: Sequence[int], num_classes: int, stride: int, dropout: float = 0.0
    ) -> None:
        """Build for maps of `channels` at `strides`, fine to coarse.

        Args:
            channels: Of each map.
            strides: Of each map, in pixels.
            num_classes: K.
            stride: Of the finest map that is scored: 8, 16 or 32.
            dropout: Fraction of the coarsest map that is silenced in training.
        """
        super().__init__()
        if stride not in strides:
            fitting = [f"fcn{each}s" for each in strides if each in (8, 16, 32)]
            instead = f"Take {' or '.join(fitting)}, or unet" if fitting else "Take unet"
            raise ConfigError(
                f"fcn{stride}s reads a map at stride {stride}, and this backbone has maps at {_listed(strides)}. "
                f"{instead}, or another backbone, such as vgg16_fcn or resnet18."
            )
        self.stride = stride
        self.first = list(strides).index(stride)
        """Which of the backbone's maps is the finest that is scored."""
        scored = tuple(strides[self.first :])
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.scores = nn.ModuleList(nn.Conv2d(each, num_classes, 1) for each in channels[self.first :])
        self.factors = tuple(b // a for a, b in pairwise(scored))
        self.deconvolutions = nn.ModuleList(bilinear_deconvolution(num_classes, factor) for factor in self.factors)
        for parameter in self.scores.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Logits of images `(B, C, H, W)` from their maps, fine to coarse."""
        maps = maps[self.first :]
        scores = self.scores[-1](self.dropout(maps[-1]))
        for level in reversed(range(len(self.factors))):
            finer = self.scores[level](maps[level])
            factor, size = self.factors[level], (finer.shape[2], finer.shape[3])
            needed = (-(-size[0] // factor), -(-size[1] // factor))
            scores = finer + fit(self.deconvolutions[level](fit(scores, needed)), size)
        return enlarge(scores, self.stride, (images.shape[2], images.shape[3]))


def bilinear_deconvolution(channels: int, factor: int) -> nn.ConvTranspose2d:
    """A transposed convolution that starts as bilinear interpolation by an even `factor`, each channel by itself.

    Inside it equals `enlarge`; towards the border it fades to zero, as its kernel reads beyond.
    """
    assert factor % 2 == 0
    layer = nn.ConvTranspose2d(channels, channels, 2 * factor, stride=factor, padding=factor // 2, bias=False)
    ramp = 1 - (torch.arange(2 * factor) - (factor - 0.5)).abs() / factor
    with torch.no_grad():
        layer.weight.zero_()
        for channel in range(channels):
            layer.weight[channel, channel] = ramp[:, None] * ramp
    return layer


def fcn_head(channels: int, num_classes: int) -> nn.Module:
    """The FCN head of torchvision: a 3 x 3 convolution to a quarter of the channels, dropout, the classes.

    Its own networks put it on the last map of a ResNet that dilation keeps at stride 8; here it has its own stride.
    """
    from torchvision.models.segmentation.fcn import FCNHead

    return FCNHead(channels, num_classes)


def _listed(strides: Sequence[int]) -> str:
    return f"strides {', '.join(map(str, strides))}" if strides else "no stride"

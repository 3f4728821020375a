"""A network that paints a photo in one style, in one pass."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from longspan.errors import ConfigError, ShapeError

__all__ = ["StyleNetwork"]


@final
class StyleNetwork(nn.Module):
    """Photos `(B, 3, H, W)` in 0..1 to paintings of the same size, in 0..1; H and W divisible by 4.

    Source: Johnson et al. 2016, "Perceptual losses for real-time style transfer and super-resolution", supplementary
    material, table 1. Differs: instance instead of batch normalisation (Ulyanov et al. 2016); nearest-neighbour
    enlarging and a convolution instead of transposed convolutions, which leave a checkerboard (Odena et al. 2016);
    reflected borders in every convolution instead of a wide border at the start, so that residual blocks need no
    cropping; a logistic function at the end instead of a scaled tangent; half as many channels by default.

    Raises: ShapeError if H or W is not divisible by 4, or an image is below 16 px.
    """

    def __init__(self, width: int = 16, blocks: int = 5) -> None:
        """Build with fresh weights.

        Args:
            width: Channels at full size; twice and four times as many below.
            blocks: Residual blocks at a quarter of the size.

        Raises:
            ConfigError: a value is below 1.
        """
        super().__init__()
        if width < 1 or blocks < 1:
            raise ConfigError(f"A StyleNetwork needs a width and blocks of at least 1, got {width} and {blocks}.")
        self.width = width
        self.blocks = blocks
        self.down = nn.Sequential(
            *_layer(3, width, 9), *_layer(width, 2 * width, 3, stride=2), *_layer(2 * width, 4 * width, 3, stride=2)
        )
        self.residual = nn.ModuleList(
            nn.Sequential(*_layer(4 * width, 4 * width, 3), *_layer(4 * width, 4 * width, 3)[:-1])
            for _ in range(blocks)
        )
        self.up = nn.Sequential(
            nn.Upsample(scale_factor=2), *_layer(4 * width, 2 * width, 3),
            nn.Upsample(scale_factor=2), *_layer(2 * width, width, 3),
            _conv(width, 3, 9),
        )  # fmt: skip

    def forward(self, photos: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, 3, H, W)`, both in 0..1."""
        height, width = photos.shape[-2:]
        if height % 4 or width % 4 or min(height, width) < 16:
            raise ShapeError(
                f"A StyleNetwork reads images whose sides are divisible by 4 and at least 16 px, got {height} x "
                f"{width}: pad them to {max(-(-height // 4) * 4, 16)} x {max(-(-width // 4) * 4, 16)}."
            )
        values = self.down(photos - 0.5)
        for block in self.residual:
            values = values + block(values)
        return torch.sigmoid(self.up(values))


def _conv(low: int, high: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(low, high, size, stride, padding=size // 2, padding_mode="reflect")


def _layer(low: int, high: int, size: int, stride: int = 1) -> list[nn.Module]:
    return [_conv(low, high, size, stride), nn.InstanceNorm2d(high, affine=True), nn.ReLU()]

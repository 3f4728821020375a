"""The two networks of a generative adversarial network: one makes images, the other tells them from real ones."""

from __future__ import annotations

from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from longspan.errors import ConfigError, ShapeError

__all__ = ["Discriminator", "Generator", "layer_sizes"]

_STARTS = range(4, 8)
"""Sides of the smallest map, in pixels."""
_SLOPE = 0.2


def layer_sizes(size_px: int) -> list[int]:
    """Sides of the maps from the smallest to the image, each twice the one before.

    Raises:
        ConfigError: the side is not 4 to 7 times a power of two from 2 on; the message names the nearest that are.

    Example:
        >>> layer_sizes(28), layer_sizes(64)
        ([7, 14, 28], [4, 8, 16, 32, 64])
    """
    sizes = [size_px]
    while sizes[0] >= 8 and sizes[0] % 2 == 0:
        sizes.insert(0, sizes[0] // 2)
    if sizes[0] not in _STARTS or len(sizes) < 2:
        known = sorted(start * 2**times for start in _STARTS for times in range(1, 8))
        near = sorted(sorted(known, key=lambda each: abs(each - size_px))[:2])
        raise ConfigError(
            f"The networks double a map of 4 to 7 px a few times, which does not give images of {size_px} px: take "
            f"{near[0]} or {near[1]}."
        )
    return sizes


@final
class Generator(nn.Module):
    """Latent vectors `(B, latent)` to images `(B, C, size_px, size_px)` in -1..1.

    Source: Radford, Metz and Chintala 2015, "Unsupervised representation learning with deep convolutional generative
    adversarial networks", figure 1: one linear layer to the smallest map, then transposed convolutions of stride 2,
    each with half the channels, batch normalisation and a rectifier; a tangent at the end. Differs: kernels of 4 px,
    which divide evenly by the stride and leave less of a checkerboard, instead of 5; fewer channels by default; a
    latent vector of normal instead of uniform numbers.

    Without `normalise`, as in R3GAN (Huang et al. 2024, "The GAN is dead; long live the GAN!", section 3), there is no
    normalisation of any kind and the rectifiers are leaky.

    Raises: ConfigError for sizes that the layers do not give.
    """

    def __init__(
        self, size_px: int = 32, channels: int = 3, *, width: int = 32, latent: int = 64, normalise: bool = True
    ) -> None:
        """Build with fresh weights.

        Args:
            size_px: Side of the images.
            channels: 1 for grey, 3 for colour.
            width: Channels of the largest map before the image; each smaller map has twice as many.
            latent: Length of a latent vector.
            normalise: Whether with batch normalisation.
        """
        super().__init__()
        if min(channels, width, latent) < 1:
            raise ConfigError(f"channels, width and latent must be at least 1, got {channels}, {width} and {latent}.")
        sizes = layer_sizes(size_px)
        self.size_px, self.channels, self.width = size_px, channels, width
        self.latent, self.normalise = latent, normalise
        counts = [width * 2**k for k in reversed(range(len(sizes) - 1))]
        self.start = nn.Linear(latent, counts[0] * sizes[0] ** 2)
        self.start_shape = (counts[0], sizes[0], sizes[0])
        blocks: list[nn.Module] = []
        if normalise:
            blocks.append(nn.BatchNorm2d(counts[0]))
        blocks.append(self._activation())
        for low, high in zip(counts, [*counts[1:], channels], strict=True):
            blocks.append(nn.ConvTranspose2d(low, high, 4, stride=2, padding=1))
            if high is not channels:
                blocks += [*([nn.BatchNorm2d(high)] if normalise else []), self._activation()]
        self.blocks = nn.Sequential(*blocks[: len(blocks)])
        _draw_weights(self, normalise=normalise)

    def _activation(self) -> nn.Module:
        return nn.ReLU() if self.normalise else nn.LeakyReLU(_SLOPE)

    def forward(self, latents: Tensor) -> Tensor:
        """`(B, latent)` to `(B, C, size_px, size_px)` in -1..1."""
        if latents.ndim != 2 or latents.shape[1] != self.latent:
            raise ShapeError(f"A Generator reads latent vectors (B, {self.latent}), got {tuple(latents.shape)}.")
        return torch.tanh(self.blocks(self.start(latents).reshape(-1, *self.start_shape)))


@final
class Discriminator(nn.Module):
    """Images `(B, C, size_px, size_px)` in -1..1 to logits `(B,)`: above 0 for real ones.

    Source: Radford et al. 2015, section 3: convolutions of stride 2, leaky rectifiers with slope 0.2, batch
    normalisation in all layers but the first and the last. Differs: see `Generator`.

    Without `normalise`, as in R3GAN: penalties on gradients of one image suppose that an image's logit does not depend
    on the other images of its batch. `residual` blocks of two 3 x 3 convolutions each follow every layer, as R3GAN has
    them in section 3.4; differs: no groups of channels, and no blocks in the generator.
    """

    def __init__(
        self, size_px: int = 32, channels: int = 3, *, width: int = 32, normalise: bool = True, residual: int = 0
    ) -> None:
        """Build with fresh weights; see `Generator` for the arguments.

        Args:
            size_px: Side of the images.
            channels: 1 for grey, 3 for colour.
            width: Channels of the largest map; each smaller map has twice as many.
            normalise: Whether with batch normalisation.
            residual: Residual blocks at each size of map; each starts as one that changes nothing.
        """
        super().__init__()
        if min(channels, width) < 1 or residual < 0:
            raise ConfigError(
                f"channels and width must be at least 1, residual at least 0, got {channels}, {width} and {residual}."
            )
        sizes = layer_sizes(size_px)
        self.size_px, self.channels, self.width, self.normalise = size_px, channels, width, normalise
        self.residual = residual
        counts = [channels, *(width * 2**k for k in range(len(sizes) - 1))]
        blocks: list[nn.Module] = []
        for place, (low, high) in enumerate(pairwise(counts)):
            blocks.append(nn.Conv2d(low, high, 4, stride=2, padding=1))
            blocks += [*([nn.BatchNorm2d(high)] if normalise and place else []), nn.LeakyReLU(_SLOPE)]
            blocks += [_Residual(high, normalise=normalise) for _ in range(residual)]
        self.blocks = nn.Sequential(*blocks)
        self.end = nn.Linear(counts[-1] * sizes[0] ** 2, 1)
        _draw_weights(self, normalise=normalise)
        for block in blocks:
            if isinstance(block, _Residual):
                nn.init.zeros_(block.second.weight)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, C, size_px, size_px)` to `(B,)`."""
        if tuple(images.shape[1:]) != (self.channels, self.size_px, self.size_px):
            raise ShapeError(
                f"A Discriminator reads images (B, {self.channels}, {self.size_px}, {self.size_px}), got "
                f"{tuple(images.shape)}."
            )
        return self.end(self.blocks(images).flatten(1))[:, 0]


@final
class _Residual(nn.Module):
    """Maps plus what two convolutions make of them."""

    def __init__(self, channels: int, *, normalise: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels) if normalise else nn.Identity()
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.activation = nn.LeakyReLU(_SLOPE)

    def forward(self, maps: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        return maps + self.second(self.activation(self.norm(self.first(self.activation(maps)))))


def _draw_weights(network: nn.Module, *, normalise: bool) -> None:
    """Normal with spread 0.02 as in the paper; without normalisation so that signals keep their size (He 2015)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if normalise:
                nn.init.normal_(module.weight, 0, 0.02)
            else:
                # Of a transposed convolution each output sees a quarter of the kernel's places.
                fan = (
                    module.weight[0].numel() if not isinstance(module, nn.ConvTranspose2d) else (module.in_channels * 4)
                )
                nn.init.normal_(module.weight, 0, (2 / (1 + _SLOPE**2) / fan) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.02)
            nn.init.zeros_(module.bias)

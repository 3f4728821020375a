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
    on the other images of its batch.
    """

    def __init__(self, size_px: int = 32, channels: int = 3, *, width: int = 32, normalise: bool = True) -> None:
        """Build with fresh weights; see `Generator` for the arguments."""
        super().__init__()
        if min(channels, width) < 1:
            raise ConfigError(f"channels and width must be at least 1, got {channels} and {width}.")
        sizes = layer_sizes(size_px)
        self.size_px, self.channels, self.width, self.normalise = size_px, channels, width, normalise
        counts = [channels, *(width * 2**k for k in range(len(sizes) - 1))]
        blocks: list[nn.Module] = []
        for place, (low, high) in enumerate(pairwise(counts)):
            blocks.append(nn.Conv2d(low, high, 4, stride=2, padding=1))
            blocks += [*([nn.BatchNorm2d(high)] if normalise and place else []), nn.LeakyReLU(_SLOPE)]
        self.blocks = nn.Sequential(*blocks)
        self.end = nn.Linear(counts[-1] * sizes[0] ** 2, 1)
        _draw_weights(self, normalise=normalise)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, C, size_px, size_px)` to `(B,)`."""
        if tuple(images.shape[1:]) != (self.channels, self.size_px, self.size_px):
            raise ShapeError(
                f"A Discriminator reads images (B, {self.channels}, {self.size_px}, {self.size_px}), got "
                f"{tuple(images.shape)}."
            )
        return self.end(self.blocks(images).flatten(1))[:, 0]


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

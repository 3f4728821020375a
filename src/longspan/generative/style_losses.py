"""How far an image is from the content of a photo and from the style of a painting, seen by a trained network."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from longspan.errors import ConfigError
from longspan.models import Backbone, create
from longspan.vision.imagenet_colours import IMAGENET_MEAN, IMAGENET_STD

__all__ = ["StyleLosses", "gram"]


def gram(maps: Tensor) -> Tensor:
    """Gram matrices `(B, C, C)` of maps `(B, C, H, W)`: how channels go together, wherever; mean over places.

    Source: Gatys et al. 2015, "A neural algorithm of artistic style", equation 3. Differs: divided by the number of
    places, so that images of different sizes can be compared.
    """
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


@final
class StyleLosses(nn.Module):
    """Content and style loss of images `(B, 3, H, W)` in 0..1; both are 0 for a perfect match.

    Source: Gatys et al. 2015, equations 1 to 5. Differs: each loss is divided by the squared size of what it compares
    with, so that 1 means as far as an image that the network sees nothing in, for any network and any size; and the
    maps are those of the network at its strides instead of five chosen layers of VGG-19.
    """

    def __init__(self, network: str = "squeezenet1_1", weights: str | None = "imagenet", content_map: int = 2) -> None:
        """Load the network that looks.

        Args:
            network: A network with feature maps, by name.
            weights: "imagenet", a file, or None for random weights.
            content_map: Which map, from fine (0) to coarse, carries the content. Style is read from all up to the
                one behind it.

        Raises:
            ConfigError: the network has no maps, or fewer.
            WeightsError, FetchError: there are no such weights, or they cannot be had.
        """
        super().__init__()
        self.network: Backbone = create(network, weights=weights).eval().requires_grad_(False)
        count = len(self.network.strides)
        if not 0 <= content_map < count:
            raise ConfigError(
                f"{network} has {count} feature maps, from 0 (fine) to {count - 1}: there is no map {content_map}."
                if count
                else f"{network} has no feature maps, by which styles are compared. Take squeezenet1_1 or vgg19."
            )
        self.content_map = content_map
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.content: Tensor | None = None
        self.styles: list[Tensor] = []

    def maps(self, images: Tensor) -> list[Tensor]:
        """Maps of images in 0..1, from fine to coarse."""
        seen = self.network.features((images - self.mean) / self.std)
        return seen[: self.content_map + 2]

    @torch.no_grad()
    def look_at_style(self, painting: Tensor) -> None:
        """Remember the style of a painting `(1, 3, H, W)`."""
        self.styles = [gram(each) for each in self.maps(painting)]

    @torch.no_grad()
    def look_at_content(self, photos: Tensor) -> None:
        """Remember the content of photos `(B, 3, H, W)`; images that are compared must have their size."""
        self.content = self.maps(photos)[self.content_map]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Content and style loss, each `(B,)`."""
        assert self.content is not None, "look_at_content comes first"
        assert self.styles, "look_at_style comes first"
        maps = self.maps(images)
        content = _relative(maps[self.content_map], self.content)
        styles = [_relative(gram(mine), theirs) for mine, theirs in zip(maps, self.styles, strict=True)]
        return content, torch.stack(styles).mean(0)


def _relative(found: Tensor, wanted: Tensor) -> Tensor:
    """Squared distance over squared size of what is wanted, of each image of a batch: `(B,)`."""
    return (found - wanted).square().flatten(1).sum(1) / wanted.square().flatten(1).sum(1).clamp_min(1e-12)

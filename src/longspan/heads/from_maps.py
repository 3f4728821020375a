"""A decoder behind a backbone's maps, as layers of a head."""

from __future__ import annotations

from typing import final

import torch
from torch import nn

from longspan.models import FeatureMaps

__all__ = ["FromMaps"]


@final
class FromMaps(nn.Module):
    """A decoder that reads `FeatureMaps`, which the layers below know nothing of."""

    def __init__(self, decoder: nn.Module) -> None:
        """Read maps with `decoder(images, maps)`."""
        super().__init__()
        self.decoder = decoder

    def forward(self, maps: FeatureMaps) -> torch.Tensor:
        """What the decoder makes of the images and their maps."""
        return self.decoder(maps.images, maps.maps)

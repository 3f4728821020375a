"""Layers on one of the maps, enlarged to the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn

from longspan.nn.upsample import enlarge

__all__ = ["OneMapDecoder"]


@final
class OneMapDecoder(nn.Module):
    """Logits of every pixel `(B, num_classes, H, W)` from layers that keep a map's size, by bilinear enlarging."""

    def __init__(self, layers: nn.Module, *, place: int, stride: int, dropout: float = 0.0) -> None:
        """Put `layers` on the map at `place`, 0 for the finest, -1 for the coarsest, whose stride is `stride`.

        `dropout` is the fraction of that map that is silenced in training.
        """
        super().__init__()
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.layers = layers
        self.place = place
        self.stride = stride

    def forward(self, images: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Logits of images `(B, C, H, W)` from their maps, fine to coarse."""
        logits = self.layers(self.dropout(maps[self.place]))
        return enlarge(logits, self.stride, (images.shape[2], images.shape[3]))

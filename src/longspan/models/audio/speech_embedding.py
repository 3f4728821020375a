"""Google's speech embedding: a convolutional network that was trained on the sound of 5,000 words."""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longspan.errors import ShapeError
from longspan.models.backbone import Backbone, check_images
from longspan.models.entries import register_model
from longspan.nn import GlobalPool, PoolName

__all__ = ["SpeechEmbedding"]

_BANDS, _WINDOW, _HOP = 32, 76, 8
_WIDTHS = (24, 24, 24, 48, 48, 48, 48, 72, 72, 72, 72, 96, 96, 96, 96, 96, 96, 96, 96, 96)
_POOLS = {2: (2, 2), 6: (1, 2), 10: (2, 2), 14: (1, 2), 18: (2, 2)}
_LAST = len(_WIDTHS) - 1


@register_model(
    "speech_embedding",
    source="Lin et al. 2020, Training keyword spotters with limited and synthesized speech data",
    channels_in=1,
    size_px=(_BANDS, 117),
)
@final
class SpeechEmbedding(Backbone):
    """Speech embedding of Google: `(B, in_channels, 32, W)` float to 96 numbers for each window of 76 frames (0.78 s).

    A new window begins every 8 frames. The embeddings of all windows are joined, `(B, 96 * windows)`, for recordings of
    the one length it was built for; with `pool` they become their mean (and maximum), `(B, 96)`, for any length.

    With weights="speech" it reads what it was trained on: `Audio.for_speech_embedding(seconds=1.2)`.

    Source: Lin, Kilgour, Roblek, Sharifi 2020, section 3; layers as in the published TensorFlow Hub model
    google/speech_embedding/1. Differs: batch normalisation is part of the convolutions, as in the published weights, so
    training goes on without it.

    Raises: ShapeError for images of another height than 32, of fewer than 76 frames or, without `pool`, of another
    number than it was built for.
    """

    def __init__(
        self, *, in_channels: int = 1, size_px: tuple[int, int] = (_BANDS, 117), pool: PoolName | None = None
    ) -> None:
        """Build for images of `size_px` (32, frames) with `in_channels` channels."""
        super().__init__()
        self.name = "speech_embedding"
        self.config = None
        if size_px[0] != _BANDS or size_px[1] < _WINDOW:
            raise ShapeError(
                f"speech_embedding reads 32 mel bands and at least 76 frames (0.78 s), got {size_px[0]} x "
                f"{size_px[1]}. Make the column Audio.for_speech_embedding(seconds=1.2)."
            )
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.channels = ()
        self.strides = ()
        self.conv = nn.ModuleList()
        for number, width in enumerate(_WIDTHS):
            kernel = (3, 3) if number == 0 else (1, 3) if number % 2 and number != _LAST else (3, 1)
            reads = _WIDTHS[number - 1] if number else in_channels
            self.conv.append(
                nn.Conv2d(reads, width, kernel, padding=(0, 1 if kernel[1] == 3 else 0), bias=number != _LAST)
            )
        self.global_pool = None if pool is None else GlobalPool(pool)
        windows = 1 + (size_px[1] - _WINDOW) // _HOP
        width = _WIDTHS[-1]
        self.num_features = width * windows if self.global_pool is None else self.global_pool.num_features(width)

    def features(self, images: Tensor) -> list[Tensor]:
        """None: frequency and time shrink differently, so there are no maps at a stride."""
        del images
        return []

    def forward(self, images: Tensor) -> Tensor:
        """The embeddings of all windows, joined or pooled."""
        check_images(images, self, _BANDS)
        if images.shape[2] != _BANDS or images.shape[3] < _WINDOW:
            raise ShapeError(
                f"speech_embedding reads 32 bands and at least 76 frames, got {tuple(images.shape[2:])}. Take "
                "Audio.for_speech_embedding(seconds=1.2)."
            )
        if self.global_pool is None and images.shape[3] != self.size_px[1]:
            raise ShapeError(
                f"This speech_embedding was built for {self.size_px[1]} frames, got {images.shape[3]}. Give recordings "
                "of one length, or create it with pool='avg'."
            )
        maps = self._mapped(images)
        return maps[..., 0].transpose(1, 2).flatten(1) if self.global_pool is None else self.global_pool(maps)

    def groups(self) -> list[list[nn.Parameter]]:
        """Convolutions up to each pooling, and the last."""
        ends = [*_POOLS, _LAST]
        starts = [0, *(end + 1 for end in ends[:-1])]
        return [
            [parameter for conv in self.conv[start : end + 1] for parameter in conv.parameters()]
            for start, end in zip(starts, ends, strict=True)
        ]

    def _mapped(self, images: Tensor) -> Tensor:
        """`(B, 96, windows, 1)`."""
        maps = images.transpose(2, 3)  # time first
        for number, conv in enumerate(self.conv):
            maps = conv(maps)
            if number != _LAST:
                maps = torch.maximum(F.leaky_relu(maps, 0.2), maps.new_tensor(-0.4))
            if number in _POOLS:
                maps = F.max_pool2d(maps, _POOLS[number])
        return maps

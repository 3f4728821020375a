"""A network for keywords of convolutions along time alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch.nn.functional as F
from torch import Tensor, nn

from longspan.models.backbone import Backbone, check_images, check_same_height, check_size
from longspan.models.entries import ModelConfig, register_model
from longspan.models.options import check_options
from longspan.nn import GlobalPool, PoolName

__all__ = ["MatchboxNet", "MatchboxNetConfig"]

_SMALLEST_PX = 8
_WIDE = 128


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class MatchboxNetConfig(ModelConfig):
    """Options of `MatchboxNet`.

    Raises: ConfigError for a value that cannot be.
    """

    family: ClassVar[str] = "matchboxnet"

    blocks: int = 3
    """B in the paper: residual blocks, with kernels of 13, 15, 17 ... frames."""
    depth: int = 1
    """R in the paper: convolutions in each block."""
    channels: int = 64
    """C in the paper: width of the blocks."""
    dropout: float = 0.1
    """Probability that a value is dropped behind each convolution of a block."""

    def __post_init__(self) -> None:
        """Check every value."""
        check_options(self, least={"blocks": 1, "depth": 1, "channels": 1}, fractions=["dropout"])

    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> MatchboxNet:
        """The network."""
        return MatchboxNet(self, in_channels=in_channels, size_px=size_px, pool=pool)


def _separable(reads: int, channels: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """Depthwise convolution along time, pointwise convolution, batch normalisation."""
    padding = dilation * (kernel - 1) // 2
    depthwise = nn.Conv1d(
        reads, reads, kernel, stride=stride, padding=padding, dilation=dilation, groups=reads, bias=False
    )
    return [depthwise, nn.Conv1d(reads, channels, 1, bias=False), nn.BatchNorm1d(channels)]


@final
class _Block(nn.Module):
    """Separable convolutions with a pointwise shortcut."""

    def __init__(self, reads: int, channels: int, kernel: int, depth: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(depth):
            layers += _separable(reads if number == 0 else channels, channels, kernel)
            if number < depth - 1:
                layers += [nn.ReLU(inplace=True), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers)
        self.shortcut = nn.Sequential(nn.Conv1d(reads, channels, 1, bias=False), nn.BatchNorm1d(channels))
        self.dropout = nn.Dropout(dropout)

    def forward(self, steps: Tensor) -> Tensor:
        return self.dropout(F.relu(self.layers(steps) + self.shortcut(steps), inplace=True))


@register_model(
    "matchboxnet",
    source="Majumdar and Ginsburg 2020, MatchboxNet: 1D time-channel separable convolutional neural network",
    config=MatchboxNetConfig,
    channels_in=1,
    size_px=(64, 101),
)
@final
class MatchboxNet(Backbone):
    """Separable convolutions along time: `(B, in_channels, H, W)` float, H features by W frames, to `(B, 128)`.

    Channels and features are read as one; any number of frames from 8 on. The defaults are MatchboxNet-3x1x64, which
    has 64 MFCC in the paper: `AudioFeatures(mels=64, mfcc=64)`.

    Source: Majumdar, Ginsburg 2020, "MatchboxNet", section 2 and table 1. Differs: the class layer belongs to the head;
    dropout stands behind the sum with the shortcut; `pool`.

    Raises: ShapeError for images below 8 px or of another height than it was built for.
    """

    def __init__(
        self,
        config: MatchboxNetConfig | None = None,
        *,
        in_channels: int = 1,
        size_px: tuple[int, int] = (64, 101),
        pool: PoolName | None = None,
    ) -> None:
        """Build for images of `size_px` (features, frames) with `in_channels` channels."""
        super().__init__()
        config = config or MatchboxNetConfig()
        self.name = "matchboxnet"
        self.config = config
        check_size(self.name, size_px, _SMALLEST_PX)
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.channels = ()
        self.strides = ()
        reads = in_channels * size_px[0]
        self.first = nn.Sequential(*_separable(reads, _WIDE, 11, stride=2), nn.ReLU(inplace=True))
        self.blocks = nn.ModuleList(
            _Block(config.channels if number else _WIDE, config.channels, 13 + 2 * number, config.depth, config.dropout)
            for number in range(config.blocks)
        )
        self.last = nn.Sequential(
            *_separable(config.channels, _WIDE, 29, dilation=2),
            nn.ReLU(inplace=True),
            nn.Conv1d(_WIDE, _WIDE, 1, bias=False),
            nn.BatchNorm1d(_WIDE),
            nn.ReLU(inplace=True),
        )
        self.global_pool = GlobalPool(pool or "avg")
        self.num_features = self.global_pool.num_features(_WIDE)

    def features(self, images: Tensor) -> list[Tensor]:
        """None: frequencies are channels, so there are no maps."""
        del images
        return []

    def forward(self, images: Tensor) -> Tensor:
        """The last steps, pooled: (B, 128), or (B, 256) for pool "avg_max"."""
        check_images(images, self, _SMALLEST_PX)
        check_same_height(images, self)
        steps = self.first(images.flatten(1, 2))
        for block in self.blocks:
            steps = block(steps)
        return self.global_pool(self.last(steps)[:, :, None])

    def groups(self) -> list[list[nn.Parameter]]:
        """The first convolution, each block, and the last convolutions."""
        return [list(part.parameters()) for part in (self.first, *self.blocks, self.last)]

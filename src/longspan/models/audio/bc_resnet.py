"""A residual network for keywords that broadcasts what it learns over time to all frequencies."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, final

import torch.nn.functional as F
from torch import Tensor, nn

from longspan.errors import ConfigError
from longspan.models.backbone import Backbone, check_images, check_same_height, check_size
from longspan.models.entries import ModelConfig, register_model
from longspan.models.options import check_options
from longspan.nn import GlobalPool, PoolName

__all__ = ["BCResNet", "BCResNetConfig"]

_SMALLEST_PX = 8
_BLOCKS = (2, 2, 4, 4)
_STRIDES = (1, 2, 2, 1)
_SUB_BANDS = (5, 4, 2, 1)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class BCResNetConfig(ModelConfig):
    """Options of `BCResNet`.

    Raises: ConfigError for a value that cannot be.
    """

    family: ClassVar[str] = "bc_resnet"

    width: float = 1.0
    """Factor of all widths, tau in the paper: 1, 1.5, 2, 3, 6 or 8 there."""
    dropout: float = 0.1
    """Probability that a channel is dropped in each block."""

    def __post_init__(self) -> None:
        """Check every value."""
        check_options(self, fractions=["dropout"])
        if not 0.25 <= self.width <= 64:
            raise ConfigError(f"BCResNetConfig.width must be in 0.25..64, got {self.width!r}.")

    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> BCResNet:
        """The network."""
        return BCResNet(self, in_channels=in_channels, size_px=size_px, pool=pool)


@final
class _SubSpectralNorm(nn.Module):
    """Batch normalisation with statistics of its own for each of several sub-bands (Chang et al. 2021)."""

    def __init__(self, channels: int, rows: int) -> None:
        super().__init__()
        self.bands = next(bands for bands in _SUB_BANDS if rows % bands == 0)
        self.norm = nn.BatchNorm2d(channels * self.bands)

    def forward(self, maps: Tensor) -> Tensor:
        rows, channels, height, width = maps.shape
        split = maps.reshape(rows, channels * self.bands, height // self.bands, width)
        return self.norm(split).view(rows, channels, height, width)


@final
class _Block(nn.Module):
    """Convolutions along frequency, then along time of their mean, which is added to every frequency."""

    def __init__(self, reads: int, channels: int, rows: int, stride: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.transition = (
            nn.Sequential(nn.Conv2d(reads, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
            if reads != channels
            else None
        )
        self.frequency = nn.Conv2d(
            channels, channels, (3, 1), stride=(stride, 1), padding=(1, 0), groups=channels, bias=False
        )
        self.sub_spectral = _SubSpectralNorm(channels, -(-rows // stride))
        self.time = nn.Sequential(
            nn.Conv2d(
                channels, channels, (1, 3), padding=(0, dilation), dilation=(1, dilation), groups=channels, bias=False
            ),
            nn.BatchNorm2d(channels),
            nn.SiLU(inplace=True),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.Dropout2d(dropout),
        )

    def forward(self, maps: Tensor) -> Tensor:
        inner = maps if self.transition is None else self.transition(maps)
        inner = self.sub_spectral(self.frequency(inner))
        inner = inner + self.time(inner.mean(dim=2, keepdim=True))
        return F.relu(inner if self.transition is not None else inner + maps, inplace=True)


@final
class BCResNet(Backbone):
    """Broadcasted-residual network: `(B, in_channels, H, W)` float, H features by W frames, to `(B, 32 width)`.

    It reads any number of frames from 8 on, and the number of features it was built for, 40 in the paper.

    Source: Kim, Chang, Lee, Sung 2021, "Broadcasted residual learning for efficient keyword spotting", section 2 and
    table 1. Differs: the class layer belongs to the head; any number of features (the sub-bands are 5, 4, 2 or 1,
    whichever divides the rows; the last convolution reads all rows that are left, 5 for 40 features); `pool`.

    Raises: ShapeError for images below 8 px or of another height than it was built for.
    """

    def __init__(
        self,
        config: BCResNetConfig | None = None,
        *,
        in_channels: int = 1,
        size_px: tuple[int, int] = (40, 101),
        pool: PoolName | None = None,
    ) -> None:
        """Build for images of `size_px` (features, frames) with `in_channels` channels."""
        super().__init__()
        config = config or BCResNetConfig()
        self.name = f"bc_resnet{config.width:g}".replace(".", "_")
        self.config = config
        check_size(self.name, size_px, _SMALLEST_PX)
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.channels = ()
        self.strides = ()
        base = int(8 * config.width)
        widths = (2 * base, base, int(1.5 * base), 2 * base, int(2.5 * base))
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, widths[0], 5, stride=(2, 1), padding=2, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        rows = -(-size_px[0] // 2)
        self.stages = nn.ModuleList()
        for number, (count, stride) in enumerate(zip(_BLOCKS, _STRIDES, strict=True)):
            reads, channels, blocks = widths[number], widths[number + 1], []
            for block in range(count):
                step = stride if block == 0 else 1
                blocks.append(_Block(reads, channels, rows, step, 2**number, config.dropout))
                reads, rows = channels, -(-rows // step)
            self.stages.append(nn.Sequential(*blocks))
        self.last = nn.Sequential(
            nn.Conv2d(widths[4], widths[4], (rows, 5), padding=(0, 2), groups=widths[4], bias=False),
            nn.Conv2d(widths[4], 4 * base, 1, bias=False),
            nn.BatchNorm2d(4 * base),
            nn.ReLU(inplace=True),
        )
        self.global_pool = GlobalPool(pool or "avg")
        self.num_features = self.global_pool.num_features(4 * base)

    def features(self, images: Tensor) -> list[Tensor]:
        """None: frequency and time shrink differently, so there are no maps at a stride."""
        del images
        return []

    def forward(self, images: Tensor) -> Tensor:
        """The last maps, pooled: (B, 32 width), or twice as many for pool "avg_max"."""
        check_images(images, self, _SMALLEST_PX)
        check_same_height(images, self)
        maps = self.stem(images)
        for stage in self.stages:
            maps = stage(maps)
        return self.global_pool(self.last(maps))

    def groups(self) -> list[list[nn.Parameter]]:
        """The stem, the four stages, and the last convolutions."""
        return [list(part.parameters()) for part in (self.stem, *self.stages, self.last)]


for _width in (1, 1.5, 2, 3, 6, 8):
    register_model(
        f"bc_resnet{_width:g}".replace(".", "_"),
        source="Kim et al. 2021, Broadcasted residual learning for efficient keyword spotting",
        config=BCResNetConfig,
        channels_in=1,
        size_px=(40, 101),
    )(functools.partial(BCResNet, BCResNetConfig(width=_width)))

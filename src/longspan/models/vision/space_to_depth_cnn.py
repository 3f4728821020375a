"""A fast convolutional network for small images: half the side and four times the channels before the first layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longspan.errors import ConfigError
from longspan.models.backbone import Backbone, check_images, check_size
from longspan.models.entries import ModelConfig, register_model
from longspan.models.options import check_options
from longspan.nn import GlobalPool, PoolName

__all__ = ["SpaceToDepthCNN", "SpaceToDepthCNNConfig"]

_SMALLEST_PX = 4


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SpaceToDepthCNNConfig(ModelConfig):
    """Options of `SpaceToDepthCNN`.

    Raises: ConfigError for a value that cannot be.
    """

    family: ClassVar[str] = "space_to_depth_cnn"

    widths: tuple[int, int, int, int] = (16, 32, 64, 64)
    """Channels of the four convolutions."""
    dropout: float = 0.1
    """Fraction of the features that is silenced in training."""

    def __post_init__(self) -> None:
        """Check every value; a list, as JSON has it, becomes a tuple."""
        object.__setattr__(self, "widths", tuple(self.widths))
        check_options(self, least={"widths": 1}, fractions=["dropout"])
        if len(self.widths) != 4:
            raise ConfigError(f"SpaceToDepthCNNConfig.widths must be four numbers of at least 1, got {self.widths}.")

    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> SpaceToDepthCNN:
        """The network."""
        return SpaceToDepthCNN(self, in_channels=in_channels, size_px=size_px, pool=pool)


@register_model(
    "space_to_depth_cnn",
    source="longspan's own; see its docstring",
    config=SpaceToDepthCNNConfig,
    channels_in=1,
    size_px=(28, 28),
)
@final
class SpaceToDepthCNN(Backbone):
    """Four 3x3 convolutions on half the side: `(B, in_channels, H, W)` float, any size, to `(B, 128)`.

    Each 2 x 2 block of pixels becomes four channels, so that no pixel is lost and every convolution runs on a quarter
    of the places; one pooling follows the second convolution. Features are averages beside maxima.

    Source: longspan's own. The rearrangement is the inverse of the sub-pixel shuffle of Shi et al. 2016, section 3.2;
    convolution, batch normalisation, ReLU as in Ioffe and Szegedy 2015; He initialisation. An odd last row or column
    is doubled.

    Raises: ShapeError for images below 4 px.
    """

    def __init__(
        self,
        config: SpaceToDepthCNNConfig | None = None,
        *,
        in_channels: int = 1,
        size_px: tuple[int, int] = (28, 28),
        pool: PoolName | None = None,
    ) -> None:
        """Build for images of `size_px` (height, width) with `in_channels` channels."""
        super().__init__()
        config = config or SpaceToDepthCNNConfig()
        self.name = "space_to_depth_cnn"
        self.config = config
        check_size(self.name, size_px, _SMALLEST_PX)
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.unshuffle = nn.PixelUnshuffle(2)
        widths = config.widths
        self.convs = nn.ModuleList(
            nn.Conv2d(reads, width, 3, padding=1, bias=False)
            for reads, width in zip((4 * in_channels, *widths[:3]), widths, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.global_pool = GlobalPool(pool or "avg_max")
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        self.channels = (widths[0], widths[3])
        self.strides = (2, 4)
        self.num_features = self.global_pool.num_features(widths[3])
        for conv in self.convs:
            assert isinstance(conv, nn.Conv2d)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")

    def features(self, images: Tensor) -> list[Tensor]:
        """The maps after the first convolution, at stride 2, and after the last, at stride 4."""
        check_images(images, self, _SMALLEST_PX)
        height, width = images.shape[2:]
        if height % 2 or width % 2:
            images = F.pad(images, (0, width % 2, 0, height % 2), mode="replicate")
        # Channels-last, as convolutions like it: one grey channel does not say how it lies in memory.
        maps = self.unshuffle(images).contiguous(memory_format=torch.channels_last)
        found: list[Tensor] = []
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            maps = conv(maps)
            if number == 1:  # before the normalisation: a quarter of the work, and positive scales keep the maximum
                maps = F.max_pool2d(maps, 2, ceil_mode=True)
            maps = F.relu(norm(maps), inplace=True)
            if number in (0, 3):
                found.append(maps)
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Averages beside maxima over the image, after dropout: (B, 128)."""
        return self.dropout(self.global_pool(self.features(images)[-1]))

    def groups(self) -> list[list[nn.Parameter]]:
        """One group for each convolution with its normalisation."""
        return [[*conv.parameters(), *norm.parameters()] for conv, norm in zip(self.convs, self.norms, strict=True)]

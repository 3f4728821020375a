"""A fast convolutional network that reads a line from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longspan.errors import ConfigError
from longspan.models.backbone import Backbone, check_images, check_same_height, check_size
from longspan.models.entries import ModelConfig, register_model
from longspan.models.options import check_options
from longspan.nn import GlobalPool, PoolName

__all__ = ["LineCNN", "LineCNNConfig"]

_SMALLEST_PX = 4


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class LineCNNConfig(ModelConfig):
    """Options of `LineCNN`.

    Raises: ConfigError for a value that cannot be.
    """

    family: ClassVar[str] = "line_cnn"

    channels: tuple[int, int, int, int] = (16, 32, 64, 96)
    """Of the four convolutions over the image."""
    num_features: int = 96
    """Length of the vector at each step."""
    depth: int = 1
    """Convolutions at each size of the maps; those after the first add to what they read (He et al. 2015)."""
    stride_px: int = 4
    """Pixels of the image from one step to the next: 4, or 8 for large letters at half the work."""
    dropout: float = 0.1
    """Fraction of the features that is silenced in training."""

    def __post_init__(self) -> None:
        """Check every value; a list, as JSON has it, becomes a tuple."""
        object.__setattr__(self, "channels", tuple(self.channels))
        check_options(
            self,
            least={"channels": 1, "num_features": 1, "depth": 1},
            fractions=["dropout"],
            one_of={"stride_px": (4, 8)},
        )
        if len(self.channels) != 4:
            raise ConfigError(f"LineCNNConfig.channels must be four numbers of at least 1, got {self.channels}.")

    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> LineCNN:
        """The network."""
        return LineCNN(self, in_channels=in_channels, size_px=size_px, pool=pool)


@register_model(
    "line_cnn",
    source="Shi et al. 2015, An end-to-end trainable neural network (CRNN), without its recurrent layers",
    config=LineCNNConfig,
    channels_in=1,
    size_px=(32, 128),
)
@final
class LineCNN(Backbone):
    """Five convolutions over a line of text: `(B, in_channels, H, W)` float to `(B, T, num_features)`, T = W / 4.

    Each 2 x 2 block of pixels becomes four channels, so that no pixel is lost and the widest maps have a quarter of the
    places. Pooling halves both sides once and then the height alone, so that neighbouring letters stay apart; the last
    convolution reads all rows that are left, 2 for 32 px. A step sees 40 px of the width. Any width of at least 4 px;
    the height it was built for. With `pool` the steps become one vector `(B, num_features)`, twice as long for
    "avg_max": the same weights then classify an image of one letter, and can start a network that reads lines.

    Source: the convolutional part of Shi, Bai, Yao 2015, "An end-to-end trainable neural network for image-based
    sequence recognition" (CRNN), section 2.1: columns of the last maps are the sequence, pooling keeps the width.
    Differs: no recurrent layers, as in Borisyuk, Gordo, Sivakumar 2018, "Rosetta", whose reader is convolutional
    throughout; five narrow convolutions in place of seven; batch normalisation after each; before the first the inverse
    of the sub-pixel shuffle of Shi et al. 2016, section 3.2. An odd last row or column is doubled.

    Raises: ShapeError for images below 4 px or of another height than it was built for.
    """

    def __init__(
        self,
        config: LineCNNConfig | None = None,
        *,
        in_channels: int = 1,
        size_px: tuple[int, int] = (32, 128),
        pool: PoolName | None = None,
    ) -> None:
        """Build for images of `size_px` (height, width) with `in_channels` channels."""
        super().__init__()
        config = config or LineCNNConfig()
        self.name = "line_cnn"
        self.config = config
        check_size(self.name, size_px, _SMALLEST_PX)
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.sequence = pool is None
        self.unshuffle = nn.PixelUnshuffle(2)
        # Height and width by which the maps of each convolution shrink.
        self.shrinks = ((2, 2), (2, config.stride_px // 4), (2, 1), (1, 1), (1, 1))
        rows = -(-size_px[0] // 16)
        reads = (4 * in_channels, *config.channels)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in zip(reads[:4], config.channels, strict=True)
        )
        self.convs.append(nn.Conv2d(config.channels[3], config.num_features, (rows, 3), padding=(0, 1), bias=False))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in (*config.channels, config.num_features))
        self.further = nn.ModuleList(
            nn.ModuleList(_Further(width) for _ in range(config.depth - 1)) for width in config.channels
        )
        self.global_pool = None if pool is None else GlobalPool(pool)
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        self.channels = config.channels[:1] if config.stride_px == 4 else config.channels[:2]
        self.strides = (4,) if config.stride_px == 4 else (4, 8)
        self.num_features = (
            config.num_features if self.global_pool is None else self.global_pool.num_features(config.num_features)
        )
        for conv in self.convs:
            assert isinstance(conv, nn.Conv2d)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")

    def features(self, images: Tensor) -> list[Tensor]:
        """Maps as long as both sides shrink alike: at stride 4, and at 8 where that is the step."""
        maps = [self._convolved(0, self._blocks(images))]
        for number in range(1, len(self.strides)):
            maps.append(self._convolved(number, maps[-1]))
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Steps from left to right, after dropout: (B, T, num_features); one vector with `pool`."""
        maps = self._blocks(images)  # (B, 4 in_channels, 16, W / 2) for 32 px
        for number in range(len(self.convs)):
            maps = self._convolved(number, maps)  # heights 8, 4, 2, 2, 1; width W / 4 from the first on
        if self.global_pool is not None:
            return self.dropout(self.global_pool(maps))
        return self.dropout(maps[:, :, 0].transpose(1, 2))

    def groups(self) -> list[list[nn.Parameter]]:
        """One group for each size of the maps, and one for the last convolution."""
        groups = [[*conv.parameters(), *norm.parameters()] for conv, norm in zip(self.convs, self.norms, strict=True)]
        for group, further in zip(groups, self.further, strict=False):
            group += further.parameters()
        return groups

    def _blocks(self, images: Tensor) -> Tensor:
        """Each 2 x 2 block of pixels as channels."""
        check_images(images, self, _SMALLEST_PX)
        check_same_height(images, self)
        height, width = images.shape[2:]
        if height % 2 or width % 2:
            images = F.pad(images, (0, width % 2, 0, height % 2), mode="replicate")
        # Channels-last, as convolutions like it: one grey channel does not say how it lies in memory.
        return self.unshuffle(images).contiguous(memory_format=torch.channels_last)

    def _convolved(self, number: int, maps: Tensor) -> Tensor:
        """Convolution, pooling, normalisation, ReLU. Pooled first: less work, and positive scales keep the maximum."""
        maps = self.convs[number](maps)
        if self.shrinks[number] != (1, 1):
            maps = F.max_pool2d(maps, self.shrinks[number], ceil_mode=True)
        maps = F.relu(self.norms[number](maps), inplace=True)
        for layer in self.further[number] if number < len(self.further) else ():  # pyright: ignore[reportGeneralTypeIssues]
            maps = layer(maps)
        return maps


@final
class _Further(nn.Module):
    """One more convolution at the same size, added to what it reads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        nn.init.constant_(self.norm.weight, 0.5)  # at first the sum is hardly larger than what was read

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(maps + self.norm(self.conv(maps)), inplace=True)

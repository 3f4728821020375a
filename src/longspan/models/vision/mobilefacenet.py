"""MobileFaceNet: a small network from an aligned face of 112 x 112 px to 128 numbers."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from longspan.models.backbone import Backbone, check_images, check_same_size, check_size, no_global_pool
from longspan.models.entries import register_model
from longspan.nn import PoolName

__all__ = ["MobileFaceNet"]

_SMALLEST_PX = 16
_STRIDE = 16
_BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
"""Expansion, channels, blocks, stride of the first: table 1 of the paper."""


def _conv(in_channels: int, channels: int, kernel_px: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel_px, stride, kernel_px // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU6(inplace=True),
    )


@final
class _Bottleneck(nn.Module):
    """Expand, filter each channel, project; with a shortcut where shapes allow."""

    def __init__(self, in_channels: int, channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.shortcut = stride == 1 and in_channels == channels
        self.conv = nn.Sequential(
            _conv(in_channels, inner, 1),
            _conv(inner, inner, 3, stride, groups=inner),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.conv(maps) if self.shortcut else self.conv(maps)


@final
class _DepthwiseSeparable(nn.Module):
    """A filter for each channel, then a mix of channels; each with batch normalisation and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, maps: Tensor) -> Tensor:
        return self.bn2(self.pointwise(self.bn1(self.depthwise(maps)).relu())).relu()


@final
class _GlobalDepthwise(nn.Module):
    """One weight for each place and channel of the last map, in place of a mean over places."""

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, size, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, maps: Tensor) -> Tensor:
        return self.bn(self.depthwise(maps))


@register_model(
    "mobilefacenet",
    source="Chen, Liu, Gao, Han 2018, MobileFaceNets: efficient CNNs for accurate real-time face verification",
    size_px=(112, 112),
)
@final
class MobileFaceNet(Backbone):
    """Face embedding: `(B, in_channels, H, W)` float of the size it was built for, to `(B, 128)`.

    Vectors are compared by the cosine of their angle. Faces must be aligned as in training: with `weights="faces"` by
    `Align()`, colours normalised as for ImageNet (`Image().for_weights("faces")`). A face that is not aligned gives a
    vector all the same, of little use.

    Source: Chen et al. 2018, "MobileFaceNets", table 1; the published weights and most names are of
    foamliu/MobileFaceNet (Apache-2.0; trained on MS-Celeb-1M, a set since withdrawn). Differs, as those weights do:
    ReLU6 and ReLU in place of PReLU; 128 numbers after a batch normalisation. The global depthwise convolution has the
    size of the last map, so weights fit images of 112 x 112 px only.

    Raises: ShapeError for images below 16 px or of another size; ConfigError for a `pool`.
    """

    def __init__(
        self, *, in_channels: int = 3, size_px: tuple[int, int] = (112, 112), pool: PoolName | None = None
    ) -> None:
        """Build for images of `size_px` (height, width)."""
        super().__init__()
        self.name = "mobilefacenet"
        check_size(self.name, size_px, _SMALLEST_PX)
        if pool is not None:
            raise no_global_pool(self.name, pool)
        self.config = None
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = None
        self.num_features = 128
        self.channels = (64, 64, 128, 512)
        self.strides = (2, 4, 8, 16)
        self.conv1 = _conv(in_channels, 64, 3, 2)
        self.dw_conv = _DepthwiseSeparable(64)
        blocks: list[nn.Module] = []
        reads = 64
        for expansion, channels, count, stride in _BOTTLENECKS:
            for number in range(count):
                blocks.append(_Bottleneck(reads, channels, expansion, stride if number == 0 else 1))
                reads = channels
        self.blocks_per_group = tuple(count for _, _, count, _ in _BOTTLENECKS)
        self.bottlenecks = nn.Sequential(*blocks)
        self.conv2 = _conv(128, 512, 1)
        self.gdconv = _GlobalDepthwise(512, (-(-size_px[0] // _STRIDE), -(-size_px[1] // _STRIDE)))
        self.conv3 = nn.Conv2d(512, 128, 1)
        self.bn = nn.BatchNorm2d(128)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def features(self, images: Tensor) -> list[Tensor]:
        """The last maps of each stride: 64, 64, 128 and 512 channels at strides 2, 4, 8 and 16."""
        check_images(images, self, _SMALLEST_PX)
        check_same_size(images, self)
        maps = self.dw_conv(self.conv1(images))
        found = [maps]
        for number, block in enumerate(self.bottlenecks):
            maps = block(maps)
            if number in (4, 11):  # the last block before the map is halved again
                found.append(maps)
        return [*found, self.conv2(maps)]

    def forward(self, images: Tensor) -> Tensor:
        """The vector, not yet of length 1: (B, 128)."""
        return self.bn(self.conv3(self.gdconv(self.features(images)[-1]))).flatten(1)

    def groups(self) -> list[list[nn.Parameter]]:
        """The stem, each group of bottlenecks, and what comes behind them."""
        groups = [[*self.conv1.parameters(), *self.dw_conv.parameters()]]
        blocks = iter(self.bottlenecks)
        for count in self.blocks_per_group:
            groups.append([parameter for _ in range(count) for parameter in next(blocks).parameters()])
        groups.append([p for part in (self.conv2, self.gdconv, self.conv3, self.bn) for p in part.parameters()])
        return groups

"""A small residual network for images of 28 to 64 px."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, final

import torch.nn.functional as F
from torch import Tensor, nn

from longspan.models.backbone import Backbone, check_images, check_size
from longspan.models.entries import ModelConfig, register_model
from longspan.models.options import check_options
from longspan.nn import GlobalPool, PoolName

__all__ = ["SmallResNet", "SmallResNetConfig"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SmallResNetConfig(ModelConfig):
    """Options of `SmallResNet`; the defaults are ResNet-20.

    Raises: ConfigError for a value that cannot be.
    """

    family: ClassVar[str] = "small_resnet"

    blocks: int = 3
    """n of the paper: residual blocks in each of the three stages. The network has 6 n + 2 layers with its head."""
    width: int = 16
    """Channels of the first stage; the second and third have twice and four times as many."""
    shortcuts: bool = True
    """Whether blocks add what they read to what they give; without, it is the plain network of the paper."""

    def __post_init__(self) -> None:
        """Check every value."""
        check_options(self, least={"blocks": 1, "width": 1})

    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> SmallResNet:
        """The network."""
        return SmallResNet(self, in_channels=in_channels, size_px=size_px, pool=pool)


@final
class _Block(nn.Module):
    """Two 3 x 3 convolutions with a shortcut that has no parameters (option A of the paper)."""

    def __init__(self, in_channels: int, channels: int, stride: int, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.stride = stride
        self.shortcut = shortcut
        self.added_channels = channels - in_channels

    def forward(self, maps: Tensor) -> Tensor:
        inner = F.relu(self.norm1(self.conv1(maps)), inplace=True)
        inner = self.norm2(self.conv2(inner))
        if not self.shortcut:
            return F.relu(inner, inplace=True)
        shortcut = maps if self.stride == 1 else maps[:, :, :: self.stride, :: self.stride]
        if self.added_channels:
            shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, self.added_channels))  # new channels start at zero
        return F.relu(inner + shortcut, inplace=True)


@final
class SmallResNet(Backbone):
    """CIFAR residual network of 6 n + 2 layers: `(B, in_channels, H, W)` float, any size, to `(B, 64)`.

    Maps of 16, 32 and 64 channels at strides 1, 2 and 4. For 28 to 64 px; larger images are read too, slowly.

    Source: He, Zhang, Ren, Sun 2015, "Deep residual learning for image recognition", section 4.2, shortcuts: option A.
    Differs: the class layer belongs to the head; `width`, any number of channels and `pool` are additions. The
    convolutions start as in He et al. 2015b ("Delving deep into rectifiers"), by fan-out.
    """

    def __init__(
        self,
        config: SmallResNetConfig | None = None,
        *,
        in_channels: int = 3,
        size_px: tuple[int, int] = (32, 32),
        pool: PoolName | None = None,
    ) -> None:
        """Build for images with `in_channels` channels; `pool` "avg_max" doubles what the head reads."""
        super().__init__()
        config = config or SmallResNetConfig()
        self.name = f"{'resnet' if config.shortcuts else 'plain'}{6 * config.blocks + 2}"
        self.config = config
        check_size(self.name, size_px, 1)
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.channels = (config.width, 2 * config.width, 4 * config.width)
        self.strides = (1, 2, 4)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, config.width, 3, padding=1, bias=False),
            nn.BatchNorm2d(config.width),
            nn.ReLU(inplace=True),
        )
        stages: list[nn.Module] = []
        reads = config.width
        for channels, stride in zip(self.channels, (1, 2, 2), strict=True):
            first = _Block(reads, channels, stride, config.shortcuts)
            stages.append(
                nn.Sequential(
                    first, *(_Block(channels, channels, 1, config.shortcuts) for _ in range(config.blocks - 1))
                )
            )
            reads = channels
        self.stages = nn.ModuleList(stages)
        self.global_pool = GlobalPool(pool or "avg")
        self.num_features = self.global_pool.num_features(reads)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def features(self, images: Tensor) -> list[Tensor]:
        """The maps after each stage: 16, 32 and 64 at strides 1, 2 and 4."""
        check_images(images, self, 1)
        maps = self.stem(images)
        found: list[Tensor] = []
        for stage in self.stages:
            maps = stage(maps)
            found.append(maps)
        return found

    def forward(self, images: Tensor) -> Tensor:
        """The last maps, pooled: (B, 64), or (B, 128) for pool "avg_max"."""
        return self.global_pool(self.features(images)[-1])

    def groups(self) -> list[list[nn.Parameter]]:
        """The stem, then the three stages."""
        return [list(part.parameters()) for part in (self.stem, *self.stages)]


for _blocks in (3, 5, 7, 9):
    register_model(
        f"resnet{6 * _blocks + 2}",
        source="He et al. 2015, Deep residual learning for image recognition, section 4.2",
        config=SmallResNetConfig,
        channels_in=3,
        size_px=(32, 32),
    )(functools.partial(SmallResNet, SmallResNetConfig(blocks=_blocks)))

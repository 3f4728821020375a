"""VGG16 as a fully convolutional network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch.nn.functional as F
from torch import Tensor, nn

from longspan.models.backbone import Backbone, check_images, check_size, no_global_pool
from longspan.models.entries import ModelConfig, register_model
from longspan.models.options import check_options
from longspan.models.vision.vgg16 import FromPublished, stage_channels, vgg_convolutions, vgg_stage
from longspan.nn import PoolName

__all__ = ["FCNVGG", "FCNVGGConfig"]

_KERNEL = 7  # places a side that the first fully connected layer reads
_FULLY_CONNECTED = (("fc6", "classifier.0"), ("fc7", "classifier.3"))
_CLASSES = "classifier.6."


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class FCNVGGConfig(ModelConfig):
    """Options of `FCNVGG`; the defaults are VGG16, the only ones that published weights fit.

    Raises: ConfigError for a value that cannot be.
    """

    family: ClassVar[str] = "vgg16_fcn"

    width: int = 64
    """Channels of the first stage; the others have 2, 4, 8 and 8 times as many."""
    fc_channels: int = 4096
    """Channels of fc6 and fc7."""
    dropout: float = 0.5
    """Fraction of what fc6 and fc7 give that is silenced in training."""

    def __post_init__(self) -> None:
        """Check every value."""
        check_options(self, least={"width": 1, "fc_channels": 1}, fractions=["dropout"])

    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> FCNVGG:
        """The network."""
        return FCNVGG(self, in_channels=in_channels, size_px=size_px, pool=pool)


@register_model(
    "vgg16_fcn",
    source="Long, Shelhamer, Darrell 2015, Fully convolutional networks for semantic segmentation",
    config=FCNVGGConfig,
    channels_in=3,
    size_px=(224, 224),
)
@final
class FCNVGG(Backbone, FromPublished):
    """VGG16 whose fully connected layers are convolutions: `(B, in_channels, H, W)` float of any size.

    Maps: pool3, pool4 and fc7, 256, 512 and 4096 channels at strides 8, 16 and 32, for `FCNDecoder`. `forward` gives
    what VGG16's class layer would read, `(B, 4096)`: for 224 x 224 px exactly that, for larger images the mean over
    all places where the kernel of fc6 lies within its map, for smaller ones over all places. The published weights of
    torchvision's vgg16 serve: weights="imagenet", or a state dict in a file.

    Source: Long, Shelhamer, Darrell 2015, "Fully convolutional networks for semantic segmentation", section 3.1, on
    Simonyan and Zisserman 2014, "Very deep convolutional networks", column D.
    Differs: fc6 pads its maps by 3 places, so that fc7 covers the whole image (paper: the image is padded by
    100 px, for the same reason). Pooling rounds sizes up, as in the paper's library (torchvision: down).

    Raises: ConfigError for `pool`: VGG16 has other layers after its last pooling.
    """

    published_name: ClassVar[str] = "vgg16"

    def __init__(
        self,
        config: FCNVGGConfig | None = None,
        *,
        in_channels: int = 3,
        size_px: tuple[int, int] = (224, 224),
        pool: PoolName | None = None,
    ) -> None:
        """Build for images with `in_channels` channels."""
        super().__init__()
        config = config or FCNVGGConfig()
        self.name = "vgg16_fcn"
        self.config = config
        if pool is not None:
            raise no_global_pool(self.name, pool)
        check_size(self.name, size_px, 1)
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.num_features = config.fc_channels
        widths = stage_channels(config.width)
        self.channels = (widths[2], widths[3], config.fc_channels)
        self.strides = (8, 16, 32)
        reads = (in_channels, *widths)
        self.stages = nn.ModuleList(
            vgg_stage(number, reads[number], widths[number], batch_norm=False) for number in range(5)
        )
        self.fc6 = nn.Conv2d(widths[4], config.fc_channels, _KERNEL)
        self.fc7 = nn.Conv2d(config.fc_channels, config.fc_channels, 1)
        self.dropout = nn.Dropout(config.dropout)
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]

    def features(self, images: Tensor) -> list[Tensor]:
        """pool3, pool4 and fc7, at strides 8, 16 and 32."""
        pooled = self._pooled(images)
        return [*pooled[2:4], self._fully_connected(pooled[4], (_KERNEL // 2, _KERNEL // 2))]

    def forward(self, images: Tensor) -> Tensor:
        """fc7, (B, fc_channels): the mean over the places whose kernel lies within the map, if there are such."""
        last = self._pooled(images)[4]  # (B, 512, 7, 7) for 224 px
        padding = (0 if last.shape[2] >= _KERNEL else _KERNEL // 2, 0 if last.shape[3] >= _KERNEL else _KERNEL // 2)
        return self._fully_connected(last, padding).mean(dim=(2, 3))

    def groups(self) -> list[list[nn.Parameter]]:
        """The five stages, fc6, fc7."""
        return [list(part.parameters()) for part in (*self.stages, self.fc6, self.fc7)]

    def from_published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """vgg16's weights: kernels of 7 x 7 and 1 x 1 places from its fully connected layers, as they read."""
        names = {published: f"stages.{own}" for own, published in vgg_convolutions(batch_norm=False)}
        names.update((published, own) for own, published in _FULLY_CONNECTED)
        converted = {}
        for name, value in state.items():
            if name.startswith(_CLASSES):
                continue
            layer, _, kind = name.rpartition(".")
            if layer == "classifier.0" and kind == "weight" and value.ndim == 2 and value.shape[1] % _KERNEL**2 == 0:
                value = value.unflatten(1, (-1, _KERNEL, _KERNEL))
            elif layer == "classifier.3" and kind == "weight":
                value = value[:, :, None, None]
            converted[f"{names[layer]}.{kind}" if layer in names else name] = value
        return converted

    def _pooled(self, images: Tensor) -> list[Tensor]:
        """What the pooling after each stage gives."""
        check_images(images, self, 1)
        maps: list[Tensor] = []
        for stage in self.stages:
            images = F.max_pool2d(stage(images), 2, ceil_mode=True)
            maps.append(images)
        return maps

    def _fully_connected(self, maps: Tensor, padding: tuple[int, int]) -> Tensor:
        maps = self.dropout(F.relu(F.conv2d(maps, self.fc6.weight, self.fc6.bias, padding=padding), inplace=True))
        return self.dropout(F.relu(self.fc7(maps), inplace=True))

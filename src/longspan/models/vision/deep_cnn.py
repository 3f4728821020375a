"""The deep convolutional network of *Deep Learning from Scratch*, chapter 8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch.nn.functional as F
from torch import Tensor, nn

from longspan.models.backbone import Backbone, check_images, check_same_size, check_size, no_global_pool
from longspan.models.entries import ModelConfig, register_model
from longspan.models.options import check_options
from longspan.nn import PoolName

__all__ = ["DeepCNN", "DeepCNNConfig"]

_SMALLEST_PX = 4


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class DeepCNNConfig(ModelConfig):
    """Options of `DeepCNN`; the defaults are the book's.

    Raises: ConfigError for a value that cannot be.
    """

    family: ClassVar[str] = "deep_cnn"

    dropout: float = 0.5
    """Fraction of the units that is silenced in training, 0 to less than 1; 0 leaves the layer out."""
    init: Literal["he", "small"] = "he"
    """How weights start: "he", normal with standard deviation sqrt(2 / fan-in); "small", normal with 0.01."""
    batch_norm: bool = False
    """Normalise each batch after every convolution, which then has no bias of its own."""
    units: int = 50
    """Length of what the head reads."""

    def __post_init__(self) -> None:
        """Check every value."""
        check_options(self, least={"units": 1}, fractions=["dropout"], one_of={"init": ("he", "small")})

    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> DeepCNN:
        """The network."""
        return DeepCNN(self, in_channels=in_channels, size_px=size_px, pool=pool)


def _block(in_channels: int, channels: int, second_padding: int, batch_norm: bool) -> nn.Sequential:
    """Two 3 x 3 convolutions, up to the activation of the second, which `features` and `forward` place apart."""
    layers: list[nn.Module] = []
    for reads, padding in ((in_channels, 1), (channels, second_padding)):
        if layers:
            layers.append(nn.ReLU(inplace=True))
        layers.append(nn.Conv2d(reads, channels, 3, padding=padding, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(channels))
    return nn.Sequential(*layers)


@register_model(
    "deep_cnn",
    source="Saitoh 2016, Deep Learning from Scratch, chapter 8",
    config=DeepCNNConfig,
    channels_in=1,
    size_px=(28, 28),
)
@final
class DeepCNN(Backbone):
    """3x3 convolutions 16-16-pool-32-32-pool-64-64-pool, 50 units: `(B, in_channels, H, W)` float to `(B, 50)`.

    The fourth convolution pads by 2, so that 28 px leave 28, 16 and 8 places at strides 1, 2 and 4, and 4 x 4 after
    the last pooling.

    Source: Koki Saitoh, *Deep Learning from Scratch* (2016), section 8.1 (`deep_convnet.py`).
    Differs:
      - The class layer belongs to the head, and with it the dropout that the book puts after the class layer as well.
      - ReLU stands after the pooling where the book has it before: the numbers are the same, at a quarter of the work.
      - He initialisation counts the inputs that each unit reads, as the book does, whatever the channels and size.
      - Other sizes, more channels and batch normalisation are additions.

    Raises: ShapeError for images below 4 px or of another size than it was built for; ConfigError for `pool`.
    """

    def __init__(
        self,
        config: DeepCNNConfig | None = None,
        *,
        in_channels: int = 1,
        size_px: tuple[int, int] = (28, 28),
        pool: PoolName | None = None,
    ) -> None:
        """Build for images of `size_px` (height, width) with `in_channels` channels."""
        super().__init__()
        config = config or DeepCNNConfig()
        self.name = "deep_cnn"
        self.config = config
        if pool is not None:
            raise no_global_pool(self.name, pool)
        check_size(self.name, size_px, _SMALLEST_PX)
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.num_features = config.units
        self.channels = (16, 32, 64)
        self.strides = (1, 2, 4)
        self.block1 = _block(in_channels, 16, 1, config.batch_norm)
        self.block2 = _block(16, 32, 2, config.batch_norm)
        self.block3 = _block(32, 64, 1, config.batch_norm)
        height, width = ((side // 2 + 2) // 2 // 2 for side in size_px)
        self.units = nn.Linear(64 * height * width, config.units)
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                fan_in = layer.weight[0].numel()
                nn.init.normal_(layer.weight, std=(2 / fan_in) ** 0.5 if config.init == "he" else 0.01)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def features(self, images: Tensor) -> list[Tensor]:
        """The maps before each pooling: 16, 32 and 64 at strides 1, 2 and 4."""
        check_images(images, self, _SMALLEST_PX)
        maps: list[Tensor] = []
        for block in (self.block1, self.block2, self.block3):
            maps.append(F.relu(block(F.max_pool2d(maps[-1], 2) if maps else images)))
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """The units after their dropout: (B, 50)."""
        check_images(images, self, _SMALLEST_PX)
        check_same_size(images, self)
        maps = images
        for block in (self.block1, self.block2, self.block3):
            # Pool, then rectify: the maximum of what is above zero is what is above zero of the maximum.
            maps = F.relu(F.max_pool2d(block(maps), 2), inplace=True)  # for 28 px: 14, 8, 4 places
        return self.dropout(F.relu(self.units(maps.flatten(1)), inplace=True))

    def groups(self) -> list[list[nn.Parameter]]:
        """The three blocks of convolutions, then the units."""
        return [list(part.parameters()) for part in (self.block1, self.block2, self.block3, self.units)]

"""PilotNet, which steered a car from its camera."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar, final

import torch.nn.functional as F
from torch import Tensor, nn

from longspan.errors import ConfigError
from longspan.models.backbone import Backbone, check_images, check_same_size, check_size, no_global_pool
from longspan.models.entries import ModelConfig, register_model
from longspan.models.options import check_options
from longspan.nn import PoolName

__all__ = ["PilotNet", "PilotNetConfig"]

_KERNELS = ((5, 2), (5, 2), (5, 2), (3, 1), (3, 1))
"""Side and stride of the five convolutions."""
_SMALLEST_PX = {False: 61, True: 32}
"""Without and with padding."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class PilotNetConfig(ModelConfig):
    """Options of `PilotNet`.

    Raises: ConfigError for a value that cannot be.
    """

    family: ClassVar[str] = "pilot_net"

    channels: tuple[int, int, int, int, int] = (24, 36, 48, 64, 64)
    """Of the five convolutions."""
    units: tuple[int, ...] = (100, 50, 10)
    """Widths of the fully connected layers."""
    batch_norm: bool = False
    """Normalise each batch after every convolution, which then has no bias of its own."""
    padding: bool = False
    """Pad each convolution, for images smaller than those of the paper; without it maps shrink at every layer."""
    dropout: float = 0.0
    """Fraction of the convolutions' last map that is silenced in training."""

    def __post_init__(self) -> None:
        """Check every value; a list, as JSON has it, becomes a tuple."""
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "units", tuple(self.units))
        check_options(self, least={"channels": 1, "units": 1}, fractions=["dropout"])
        if len(self.channels) != len(_KERNELS) or not self.units:
            raise ConfigError(
                f"PilotNetConfig needs five channels and a width of units or more, got {self.channels}, {self.units}."
            )

    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> PilotNet:
        """The network."""
        return PilotNet(self, in_channels=in_channels, size_px=size_px, pool=pool)


@register_model(
    "pilot_net",
    source="Bojarski et al. 2016, End to End Learning for Self-Driving Cars",
    config=PilotNetConfig,
    channels_in=3,
    size_px=(66, 200),
)
@final
class PilotNet(Backbone):
    """Three 5x5 convolutions at stride 2, two of 3x3, and three layers: `(B, in_channels, H, W)` float to `(B, 10)`.

    The last linear layer, to the steering, is the head's.

    Source: Bojarski et al. 2016, "End to End Learning for Self-Driving Cars", fig. 4 and section 4.
    Differs:
      - The activation is ELU (Clevert et al. 2015); the paper names none. With ReLU the ten last units can all die.
      - Images are RGB, normalised by the column (mean and spread of the training rows); the paper feeds YUV planes.
      - Batch normalisation, padding, dropout and other sizes are additions, off by default.

      - Without padding, as in the paper, maps have fewer places than side / stride.

    Raises: ShapeError for images below 61 px, with padding 32 px, or of another size than it was built for; ConfigError
    for `pool`.
    """

    def __init__(
        self,
        config: PilotNetConfig | None = None,
        *,
        in_channels: int = 3,
        size_px: tuple[int, int] = (66, 200),
        pool: PoolName | None = None,
    ) -> None:
        """Build for images of `size_px` (height, width) with `in_channels` channels."""
        super().__init__()
        config = config or PilotNetConfig()
        self.name = "pilot_net"
        self.config = config
        if pool is not None:
            raise no_global_pool(self.name, pool)
        self.smallest_px = _SMALLEST_PX[config.padding]
        check_size(self.name, size_px, self.smallest_px)
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.num_features = config.units[-1]
        self.channels = (config.channels[0], config.channels[1], config.channels[4])
        self.strides = (2, 4, 8)
        reads = (in_channels, *config.channels)
        self.convs = nn.ModuleList(
            nn.Conv2d(reads[i], reads[i + 1], side, stride, padding=side // 2 if config.padding else 0,
                      bias=not config.batch_norm)
            for i, (side, stride) in enumerate(_KERNELS)
        )  # fmt: skip
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(width) if config.batch_norm else nn.Identity() for width in config.channels
        )
        height, width = (_side_after(side, config.padding) for side in size_px)
        widths = (config.channels[4] * height * width, *config.units)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        for layer in (*self.convs, *self.layers):
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def features(self, images: Tensor) -> list[Tensor]:
        """Maps at strides 2, 4 and 8; without padding they lack a border."""
        maps = self._maps(images)
        return [maps[0], maps[1], maps[4]]

    def forward(self, images: Tensor) -> Tensor:
        """The last fully connected layer, activated: (B, 10)."""
        check_images(images, self, self.smallest_px)
        check_same_size(images, self)
        units = self.dropout(self._maps(images)[-1].flatten(1))  # (B, 64 * 1 * 18) for 66 x 200
        for layer in self.layers:
            units = F.elu(layer(units))
        return units

    def groups(self) -> list[list[nn.Parameter]]:
        """The five convolutions, then the fully connected layers."""
        convs = [[*conv.parameters(), *norm.parameters()] for conv, norm in zip(self.convs, self.norms, strict=True)]
        return [*convs, list(self.layers.parameters())]

    def _maps(self, images: Tensor) -> list[Tensor]:
        check_images(images, self, self.smallest_px)
        maps = [images]
        for conv, norm in zip(self.convs, self.norms, strict=True):
            maps.append(F.elu(norm(conv(maps[-1]))))  # 31x98, 14x47, 5x22, 3x20, 1x18 without padding
        return maps[1:]


def _side_after(side: int, padding: bool) -> int:
    for kernel, stride in _KERNELS:
        side = (side + 2 * (kernel // 2 if padding else 0) - kernel) // stride + 1
    return side

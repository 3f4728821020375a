"""A network for small images."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import nn

from longspan.models import Backbone, ModelConfig, register_model


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class CompassNetConfig(ModelConfig):
    """Options of `CompassNet`."""

    family: ClassVar[str] = "compass_net"

    width: int = 8
    """Channels of the maps."""

    def build(self, *, in_channels, size_px, pool):
        return CompassNet(self, in_channels=in_channels, size_px=size_px, pool=pool)


@register_model("compass_net", source="This package", config=CompassNetConfig, channels_in=1, size_px=(12, 12))
@final
class CompassNet(Backbone):
    """One convolution and one linear layer: `(B, C, H, W)` to `(B, 32)`."""

    def __init__(self, config=None, *, in_channels=1, size_px=(12, 12), pool=None):
        super().__init__()
        self.config = config or CompassNetConfig()
        self.name = "compass_net"
        self.in_channels, self.size_px, self.pool = in_channels, size_px, pool
        self.num_features, self.channels, self.strides = 32, (self.config.width,), (1,)
        self.convolution = nn.Conv2d(in_channels, self.config.width, 3, padding=1)
        self.linear = nn.Linear(self.config.width * size_px[0] * size_px[1], 32)

    def features(self, images):
        return [self.convolution(images).relu()]

    def forward(self, images):
        return self.linear(self.features(images)[0].flatten(1)).relu()

    def groups(self):
        return [list(self.convolution.parameters()), list(self.linear.parameters())]

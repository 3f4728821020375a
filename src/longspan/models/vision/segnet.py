"""SegNet: an encoder and a decoder that remembers where each maximum was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch.nn.functional as F
from torch import Tensor, nn

from longspan.models.backbone import Backbone, check_images, check_size
from longspan.models.entries import ModelConfig, register_model
from longspan.models.options import check_options
from longspan.models.vision.vgg16 import CONVOLUTIONS, FromPublished, stage_channels, vgg_convolutions, vgg_stage
from longspan.nn import GlobalPool, PoolName

__all__ = ["SegNet", "SegNetConfig"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SegNetConfig(ModelConfig):
    """Options of `SegNet`.

    Raises: ConfigError for a value that cannot be.
    """

    family: ClassVar[str] = "segnet"

    width: int = 64
    """Channels of the first stage; the others have 2, 4, 8 and 8 times as many. 16 trains on a processor without a GPU
    in a sixteenth of the work; only 64 fits published weights."""

    def __post_init__(self) -> None:
        """Check the value."""
        check_options(self, least={"width": 1})

    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> SegNet:
        """The network."""
        return SegNet(self, in_channels=in_channels, size_px=size_px, pool=pool)


@register_model(
    "segnet",
    source="Badrinarayanan et al. 2017, SegNet: a deep convolutional encoder-decoder architecture",
    config=SegNetConfig,
    channels_in=3,
    size_px=(360, 480),
)
@final
class SegNet(Backbone, FromPublished):
    """SegNet up to its classes: `(B, in_channels, H, W)` float of any size, to one map at stride 1, `(B, 64, H, W)`.

    The encoder is the convolutions of VGG16; each pooling notes which place held the maximum, and the decoder puts
    values back exactly there before it convolves, so that borders stay sharp without handing on whole maps. For a head
    with decoder "linear", a 1 x 1 convolution to the classes. `forward` gives the map's mean, `(B, 64)`. The encoder
    can start from the published weights of torchvision's vgg16_bn, while the decoder starts fresh.

    Source: Badrinarayanan, Kendall, Cipolla 2017, "SegNet: a deep convolutional encoder-decoder architecture for image
    segmentation", section 3 and fig. 2.
    Differs: the last convolution, to the classes, is the head's and 1 x 1 (released network: 3 x 3). No local contrast
    normalisation of the image. Pooling rounds sizes up. Width and `pool` are options.
    """

    published_name: ClassVar[str] = "vgg16_bn"

    def __init__(
        self,
        config: SegNetConfig | None = None,
        *,
        in_channels: int = 3,
        size_px: tuple[int, int] = (360, 480),
        pool: PoolName | None = None,
    ) -> None:
        """Build for images with `in_channels` channels."""
        super().__init__()
        config = config or SegNetConfig()
        self.name = "segnet"
        self.config = config
        check_size(self.name, size_px, 1)
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        widths = stage_channels(config.width)
        self.channels = (config.width,)
        self.strides = (1,)
        reads = (in_channels, *widths)
        self.encoder = nn.ModuleList(
            vgg_stage(number, reads[number], widths[number], batch_norm=True) for number in range(5)
        )
        gives = (widths[0], *widths[:4])
        self.decoder = nn.ModuleList(_mirrored(number, widths[number], gives[number]) for number in range(5))
        self.global_pool = GlobalPool(pool or "avg")
        self.num_features = self.global_pool.num_features(config.width)

    def features(self, images: Tensor) -> list[Tensor]:
        """The decoder's last map, at stride 1."""
        check_images(images, self, 1)
        values, noted = images, []
        for stage in self.encoder:
            values = stage(values)
            size = values.shape[2:]
            values, places = F.max_pool2d(values, 2, ceil_mode=True, return_indices=True)
            noted.append((places, size))
        for stage, (places, size) in zip(reversed(self.decoder), reversed(noted), strict=True):
            values = stage(F.max_unpool2d(values, places, [2, 2], output_size=list(size)))
        return [values]

    def forward(self, images: Tensor) -> Tensor:
        """The last map, pooled: (B, width), or twice as many for pool "avg_max"."""
        return self.global_pool(self.features(images)[0])

    def groups(self) -> list[list[nn.Parameter]]:
        """The stages of the encoder, then those of the decoder from the coarsest on."""
        return [list(part.parameters()) for part in (*self.encoder, *reversed(self.decoder))]

    def from_published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """vgg16_bn's convolutions for the encoder; the decoder keeps its weights.

        The published convolutions have a bias, which the normalisation behind them only shifts its mean by.
        """
        converted = {name: value for name, value in self.state_dict().items() if name.startswith("decoder.")}
        rest = {name: value for name, value in state.items() if not name.startswith("classifier.")}
        for own, published in vgg_convolutions(batch_norm=True):
            stage, _, layer = own.partition(".")
            number = int(published.rpartition(".")[2])
            bias = rest.pop(f"{published}.bias", None)
            if f"{published}.weight" in rest:
                converted[f"encoder.{own}.weight"] = rest.pop(f"{published}.weight")
            for kind in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                value = rest.pop(f"features.{number + 1}.{kind}", None)
                if value is not None:
                    shifted = kind == "running_mean" and bias is not None and bias.shape == value.shape
                    name = f"encoder.{stage}.{int(layer) + 1}.{kind}"
                    converted[name] = value - bias if shifted and bias is not None else value
        return {**rest, **converted}


def _mirrored(stage: int, channels: int, gives: int) -> nn.Sequential:
    """As many convolutions as the encoder's stage has, the last of them to `gives` channels.

    The first stage has one less: its last convolution, to the classes, is the head's.
    """
    count = CONVOLUTIONS[stage] - (stage == 0)
    layers: list[nn.Module] = []
    for number in range(count):
        conv = nn.Conv2d(channels, gives if number + 1 == count else channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        layers += [conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)

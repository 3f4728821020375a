"""LeNet-5 slid over a line of characters as one convolution: the space displacement network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch.nn.functional as F
from torch import Tensor, nn

from longspan.errors import ShapeError
from longspan.models.backbone import Backbone, check_images, check_same_height, check_size, no_global_pool
from longspan.models.entries import ModelConfig, register_model
from longspan.models.options import check_options
from longspan.models.vision.lenet import LeNet5, scaled_tanh
from longspan.nn import PoolName

__all__ = ["SpaceDisplacementLeNet", "SpaceDisplacementLeNetConfig", "to_space_displacement"]

_WINDOW_PX = 32
_STRIDE_PX = 4
_SMALLEST_PX = 16


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SpaceDisplacementLeNetConfig(ModelConfig):
    """Options of `SpaceDisplacementLeNet`.

    Raises: ConfigError for a value that cannot be.
    """

    family: ClassVar[str] = "space_displacement_lenet"

    margin_px: int = 14
    """How often the first and the last column of the image are repeated at its sides, so that windows can be centred
    on characters near them; with 14 there is one window over the middle of every 4 px. The last margin is up to 3 px
    wider, so that the windows come out even."""

    def __post_init__(self) -> None:
        """Check the value."""
        check_options(self, least={"margin_px": 0})

    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> SpaceDisplacementLeNet:
        """The network."""
        return SpaceDisplacementLeNet(self, in_channels=in_channels, size_px=size_px, pool=pool)


@register_model(
    "space_displacement_lenet",
    source="LeCun et al. 1998, sec. VII: the space displacement network",
    config=SpaceDisplacementLeNetConfig,
    channels_in=1,
    size_px=(32, 128),
)
@final
class SpaceDisplacementLeNet(Backbone):
    """LeNet-5 at every 4 px of a line: `(B, in_channels, H, W)` float to F6 of T windows, `(B, T, 84)`.

    The weights are those of a LeNet-5 built for H x 32 px, by the same names: at each step stands what that network
    says of the 32 px wide window there, C5 being a convolution that is 5 places wide. T = (W + 2 margin - 32) / 4 + 1,
    rounded up: W / 4 with the usual margin of 14 px. Any width; the height it was built for.

    Source: LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition", sec. VII
    ("Multiple object recognition by space displacement neural networks"); Matan, Burges, LeCun, Denker 1992.
    Differs: as `LeNet5`; repeated columns at the sides, where the paper has background; what the windows say is put
    together by the head (paper: a graph transformer with a grammar).

    Raises: ShapeError for images of another height than it was built for, or narrower than a window with both
        margins; ConfigError for `pool`.
    """

    def __init__(
        self,
        config: SpaceDisplacementLeNetConfig | None = None,
        *,
        in_channels: int = 1,
        size_px: tuple[int, int] = (32, 128),
        pool: PoolName | None = None,
    ) -> None:
        """Build for images of `size_px` (height, width) with `in_channels` channels."""
        super().__init__()
        config = config or SpaceDisplacementLeNetConfig()
        self.name = "space_displacement_lenet"
        self.config = config
        if pool is not None:
            raise no_global_pool(self.name, pool)
        check_size(self.name, (size_px[0], _SMALLEST_PX), _SMALLEST_PX)
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.sequence = True
        self.num_features = 84
        self.channels = (6, 16, 16)
        self.strides = (1, 2, _STRIDE_PX)
        self.margin_px = config.margin_px
        single = LeNet5(in_channels=in_channels, size_px=(size_px[0], _WINDOW_PX))
        self.c1, self.c1_bias, self.s2, self.c3, self.s4 = single.c1, single.c1_bias, single.s2, single.c3, single.s4
        self.c5, self.f6 = single.c5, single.f6
        self._check_width(size_px[1])

    def features(self, images: Tensor) -> list[Tensor]:
        """C1, C3 and S4 over the image without margins: 6, 16 and 16 maps at strides 1, 2 and 4."""
        check_images(images, self, _SMALLEST_PX)
        check_same_height(images, self)
        return self._maps(images)

    def forward(self, images: Tensor) -> Tensor:
        """F6 of every window from left to right: (B, T, 84)."""
        check_images(images, self, 1)
        check_same_height(images, self)
        width = images.shape[3]
        self._check_width(width)
        beyond = (width + 2 * self.margin_px - _WINDOW_PX) % _STRIDE_PX
        sides = (self.margin_px, self.margin_px + -beyond % _STRIDE_PX)
        maps = self._maps(F.pad(images, (*sides, 0, 0), mode="replicate"))[-1]
        rows = maps.shape[2]  # 5 for 32 px
        kernels = self.c5.weight.view(self.c5.out_features, 16, rows, -1)  # (120, 16, 5, 5)
        c5 = scaled_tanh(F.conv2d(maps, kernels, self.c5.bias))  # (B, 120, 1, T)
        return scaled_tanh(self.f6(c5[:, :, 0].transpose(1, 2)))

    def groups(self) -> list[list[nn.Parameter]]:
        """As in `LeNet5`: C1 and S2, C3 and S4, C5, F6."""
        return [
            [self.c1, self.c1_bias, *self.s2.parameters()],
            [*self.c3.parameters(), *self.s4.parameters()],
            list(self.c5.parameters()),
            list(self.f6.parameters()),
        ]

    def _maps(self, images: Tensor) -> list[Tensor]:
        c1 = scaled_tanh(F.conv2d(images, self.c1, self.c1_bias))
        c3 = self.c3(self.s2(c1))
        return [c1, c3, self.s4(c3)]

    def _check_width(self, width: int) -> None:
        smallest = max(_WINDOW_PX - 2 * self.margin_px, 1)
        if width < smallest:
            raise ShapeError(
                f"{self.name} with margins of {self.margin_px} px reads images of at least {smallest} px width, got "
                f"{width}. Widen the images, or its SpaceDisplacementLeNetConfig(margin_px=...)."
            )


def to_space_displacement(
    single: LeNet5, width_px: int, *, margin_px: int = SpaceDisplacementLeNetConfig().margin_px
) -> SpaceDisplacementLeNet:
    """A LeNet-5 trained on windows of 32 px width, slid over images of `width_px`; weights are copied.

    Raises: ShapeError if `single` was built for another width, or for the height of 28 px at which it pads.
    """
    height, width = single.size_px
    if width != _WINDOW_PX or single.padding != (0, 0):
        raise ShapeError(
            f"Only a lenet5 for windows of 32 px width and without padding can be slid; this one was built for "
            f"{height} x {width} px. Train it on 32 x 32 px: Task(size_px=32)."
        )
    slid = SpaceDisplacementLeNet(
        SpaceDisplacementLeNetConfig(margin_px=margin_px), in_channels=single.in_channels, size_px=(height, width_px)
    )
    slid.load_state_dict(single.state_dict())
    return slid.train(single.training)

"""LeNet-5, the convolutional network that read cheques."""

from __future__ import annotations

import math
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longspan.models.backbone import Backbone, check_images, check_same_size, check_size, no_global_pool
from longspan.models.entries import register_model
from longspan.nn import PoolName

__all__ = ["LeNet5", "scaled_tanh"]

# Table I of the paper: which of the 6 maps of S2 each of the 16 maps of C3 reads.
_C3_READS = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip
_SMALLEST_PX = 16


def scaled_tanh(values: Tensor) -> Tensor:
    """The scaled tanh of appendix A: f(a) = A tanh(S a), with f(1) = 1 and f(-1) = -1."""
    return 1.7159 * torch.tanh(2 / 3 * values)


def _start(weights: Tensor, fan_in: int) -> nn.Parameter:
    bound = math.sqrt(3 / fan_in)
    return nn.Parameter(nn.init.uniform_(weights, -bound, bound))


@final
class _Subsampling(nn.Module):
    """S2, S4: the average of 2 x 2 places times a trained coefficient plus a trained bias, one of each per map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        return scaled_tanh(F.avg_pool2d(maps, 2) * self.coefficient + self.bias)


@final
class _PartialConv(nn.Module):
    """C3: 5 x 5 convolution 6 -> 16 in which each output map reads the input maps of table I only."""

    def __init__(self) -> None:
        super().__init__()
        pairs = [row * 6 + column for row, columns in enumerate(_C3_READS) for column in columns]
        self.register_buffer("pairs", torch.tensor(pairs), persistent=False)
        self.pairs: Tensor
        self.kernels = nn.Parameter(
            torch.cat([_start(torch.empty(len(columns), 25), 25 * len(columns)).detach() for columns in _C3_READS])
        )
        self.bias = nn.Parameter(torch.zeros(16))

    def forward(self, maps: Tensor) -> Tensor:
        dense = self.kernels.new_zeros(16 * 6, 25).index_copy(0, self.pairs, self.kernels)
        return scaled_tanh(F.conv2d(maps, dense.view(16, 6, 5, 5), self.bias))


@register_model(
    "lenet5",
    source="LeCun et al. 1998, Gradient-based learning applied to document recognition",
    channels_in=1,
    size_px=(28, 28),
)
@final
class LeNet5(Backbone):
    """LeNet-5 up to F6: `(B, in_channels, H, W)` float to `(B, 84)`; sides of at least 16 px.

    As in the paper: scaled tanh after every layer, trained subsampling, table I for C3, 60,000 trained parameters at
    one channel. The maps come from unpadded 5 x 5 convolutions: 28, 10 and 5 places at strides 1, 2 and 4 for 32 px.

    Source: LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition", sec. II.B.
    Differs:
      - Images of 28 px are padded to 32 px with zeros, the mean grey after normalisation (paper: with background).
      - Other sizes: the fully connected layer C5 is as wide as what S4 leaves (paper: 32 px only, 5 x 5 places).
      - More than one input channel: C1 reads them all.
      - Weights start uniform with standard deviation 1 / sqrt(fan-in), biases at 0 (LeCun et al. 1998, "Efficient
        BackProp", section 4.6; paper: uniform within 2.4 / fan-in). Coefficients of S2 and S4 multiply the average
        and start at 1 (paper: multiply the sum).
      - The class layer belongs to the head: linear logits (paper: Euclidean distances to fixed 7 x 12 bitmaps).

    Raises: ShapeError for images below 16 px or of another size than it was built for; ConfigError for `pool`.
    """

    def __init__(
        self, *, in_channels: int = 1, size_px: tuple[int, int] = (28, 28), pool: PoolName | None = None
    ) -> None:
        """Build for images of `size_px` (height, width) with `in_channels` channels."""
        super().__init__()
        self.name = "lenet5"
        self.config = None
        if pool is not None:
            raise no_global_pool(self.name, pool)
        check_size(self.name, size_px, _SMALLEST_PX)
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.num_features = 84
        self.channels = (6, 16, 16)
        self.strides = (1, 2, 4)
        self.padding = (2 if size_px[0] == 28 else 0, 2 if size_px[1] == 28 else 0)
        height, width = (
            ((side + 2 * padding - 4) // 2 - 4) // 2 for side, padding in zip(size_px, self.padding, strict=True)
        )
        self.c1 = _start(torch.empty(6, in_channels, 5, 5), 25 * in_channels)
        self.c1_bias = nn.Parameter(torch.zeros(6))
        self.s2 = _Subsampling(6)
        self.c3 = _PartialConv()
        self.s4 = _Subsampling(16)
        self.c5 = nn.Linear(16 * height * width, 120)
        self.f6 = nn.Linear(120, 84)
        with torch.no_grad():
            for layer in (self.c5, self.f6):
                layer.weight.copy_(_start(torch.empty_like(layer.weight), layer.in_features))
                layer.bias.zero_()

    def features(self, images: Tensor) -> list[Tensor]:
        """C1, C3 and S4: 6, 16 and 16 maps at strides 1, 2 and 4."""
        check_images(images, self, _SMALLEST_PX)
        c1 = scaled_tanh(
            F.conv2d(images, self.c1, self.c1_bias, padding=self.padding)
        )  # (B, 6, 28, 28) for 28 or 32 px
        c3 = self.c3(self.s2(c1))  # (B, 16, 10, 10)
        return [c1, c3, self.s4(c3)]  # (B, 16, 5, 5)

    def forward(self, images: Tensor) -> Tensor:
        """F6: (B, 84)."""
        maps = self.features(images)[-1]
        check_same_size(images, self)
        flat = maps.flatten(1)  # (B, 400) for 28 or 32 px
        return scaled_tanh(self.f6(scaled_tanh(self.c5(flat))))

    def groups(self) -> list[list[nn.Parameter]]:
        """C1 and S2, C3 and S4, C5, F6."""
        return [
            [self.c1, self.c1_bias, *self.s2.parameters()],
            [*self.c3.parameters(), *self.s4.parameters()],
            list(self.c5.parameters()),
            list(self.f6.parameters()),
        ]

"""The network of DQN: an observation to the value of each action."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import torch.nn.functional as F
from torch import Tensor, nn

from longspan.errors import ConfigError, ShapeError

__all__ = ["QNetwork", "QNetworkConfig"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class QNetworkConfig:
    """Options of `QNetwork`."""

    convolutions: tuple[tuple[int, int, int], ...] = ((16, 3, 1),)
    """Channels, kernel and stride of each; none for observations that are vectors."""
    hidden: tuple[int, ...] = (128,)
    """Widths of the fully connected layers."""
    dueling: bool = False
    """Value of the state and advantages of actions apart (Wang et al. 2016), each with hidden layers of its own."""

    def __post_init__(self) -> None:
        """Check every value."""
        rows = tuple(tuple(int(value) for value in row) for row in self.convolutions)
        object.__setattr__(self, "convolutions", rows)
        object.__setattr__(self, "hidden", tuple(int(width) for width in self.hidden))
        if any(len(row) != 3 or min(row) < 1 for row in rows):
            raise ConfigError(
                f"QNetworkConfig.convolutions must be (channels, kernel, stride) each, at least 1, got {rows}."
            )
        if min(self.hidden, default=1) < 1:
            raise ConfigError(f"QNetworkConfig.hidden must be widths of at least 1, got {self.hidden}.")

    @classmethod
    def of_shape(cls, shape: Sequence[int], *, dueling: bool = False) -> QNetworkConfig:
        """The published network for observations of this shape.

        Images from 36 px on: Mnih et al. 2015. Smaller grids: Young and Tian 2019. Vectors: two layers of 128.
        """
        if len(shape) == 1:
            return cls(convolutions=(), hidden=(128, 128), dueling=dueling)
        if min(shape[:2]) >= 36:
            return cls(convolutions=((32, 8, 4), (64, 4, 2), (64, 3, 1)), hidden=(512,), dueling=dueling)
        return cls(dueling=dueling)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> QNetworkConfig:
        """What `to_json` gave."""
        return cls(**values)


@final
class QNetwork(nn.Module):
    """Values of actions: `(B, H, W, C)` uint8 or float, or `(B, F)` float, to `(B, num_actions)` float.

    uint8 is divided by `largest` (255 for images; 1 for grids of zeros and ones).

    Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning", methods; for 10 x 10 grids
    Young and Tian 2019, "MinAtar", section 3; dueling: Wang et al. 2016, equation 9. Differs: channels lie last in
    memory, so that frames go from a replay buffer to the network without being turned; the first convolution is
    computed as a matrix product of its patches, which no gradient has to pass; PyTorch's initial weights.

    Raises: ShapeError for images that the convolutions do not fit into, and for other shapes than it was built for.
    """

    def __init__(
        self, config: QNetworkConfig, *, shape: Sequence[int], num_actions: int, largest: float = 255.0
    ) -> None:
        """Build for observations of `shape`: (H, W, C), or (F,)."""
        super().__init__()
        self.config = config
        self.shape = tuple(int(side) for side in shape)
        self.num_actions = num_actions
        self.largest = largest
        if len(self.shape) not in (1, 3) or (len(self.shape) == 1 and config.convolutions):
            raise ShapeError(
                f"QNetwork reads images (H, W, C), or vectors (F,) without convolutions; observations have the shape "
                f"{self.shape}."
            )
        self.convolutions = nn.ModuleList()
        size: tuple[int, ...] = self.shape[:2]
        channels = self.shape[-1]
        for width, kernel, stride in config.convolutions:
            self.convolutions.append(nn.Conv2d(channels, width, kernel, stride))
            size, channels = tuple((side - kernel) // stride + 1 for side in size), width
            if min(size) < 1:
                raise ShapeError(
                    f"Observations of {' x '.join(map(str, self.shape[:2]))} pixels are too small for the convolutions "
                    f"{config.convolutions}: choose fewer, or smaller kernels."
                )
        features = channels * math.prod(size) if len(self.shape) == 3 else self.shape[0]
        self.advantages = _layers(features, config.hidden, num_actions)
        self.value = _layers(features, config.hidden, 1) if config.dueling else None

    def scaled(self, observations: Tensor) -> Tensor:
        """Observations as the layers read them: float, uint8 divided by `largest`."""
        if observations.is_floating_point():
            return observations
        seen = observations.float()
        return seen if self.largest == 1 else seen.div_(self.largest)

    def forward(self, observations: Tensor) -> Tensor:
        """Values `(B, num_actions)`."""
        if tuple(observations.shape[1:]) != self.shape:
            raise ShapeError(
                f"This network was built for observations of shape {self.shape}, got {tuple(observations.shape[1:])}."
            )
        x = self.scaled(observations)
        for place, layer in enumerate(self.convolutions):
            x = F.relu(_convolved(x, layer) if place == 0 else layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        x = x.reshape(len(x), -1)
        advantages = self.advantages(x)  # (B, A)
        if self.value is None:
            return advantages
        return self.value(x) + advantages - advantages.mean(dim=1, keepdim=True)


def _layers(features: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(features, width), nn.ReLU(inplace=True)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, outputs))


def _convolved(x: Tensor, layer: nn.Module) -> Tensor:
    """`layer` on images with channels last, `(B, H, W, C)` to `(B, h, w, width)`."""
    assert isinstance(layer, nn.Conv2d)
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    x = x.contiguous()
    batch, height, width, channels = x.shape
    high, wide = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    row = width * channels
    patches = x.as_strided(
        (batch, high, wide, kernel, kernel * channels), (height * row, stride * row, stride * channels, row, 1)
    ).reshape(-1, kernel * kernel * channels)
    weight = layer.weight.permute(0, 2, 3, 1).reshape(layer.out_channels, -1)
    return F.linear(patches, weight, layer.bias).view(batch, high, wide, -1)

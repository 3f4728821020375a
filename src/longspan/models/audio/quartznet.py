"""Separable convolutions along a sequence of features: an encoder for speech without recurrent layers."""

# B rows, T frames, S steps, C channels

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch.nn.functional as F
from torch import Tensor, nn

from longspan.columns.ragged import Ragged
from longspan.models.backbone import Backbone
from longspan.models.entries import ModelConfig, register_model
from longspan.models.options import check_options
from longspan.nn import PoolName
from longspan.nn.steps import StepConv, check_sequence, pool_steps, shrunk, step_mask

__all__ = ["QuartzNet", "QuartzNetConfig"]

_FIRST_KERNEL = 5
_LAYERS = 2  # of a block


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class QuartzNetConfig(ModelConfig):
    """Options of `QuartzNet`.

    Raises: ConfigError for a value that cannot be.
    """

    family: ClassVar[str] = "quartznet"
    reads: ClassVar[str] = "sequence"

    width: int = 128
    """Channels."""
    kernels: tuple[int, ...] = (11, 13, 15, 17)
    """Length of the convolutions of each block, in steps; odd."""
    stride: int = 2
    """Frames from one step to the next: 1, 2 or 4."""
    streaming: bool = False
    """Whether steps see no further than `QuartzNet.lookahead` frames ahead: those of the first convolutions."""
    dropout: float = 0.1
    """Probability that a feature of a step is dropped, behind each block."""

    def __post_init__(self) -> None:
        """Check every value."""
        object.__setattr__(self, "kernels", tuple(self.kernels))
        check_options(
            self,
            least={"width": 1, "kernels": 1},
            odd=["kernels"],
            fractions=["dropout"],
            one_of={"stride": (1, 2, 4)},
        )

    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> QuartzNet:
        """The network."""
        return QuartzNet(self, in_channels=in_channels, size_px=size_px, pool=pool)


@register_model(
    "quartznet",
    source="Kriman et al. 2019, QuartzNet, narrower and with fewer blocks",
    config=QuartzNetConfig,
    channels_in=64,
    size_px=(1, 1),
    reads="sequence",
)
@final
class QuartzNet(Backbone):
    """Blocks of separable convolutions: a `Ragged` of `(B, T, in_channels)` to one of `(B, S, width)`.

    S is T / stride, rounded up, for each row. A row does not depend on the padding of others. With `pool` the steps
    become one vector: their mean, and maximum for "avg_max".

    Source: Kriman et al. 2019, "QuartzNet: deep automatic speech recognition with 1D time-channel separable
    convolutions", section 2. Differs: one or two plain convolutions with the stride come first; two layers in a block;
    layer normalisation in place of batch normalisation, so that rows of several lengths do not mix; `streaming`.

    Raises: ShapeError for anything but sequences of `in_channels` features.
    """

    def __init__(
        self,
        config: QuartzNetConfig | None = None,
        *,
        in_channels: int = 64,
        size_px: tuple[int, int] = (1, 1),
        pool: PoolName | None = None,
    ) -> None:
        """Build for sequences of `in_channels` features."""
        super().__init__()
        config = config or QuartzNetConfig()
        self.name = "quartznet"
        self.config = config
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.sequence = pool is None
        self.channels = ()
        self.strides = ()
        self.shrinks = {1: (1,), 2: (2,), 4: (2, 2)}[config.stride]
        widths = (in_channels, *[config.width] * len(self.shrinks))
        self.first = nn.ModuleList(
            StepConv(reads, config.width, _FIRST_KERNEL, stride=stride)
            for reads, stride in zip(widths, self.shrinks, strict=False)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in self.first)
        self.blocks = nn.ModuleList(_Block(config, kernel) for kernel in config.kernels)
        self.num_features = config.width * (2 if pool == "avg_max" else 1)

    @property
    def lookahead(self) -> int | None:
        """Frames behind its own that a step depends on."""
        assert isinstance(self.config, QuartzNetConfig)
        ahead, frames = 0, 1
        for stride in self.shrinks:
            ahead, frames = ahead + (_FIRST_KERNEL // 2) * frames, frames * stride
        if not self.config.streaming:
            ahead += sum(_LAYERS * (kernel // 2) for kernel in self.config.kernels) * frames
        return ahead

    def step_counts(self, lengths: Tensor) -> Tensor:
        """T / stride, rounded up."""
        return shrunk(lengths, self.shrinks)

    def features(self, images: Tensor) -> list[Tensor]:
        """None: sequences have no maps."""
        del images
        return []

    def forward(self, sequence: Ragged) -> Ragged | Tensor:  # type: ignore[override]
        """The steps of each row, or one vector for each with `pool`."""
        steps, lengths = check_sequence(self.name, sequence, self.in_channels)
        for conv, norm in zip(self.first, self.norms, strict=True):
            steps, lengths = conv(steps, lengths)
            steps = F.relu(norm(steps))
        for block in self.blocks:
            steps = block(steps, lengths)
        if self.pool is not None:
            return pool_steps(steps, lengths, self.pool)
        return Ragged(steps * step_mask(steps, lengths), lengths)

    def groups(self) -> list[list[nn.Parameter]]:
        """The first convolutions, and each block."""
        first = [each for layer in (*self.first, *self.norms) for each in layer.parameters()]
        return [first, *(list(block.parameters()) for block in self.blocks)]


@final
class _Block(nn.Module):
    """Two separable convolutions beside a connection that skips them."""

    def __init__(self, config: QuartzNetConfig, kernel: int) -> None:
        super().__init__()
        width, ahead = config.width, 0 if config.streaming else None
        self.depthwise = nn.ModuleList(
            StepConv(width, width, kernel, groups=width, ahead=ahead) for _ in range(_LAYERS)
        )
        self.pointwise = nn.ModuleList(nn.Linear(width, width) for _ in range(_LAYERS))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(_LAYERS))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        found = steps
        for number, (depthwise, pointwise, norm) in enumerate(
            zip(self.depthwise, self.pointwise, self.norms, strict=True), start=1
        ):
            found = norm(pointwise(depthwise(found, lengths)[0]))
            if number < _LAYERS:
                found = F.relu(found)
        return self.dropout(F.relu(steps + found))

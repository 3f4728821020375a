"""Convolutions and recurrent layers over a sequence of features: an encoder for speech."""

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
from longspan.nn.recurrent import run_recurrent
from longspan.nn.steps import check_sequence, pool_steps, shrunk, step_mask

__all__ = ["ConvGRU", "ConvGRUConfig"]

_KERNEL = 5


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ConvGRUConfig(ModelConfig):
    """Options of `ConvGRU`.

    Raises: ConfigError for a value that cannot be.
    """

    family: ClassVar[str] = "conv_gru"
    reads: ClassVar[str] = "sequence"

    width: int = 128
    """Channels of the convolutions, and units of each direction of a recurrent layer."""
    layers: int = 2
    """Recurrent layers."""
    stride: int = 2
    """Frames from one step to the next: 1, 2 or 4."""
    bidirectional: bool = True
    """Whether a step sees all later ones. If not, it sees `ConvGRU.lookahead` frames ahead, as a stream needs it."""
    dropout: float = 0.1
    """Probability that a feature of a step is dropped, behind each layer."""

    def __post_init__(self) -> None:
        """Check every value."""
        check_options(self, least={"width": 1, "layers": 1}, fractions=["dropout"], one_of={"stride": (1, 2, 4)})

    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> ConvGRU:
        """The network."""
        return ConvGRU(self, in_channels=in_channels, size_px=size_px, pool=pool)


@register_model(
    "conv_gru",
    source="Amodei et al. 2015, Deep Speech 2, with fewer and narrower layers",
    config=ConvGRUConfig,
    channels_in=64,
    size_px=(1, 1),
    reads="sequence",
)
@final
class ConvGRU(Backbone):
    """Two convolutions along time, then recurrent layers: a `Ragged` of `(B, T, in_channels)` to one of `(B, S, ...)`.

    S is T / stride, rounded up, for each row; a step has `2 width` features, or `width` in one direction. A row does
    not depend on the padding of others. With `pool` the steps become one vector: their mean, and maximum for "avg_max".

    Source: Amodei et al. 2015, "Deep Speech 2", section 3. Differs: two narrow convolutions along time alone, layer
    normalisation in place of batch normalisation, so that rows of several lengths do not mix; `pool`.

    Raises: ShapeError for anything but sequences of `in_channels` features.
    """

    def __init__(
        self,
        config: ConvGRUConfig | None = None,
        *,
        in_channels: int = 64,
        size_px: tuple[int, int] = (1, 1),
        pool: PoolName | None = None,
    ) -> None:
        """Build for sequences of `in_channels` features."""
        super().__init__()
        config = config or ConvGRUConfig()
        self.name = "conv_gru"
        self.config = config
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.sequence = pool is None
        self.channels = ()
        self.strides = ()
        self.shrinks = {1: (1, 1), 2: (2, 1), 4: (2, 2)}[config.stride]
        self.convs = nn.ModuleList(
            nn.Conv1d(reads, config.width, _KERNEL, stride=stride, padding=_KERNEL // 2)
            for reads, stride in zip((in_channels, config.width), self.shrinks, strict=True)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in self.convs)
        step = config.width * (1 + config.bidirectional)
        self.recurrent = nn.ModuleList(
            nn.GRU(step if number else config.width, config.width, batch_first=True, bidirectional=config.bidirectional)
            for number in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.num_features = step * (2 if pool == "avg_max" else 1)

    @property
    def lookahead(self) -> int | None:
        """Frames behind its own that a step depends on; None where it depends on all."""
        assert isinstance(self.config, ConvGRUConfig)
        return None if self.config.bidirectional else (_KERNEL // 2) * (1 + self.shrinks[0])

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
        for conv, norm, stride in zip(self.convs, self.norms, self.shrinks, strict=True):
            lengths = shrunk(lengths, (stride,))
            steps = F.relu(norm(conv(steps.transpose(1, 2)).transpose(1, 2)))
            steps = self.dropout(steps * step_mask(steps, lengths))  # what stands after the end must not come back in
        for layer in self.recurrent:
            assert isinstance(layer, nn.RNNBase)
            states = run_recurrent(layer, steps, lengths.clamp_min(1))
            steps = self.dropout(states * step_mask(states, lengths))
        if self.pool is None:
            return Ragged(steps, lengths)
        return pool_steps(steps, lengths, self.pool)

    def groups(self) -> list[list[nn.Parameter]]:
        """Each convolution, and each recurrent layer."""
        convolutions = [
            [*conv.parameters(), *norm.parameters()] for conv, norm in zip(self.convs, self.norms, strict=True)
        ]
        return [*convolutions, *(list(layer.parameters()) for layer in self.recurrent)]

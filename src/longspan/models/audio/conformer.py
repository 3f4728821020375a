"""Attention and convolutions over a sequence of features: a small Conformer for speech."""

# B rows, T frames, S steps, C channels, H heads

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longspan.columns.ragged import Ragged
from longspan.errors import ConfigError
from longspan.models.backbone import Backbone
from longspan.models.entries import ModelConfig, register_model
from longspan.models.options import check_options
from longspan.nn import PoolName
from longspan.nn.steps import StepConv, check_sequence, pool_steps, shrunk, step_mask

__all__ = ["Conformer", "ConformerConfig"]

_FIRST_KERNEL = 3
_EXPANSION = 4
_FURTHEST = 64  # steps; further ones share a bias


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ConformerConfig(ModelConfig):
    """Options of `Conformer`.

    Raises: ConfigError for a value that cannot be.
    """

    family: ClassVar[str] = "conformer"
    reads: ClassVar[str] = "sequence"

    width: int = 144
    """Channels; a multiple of `heads`."""
    layers: int = 4
    """Blocks."""
    heads: int = 4
    """Of the attention."""
    kernel: int = 15
    """Length of the convolutions of the blocks, in steps; odd."""
    stride: int = 4
    """Frames from one step to the next: 2 or 4."""
    history: int | None = None
    """For streams: a step attends to so many steps before it and to none behind it, and convolutions of blocks look
    back alone, so that it sees `Conformer.lookahead` frames ahead. None: every step sees all."""
    dropout: float = 0.1
    """Probability that a feature is dropped, behind each part of a block."""

    def __post_init__(self) -> None:
        """Check every value."""
        check_options(
            self,
            least={"width": 1, "layers": 1, "heads": 1, "kernel": 1, "history": 1},
            odd=["kernel"],
            fractions=["dropout"],
            one_of={"stride": (2, 4)},
        )
        if self.width % self.heads:
            raise ConfigError(f"ConformerConfig.width, {self.width}, must be a multiple of heads, {self.heads}.")

    def build(self, *, in_channels: int, size_px: tuple[int, int], pool: PoolName | None) -> Conformer:
        """The network."""
        return Conformer(self, in_channels=in_channels, size_px=size_px, pool=pool)


@register_model(
    "conformer",
    source="Gulati et al. 2020, Conformer (S), with 4 blocks instead of 16",
    config=ConformerConfig,
    channels_in=80,
    size_px=(1, 1),
    reads="sequence",
)
@final
class Conformer(Backbone):
    """Blocks of attention and convolution: a `Ragged` of `(B, T, in_channels)` to one of `(B, S, width)`.

    S is T / stride, rounded up, for each row. A row does not depend on the padding of others. With `pool` the steps
    become one vector: their mean, and maximum for "avg_max".

    Source: Gulati et al. 2020, "Conformer: convolution-augmented Transformer for speech recognition", section 2.
    Differs: two convolutions along time alone in place of the two-dimensional subsampling; a learned bias for each
    distance and head (Raffel et al. 2020, T5, without buckets) in place of the positions of Transformer-XL; layer
    normalisation in place of batch normalisation inside the convolution module; `history`.

    Raises: ShapeError for anything but sequences of `in_channels` features.
    """

    def __init__(
        self,
        config: ConformerConfig | None = None,
        *,
        in_channels: int = 64,
        size_px: tuple[int, int] = (1, 1),
        pool: PoolName | None = None,
    ) -> None:
        """Build for sequences of `in_channels` features."""
        super().__init__()
        config = config or ConformerConfig()
        self.name = "conformer"
        self.config = config
        self.in_channels = in_channels
        self.size_px = size_px
        self.pool = pool
        self.sequence = pool is None
        self.channels = ()
        self.strides = ()
        self.shrinks = (2, 1) if config.stride == 2 else (2, 2)
        self.first = nn.ModuleList(
            StepConv(reads, config.width, _FIRST_KERNEL, stride=stride)
            for reads, stride in zip((in_channels, config.width), self.shrinks, strict=True)
        )
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.num_features = config.width * (2 if pool == "avg_max" else 1)

    @property
    def lookahead(self) -> int | None:
        """Frames behind its own that a step depends on; None where it depends on all."""
        assert isinstance(self.config, ConformerConfig)
        return None if self.config.history is None else (_FIRST_KERNEL // 2) * (1 + self.shrinks[0])

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
        for conv in self.first:
            steps, lengths = conv(steps, lengths)
            steps = F.relu(steps)
        visible = self._visible(steps, lengths)
        for block in self.blocks:
            steps = block(steps, lengths, visible)
        if self.pool is not None:
            return pool_steps(steps, lengths, self.pool)
        return Ragged(steps * step_mask(steps, lengths), lengths)

    def groups(self) -> list[list[nn.Parameter]]:
        """The first convolutions, and each block."""
        return [list(self.first.parameters()), *(list(block.parameters()) for block in self.blocks)]

    def _visible(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """`(B, 1, S, S)` bool: which steps a step attends to; itself always, or a row of padding would be NaN."""
        assert isinstance(self.config, ConformerConfig)
        places = torch.arange(steps.shape[1], device=steps.device)
        # Not len(places), and no torch.eye of it: the exporter would write the number down.
        visible = (places < lengths[:, None])[:, None, None, :].expand(-1, 1, steps.shape[1], -1)
        if self.config.history is not None:
            back = places[:, None] - places
            visible = visible & (back >= 0) & (back <= self.config.history)
        return visible | (places[:, None] == places)


@final
class _Block(nn.Module):
    """Half a feed-forward, attention, convolution, the other half: each added to what it reads."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.before = _feed_forward(config)
        self.attention = _Attention(config)
        self.convolution = _Convolution(config)
        self.behind = _feed_forward(config)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, steps: Tensor, lengths: Tensor, visible: Tensor) -> Tensor:
        steps = steps + 0.5 * self.before(steps)
        steps = steps + self.attention(steps, visible)
        steps = steps + self.convolution(steps, lengths)
        return self.norm(steps + 0.5 * self.behind(steps))


def _feed_forward(config: ConformerConfig) -> nn.Module:
    inner = _EXPANSION * config.width
    return nn.Sequential(
        nn.LayerNorm(config.width), nn.Linear(config.width, inner), nn.SiLU(), nn.Dropout(config.dropout),
        nn.Linear(inner, config.width), nn.Dropout(config.dropout),
    )  # fmt: skip


@final
class _Attention(nn.Module):
    """Attention with a learned bias for each distance between two steps, up to 64, and head."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.width)
        self.reads = nn.Linear(config.width, 3 * config.width)
        self.writes = nn.Linear(config.width, config.width)
        self.bias = nn.Parameter(torch.zeros(config.heads, 2 * _FURTHEST + 1))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, steps: Tensor, visible: Tensor) -> Tensor:
        rows, count, width = steps.shape
        query, key, value = self.reads(self.norm(steps)).view(rows, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        places = torch.arange(count, device=steps.device)
        distance = (places - places[:, None]).clamp(-_FURTHEST, _FURTHEST) + _FURTHEST
        bias = self.bias[:, distance].masked_fill(~visible, -torch.inf)  # (B, H, S, S)
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return self.dropout(self.writes(found.transpose(1, 2).reshape(rows, count, width)))


@final
class _Convolution(nn.Module):
    """A gate, a convolution of each channel along the steps, and a mixture of the channels."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        ahead = None if config.history is None else 0
        self.norm = nn.LayerNorm(config.width)
        self.gate = nn.Linear(config.width, 2 * config.width)
        self.depthwise = StepConv(config.width, config.width, config.kernel, groups=config.width, ahead=ahead)
        self.inner_norm = nn.LayerNorm(config.width)
        self.pointwise = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        found, _ = self.depthwise(F.glu(self.gate(self.norm(steps)), dim=-1), lengths)
        return self.dropout(self.pointwise(F.silu(self.inner_norm(found))))

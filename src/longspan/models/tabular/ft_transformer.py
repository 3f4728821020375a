"""FT-Transformer: a transformer whose tokens are the features of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longspan.columns.spec import FeaturesSpec
from longspan.errors import ConfigError
from longspan.models.backbone import Backbone
from longspan.models.entries import register_model
from longspan.models.tabular.tabular_config import TabularConfig, check_tabular, describe_tabular, in_order, no_maps
from longspan.nn.feature_input import mask_labels, split_features
from longspan.nn.number_embeddings import LinearEmbeddings

__all__ = ["FTTransformer", "FTTransformerConfig"]

_SOURCE = "Gorishniy et al. 2021, Revisiting deep learning models for tabular data (FT-Transformer)"


@final
@dataclass(frozen=True, kw_only=True)
class FTTransformerConfig(TabularConfig):
    """Options of the FT-Transformer."""

    family: ClassVar[str] = "ft_transformer"

    blocks: int = 3
    """Attention and feed-forward layers, one of each per block."""
    width: int = 96
    """Values of a token, a multiple of `heads`; the paper's default is 192."""
    heads: int = 8
    """Attention heads."""
    attention_dropout: float = 0.2
    """Of attention weights."""
    dropout: float = 0.1
    """Inside feed-forward layers."""
    mask: float = 0.02
    """Fraction of the labels that are replaced by the unknown one while training."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_tabular(self, {"blocks": 1, "width": 1, "heads": 1})
        if self.width % self.heads:
            raise ConfigError(f"FTTransformerConfig.width must be a multiple of heads={self.heads}, got {self.width}.")

    def build_for(self, spec: FeaturesSpec) -> FTTransformer:
        """The network for the features of a table."""
        return FTTransformer(self, spec)


@final
class _Block(nn.Module):
    """Attention and a feed-forward layer with ReGLU, each added to what it reads, normalised before."""

    def __init__(self, config: FTTransformerConfig, *, first: bool) -> None:
        super().__init__()
        width, hidden = config.width, int(config.width * 4 / 3)
        self.heads = config.heads
        self.attention_dropout = config.attention_dropout
        self.attention_norm = nn.Identity() if first else nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        for layer in (self.query, self.key, self.value, self.out):
            nn.init.zeros_(layer.bias)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.down = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor, *, only_first: bool) -> Tensor:
        """`(B, T, width)` to the same, or to the first token alone, `(B, 1, width)`."""
        normed = self.attention_norm(tokens)
        asking = normed[:, :1] if only_first else normed
        query, key, value = (
            self._heads(self.query(asking)),
            self._heads(self.key(normed)),
            self._heads(self.value(normed)),
        )
        dropout = self.attention_dropout if self.training else 0.0
        found = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        hidden = tokens[:, : asking.shape[1]] + self.out(found.transpose(1, 2).flatten(2))
        gates, values = self.up(self.norm(hidden)).chunk(2, dim=-1)
        return hidden + self.down(self.dropout(gates * values.relu()))

    def _heads(self, values: Tensor) -> Tensor:
        """`(B, T, width)` to `(B, heads, T, width / heads)`."""
        return values.unflatten(-1, (self.heads, -1)).transpose(1, 2)


@final
class FTTransformer(Backbone):
    """Features `(B, N + C)` to `(B, width)`: the first token, which stands for the row, behind all blocks.

    Differs from the paper: width 96; labels are masked at random while training.
    """

    def __init__(self, config: FTTransformerConfig, spec: FeaturesSpec) -> None:
        """Build for the features of a table."""
        super().__init__()
        width, bound = config.width, config.width**-0.5

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))

        self.row_token = drawn(width)
        self.numbers = LinearEmbeddings(spec.numbers, width) if spec.numbers else None
        self.categories = nn.ModuleList(nn.Embedding(classes, width) for classes in spec.categories)
        for embedding in self.categories:
            nn.init.uniform_(embedding.weight, -bound, bound)  # type: ignore[arg-type]
        self.category_bias = drawn(len(spec.categories), width) if spec.categories else None
        self.mask = config.mask
        self.blocks = nn.ModuleList(_Block(config, first=number == 0) for number in range(config.blocks))
        self.norm = nn.LayerNorm(width)
        describe_tabular(self, "ft_transformer", config, spec, width)

    def forward(self, features: Tensor) -> Tensor:
        """`(B, N + C)` float32 to `(B, width)`."""
        assert isinstance(self.spec, FeaturesSpec)
        numbers, classes = split_features(features, self.spec)
        if self.training:
            classes = mask_labels(classes, self.mask)
        tokens = [self.row_token.expand(features.shape[0], 1, -1)]
        if self.numbers is not None:
            tokens.append(self.numbers(numbers))
        if self.category_bias is not None:
            embedded = [embedding(classes[:, place]) for place, embedding in enumerate(self.categories)]
            tokens.append(torch.stack(embedded, dim=1) + self.category_bias)
        hidden = torch.cat(tokens, dim=1)
        for number, block in enumerate(self.blocks, 1):
            hidden = block(hidden, only_first=number == len(self.blocks))
        return self.norm(hidden[:, 0]).relu()

    def features(self, inputs: Tensor) -> list[Tensor]:
        """None."""
        return no_maps(inputs)

    def groups(self) -> list[list[nn.Parameter]]:
        """Tokens, blocks, last normalisation."""
        tokens = [self.row_token, *_parameters_of(self.numbers, self.categories)]
        tokens += [] if self.category_bias is None else [self.category_bias]
        return [tokens, *in_order(*self.blocks, self.norm)]


def _parameters_of(*modules: nn.Module | None) -> list[nn.Parameter]:
    """The parameters of modules, one after the other."""
    return [parameter for module in modules if module is not None for parameter in module.parameters()]


@register_model("ft_transformer", source=_SOURCE, config=FTTransformerConfig, reads="features")
def _ft_transformer(spec: FeaturesSpec) -> FTTransformer:
    return FTTransformer(FTTransformerConfig(), spec)

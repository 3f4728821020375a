"""A transformer encoder over tokens, trained from scratch."""

# B rows, T tokens, D width

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor, nn

from longspan.columns.ragged import Ragged
from longspan.columns.spec import TokensSpec
from longspan.errors import ConfigError
from longspan.models.backbone import Backbone
from longspan.models.entries import register_model
from longspan.models.options import check_options
from longspan.models.text.text_config import TEXT_POOLS, TextConfig, TextPool, check_tokens, describe_text, pooled
from longspan.nn.positions import sinusoids

__all__ = ["TextTransformer", "TextTransformerConfig"]

_SOURCE = "Vaswani et al. 2017, Attention is all you need"


@final
@dataclass(frozen=True, kw_only=True)
class TextTransformerConfig(TextConfig):
    """Options of `TextTransformer`."""

    family: ClassVar[str] = "text_transformer"

    width: int = 128
    """Values of a token (paper: 512)."""
    layers: int = 3
    """Layers (paper: 6)."""
    heads: int = 4
    """Attention heads; they divide the width."""
    inner: int = 256
    """Width between the two linear layers behind each attention."""
    dropout: float = 0.1
    """Probability that a value is dropped, in every residual branch and behind the embeddings."""
    pool: TextPool = "mean"
    """How the vectors of a text become one."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_options(
            self,
            least={"width": 1, "layers": 1, "heads": 1, "inner": 1},
            fractions=["dropout"],
            one_of={"pool": TEXT_POOLS},
        )
        if self.width % self.heads or self.width % 2:
            raise ConfigError(
                f"TextTransformerConfig.width must be even and a multiple of heads, got {self.width} and {self.heads}."
            )

    def build_for(self, spec: TokensSpec) -> TextTransformer:
        """The network for tokens of a vocabulary."""
        return TextTransformer(self, spec)


@final
class TextTransformer(Backbone):
    """Tokens `(B, T)` to `(B, width)`, or `(B, T, width)` for pool "none": embeddings, positions, attention layers.

    Source: Vaswani et al. 2017, section 3, the encoder. Differs: smaller; layer normalisation stands before each branch
    (Xiong et al. 2020), with one more after the last layer; no dropout of attention weights.
    """

    def __init__(self, config: TextTransformerConfig | None, spec: TokensSpec) -> None:
        """Build for tokens of a vocabulary."""
        super().__init__()
        config = config or TextTransformerConfig()
        self.options = config
        self.embedding = nn.Embedding(spec.vocab_size, config.width, padding_idx=spec.padding)
        nn.init.normal_(self.embedding.weight, std=config.width**-0.5)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.width, config.heads, config.inner, config.dropout, batch_first=True, norm_first=True
            )
            for _ in range(config.layers)
        )
        for layer in self.layers:
            layer.self_attn.dropout = 0.0  # type: ignore[union-attr]
        self.norm = nn.LayerNorm(config.width)
        describe_text(self, "text_transformer", config, spec, config.width, config.pool)

    def features(self, images: Tensor) -> list[Tensor]:
        """None: texts have no maps."""
        del images
        return []

    def forward(self, tokens: Ragged) -> Tensor | Ragged:  # type: ignore[override]
        """One vector for each row, or one for each token."""
        tokens = check_tokens(tokens, self)
        if not tokens.values.shape[1]:  # no row has a token
            return pooled(self.embedding(tokens.values), tokens, self.options.pool)
        steps = self.embedding(tokens.values) * math.sqrt(self.options.width)
        steps = self.dropout(steps + sinusoids(steps.shape[1], self.options.width, steps.device))
        hidden = ~tokens.mask
        hidden[:, 0] = False  # attention needs something to look at; the vector of an empty row is set to 0 below
        for layer in self.layers:
            steps = layer(steps, src_key_padding_mask=hidden)
        return pooled(self.norm(steps), tokens, self.options.pool)

    def groups(self) -> list[list[nn.Parameter]]:
        """The embeddings, each layer, and the last normalisation."""
        parts = (self.embedding, *self.layers, self.norm)
        return [list(part.parameters()) for part in parts]


@register_model("text_transformer", source=_SOURCE, config=TextTransformerConfig, reads="tokens")
def _text_transformer(*, spec: TokensSpec) -> TextTransformer:
    return TextTransformer(None, spec)

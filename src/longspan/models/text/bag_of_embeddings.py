"""The mean of word embeddings: fast, and hard to beat with few texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor, nn

from longspan.columns.ragged import Ragged
from longspan.columns.spec import TokensSpec
from longspan.models.backbone import Backbone
from longspan.models.entries import register_model
from longspan.models.options import check_options
from longspan.models.text.text_config import (
    TEXT_POOLS,
    TextConfig,
    TextPool,
    check_tokens,
    describe_text,
    drop_words,
    pooled,
)

__all__ = ["BagOfEmbeddings", "BagOfEmbeddingsConfig"]

_SOURCE = "Iyyer et al. 2015, Deep unordered composition rivals syntactic methods for text classification"


@final
@dataclass(frozen=True, kw_only=True)
class BagOfEmbeddingsConfig(TextConfig):
    """Options of `BagOfEmbeddings`."""

    family: ClassVar[str] = "bag_of_embeddings"

    width: int = 100
    """Values of an embedding."""
    word_dropout: float = 0.3
    """Fraction of the words of the vocabulary that are left out of each batch."""
    pool: TextPool = "mean"
    """How the embeddings of a text become one vector."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_options(self, least={"width": 1}, fractions=["word_dropout"], one_of={"pool": TEXT_POOLS})

    def build_for(self, spec: TokensSpec) -> BagOfEmbeddings:
        """The network for tokens of a vocabulary."""
        return BagOfEmbeddings(self, spec)


@final
class BagOfEmbeddings(Backbone):
    """Tokens `(B, T)` to `(B, width)`: the mean of their embeddings, whose order is lost.

    Source: Iyyer et al. 2015, section 3, the deep averaging network. Differs: the layers above the mean are the head's
    (`Classify(hidden=...)`); words are left out by the batch and not by the text.
    """

    def __init__(self, config: BagOfEmbeddingsConfig | None, spec: TokensSpec) -> None:
        """Build for tokens of a vocabulary."""
        super().__init__()
        config = config or BagOfEmbeddingsConfig()
        self.options = config
        self.embedding = nn.Embedding(spec.vocab_size, config.width, padding_idx=spec.padding)
        nn.init.normal_(self.embedding.weight, std=0.1)
        describe_text(self, "bag_of_embeddings", config, spec, config.width, config.pool)

    def features(self, images: Tensor) -> list[Tensor]:
        """None: texts have no maps."""
        del images
        return []

    def forward(self, tokens: Ragged) -> Tensor | Ragged:  # type: ignore[override]
        """The mean of each row, or all embeddings for pool "none"."""
        tokens = check_tokens(tokens, self)
        steps = drop_words(self.embedding, tokens.values, self.options.word_dropout, self.training)
        return pooled(steps, tokens, self.options.pool)

    def groups(self) -> list[list[nn.Parameter]]:
        """The embeddings."""
        return [list(self.embedding.parameters())]


@register_model("bag_of_embeddings", source=_SOURCE, config=BagOfEmbeddingsConfig, reads="tokens")
def _bag_of_embeddings(*, spec: TokensSpec) -> BagOfEmbeddings:
    return BagOfEmbeddings(None, spec)

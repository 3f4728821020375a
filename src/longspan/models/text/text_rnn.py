"""Recurrent layers over word embeddings, with the dropouts of AWD-LSTM."""

# B rows, T tokens, F features

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
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
from longspan.nn.recurrent import run_recurrent

__all__ = ["TextRNN", "TextRNNConfig"]

_SOURCE = "Merity, Keskar, Socher 2017, Regularizing and optimizing LSTM language models"
_CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


@final
@dataclass(frozen=True, kw_only=True)
class TextRNNConfig(TextConfig):
    """Options of `TextRNN`."""

    family: ClassVar[str] = "text_rnn"

    cell: Literal["lstm", "gru"] = "lstm"
    """Kind of recurrent layer."""
    width: int = 100
    """Values of an embedding."""
    hidden: int = 128
    """Units of a layer in each direction."""
    layers: int = 1
    """Recurrent layers."""
    bidirectional: bool = True
    """Whether each word also sees those behind it."""
    word_dropout: float = 0.1
    """Fraction of the words of the vocabulary that are left out of each batch."""
    input_dropout: float = 0.3
    """Probability that a feature is dropped at all words of a text, before each layer."""
    weight_dropout: float = 0.0
    """Probability that a weight between the hidden states of two words is dropped."""
    output_dropout: float = 0.3
    """The same as `input_dropout`, after the last layer."""
    pool: TextPool = "mean_max"
    """How the states of a text become one vector."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_options(
            self,
            least={"width": 1, "hidden": 1, "layers": 1},
            fractions=["word_dropout", "input_dropout", "weight_dropout", "output_dropout"],
            one_of={"cell": tuple(_CELLS), "pool": TEXT_POOLS},
        )

    def build_for(self, spec: TokensSpec) -> TextRNN:
        """The network for tokens of a vocabulary."""
        return TextRNN(self, spec)


@final
class TextRNN(Backbone):
    """Tokens `(B, T)` to `(B, 2 * 2 * hidden)`: recurrent layers, mean and maximum of their states over the text.

    Source: Merity et al. 2017, section 3: embedding dropout, dropout of one mask for all steps of a text, DropConnect
    of the weights between hidden states. Differs: one short layer in two directions for classes instead of three in
    one for a language model; no averaged SGD; the last state is not used (Howard and Ruder 2018 pool in this way too).
    """

    def __init__(self, config: TextRNNConfig | None, spec: TokensSpec) -> None:
        """Build for tokens of a vocabulary."""
        super().__init__()
        config = config or TextRNNConfig()
        self.options = config
        self.embedding = nn.Embedding(spec.vocab_size, config.width, padding_idx=spec.padding)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        step = config.hidden * (1 + config.bidirectional)
        self.recurrent = nn.ModuleList(
            _CELLS[config.cell](
                step if number else config.width, config.hidden, batch_first=True, bidirectional=config.bidirectional
            )
            for number in range(config.layers)
        )
        describe_text(self, f"text_{config.cell}", config, spec, step, config.pool)

    def features(self, images: Tensor) -> list[Tensor]:
        """None: texts have no maps."""
        del images
        return []

    def forward(self, tokens: Ragged) -> Tensor | Ragged:  # type: ignore[override]
        """One vector for each row, or the states at all tokens for pool "none"."""
        tokens, options = check_tokens(tokens, self), self.options
        steps = drop_words(self.embedding, tokens.values, options.word_dropout, self.training)
        lengths = tokens.lengths.clamp_min(1)
        if not tokens.values.shape[1]:  # no row has a token
            steps = steps.new_zeros(len(steps), 1, steps.shape[2])
        for layer in self.recurrent:
            steps = self._locked(steps, options.input_dropout)
            assert isinstance(layer, nn.RNNBase)
            steps = run_recurrent(layer, steps, lengths, self._dropped_weights(layer) if self._drops_weights else None)
        steps = self._locked(steps, options.output_dropout)
        return pooled(steps[:, : tokens.values.shape[1]], tokens, options.pool)

    def groups(self) -> list[list[nn.Parameter]]:
        """The embeddings, and each recurrent layer."""
        return [list(self.embedding.parameters()), *(list(layer.parameters()) for layer in self.recurrent)]

    @property
    def _drops_weights(self) -> bool:
        return self.training and self.options.weight_dropout > 0

    def _locked(self, steps: Tensor, fraction: float) -> Tensor:
        """The same features of all steps of a row dropped."""
        if not self.training or not fraction:
            return steps
        kept = torch.rand(len(steps), 1, steps.shape[2], device=steps.device) >= fraction
        return steps * kept / (1 - fraction)

    def _dropped_weights(self, layer: nn.Module) -> dict[str, Tensor]:
        return {
            name: nn.functional.dropout(weight, self.options.weight_dropout) if name.startswith("weight_hh") else weight
            for name, weight in layer.named_parameters()
        }


@register_model("text_lstm", source=_SOURCE, config=TextRNNConfig, reads="tokens")
def _text_lstm(*, spec: TokensSpec) -> TextRNN:
    return TextRNN(None, spec)


@register_model("text_gru", source=_SOURCE, config=TextRNNConfig, reads="tokens")
def _text_gru(*, spec: TokensSpec) -> TextRNN:
    return TextRNN(TextRNNConfig(cell="gru"), spec)

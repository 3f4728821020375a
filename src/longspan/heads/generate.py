"""Head for texts that are written token by token: translations, captions, transcripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import nn
from torch.nn import functional as F

from longspan.columns import Text
from longspan.columns.base import Column
from longspan.errors import ConfigError, ShapeError
from longspan.heads.base import FeatureKind, Head, Metric, TargetPrediction
from longspan.heads.text_writer import GenerateOutputs, TextWriter
from longspan.metrics.translation import bleu, chrf
from longspan.models import FeatureShapes
from longspan.nn.recurrent_decoder import AttentionGRU, ShownLSTM
from longspan.nn.text_decoder import TextDecoder
from longspan.nn.text_search import TextSearch
from longspan.nn.transformer_decoder import TransformerDecoder
from longspan.portable.written_text import WrittenText, decode_texts
from longspan.text.tokenizer import BEGIN, END, PADDING, UNKNOWN
from longspan.valid_values import check_probability
from longspan.vision import AugmentParams

__all__ = ["Generate"]

_DECODERS = ("transformer", "gru", "lstm")
_FIRST_CHARACTER = 4  # of targets without a tokenizer, behind padding, unknown, begin and end

# B rows, N texts of a row, L tokens, T tokens of the longest target


@final
@dataclass(frozen=True, kw_only=True)
class Generate(Head):
    """A text, token by token: each token is predicted from the input and the tokens before it.

    Any backbone is the encoder: the decoder attends to its sequence; a vector is a sequence of one step. While it
    learns it sees the target (teacher forcing); used, it searches: the likeliest token at each step, beam search, or
    draws. Targets are `Text` as encoded, `(B, T)` int64: sub-words, words or characters.

    The features of images are normalised first (layer normalisation): as they come out of a pooling they are small,
    and all alike. The loss of a row is the mean over its tokens and the end, so that long texts weigh no more than
    short ones.
    Metrics are those of the texts that the search finds, not of a decoder that sees the target; but for perplexity.
    Predictions `(B, 1 + N, 1 + L, 2)` hold log-probability and number of tokens of the target, then of N texts each
    token and its log-probability, -1 and 0 after the end.

    Source: Sutskever, Vinyals, Le 2014, "Sequence to sequence learning with neural networks"; see the decoders. Label
    smoothing as in Vaswani et al. 2017, section 5.4. Differs: the loss is per token (papers: per batch of tokens).
    """

    kind: ClassVar[str] = "generate"
    column_kinds: ClassVar[tuple[str, ...]] = ("text",)
    reads: ClassVar[FeatureKind] = "any"
    sees_targets: ClassVar[bool] = True
    averages: ClassVar[bool] = False
    extra: ClassVar[str | None] = "text"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("bleu", "higher"),
        Metric("chrf", "higher"),
        Metric("exact_match", "higher"),
        Metric("perplexity", "lower"),
    )

    decoder: Literal["transformer", "gru", "lstm"] = "transformer"
    """"transformer"; "gru", with attention (Bahdanau et al. 2015); or "lstm", which sees the input once (NIC)."""
    width: int = 256
    """Of embeddings and decoder."""
    depth: int = 3
    """Layers of a transformer."""
    heads: int = 4
    """Attention heads of a transformer; they divide the width."""
    inner: int = 512
    """Of a transformer: width between the two linear layers behind each attention."""
    dropout: float = 0.1
    """Dropout probability."""
    label_smoothing: float = 0.1
    """Probability that the loss spreads evenly over all tokens."""
    visual_attention: bool = False
    """Attend to the places of the coarsest feature map of an image (Xu et al. 2015, "Show, attend and tell") instead of
    reading one vector."""
    beam: int = 1
    """Beginnings of a text that the search keeps; 1 takes the likeliest token at each step."""
    n_best: int = 1
    """Texts of a prediction; at most `beam`. More than one stand among its `probabilities`."""
    length_penalty: float = 0.6
    """Higher values prefer longer texts (Wu et al. 2016); 0 is plain log-probability."""
    max_length: int | None = None
    """Most tokens of a text; None: as many as targets may have."""
    top_p: float | None = None
    """Draw each token among the likeliest that have this probability together (Holtzman et al. 2020)."""
    temperature: float = 1.0
    """Of the draws: below 1 likely tokens become likelier."""
    seed: int = 0
    """Random seed of the draw."""
    allowed: tuple[str, ...] = ()
    """Texts whose tokens are the only ones that may be written, such as ("un", "deux"); empty: all tokens."""
    column: Column | None = None
    """The fitted text; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.decoder not in _DECODERS:
            raise ConfigError(f"Generate.decoder must be one of {', '.join(_DECODERS)}, got {self.decoder!r}.")
        for name in ("width", "depth", "heads", "inner", "beam", "n_best"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"Generate.{name} must be a whole number of at least 1, got {value!r}.")
        if self.decoder == "transformer" and (self.width % self.heads or self.width % 2):
            raise ConfigError(
                f"Generate.width must be even and a multiple of heads, got {self.width} and {self.heads}."
            )
        for name in ("dropout", "label_smoothing"):
            check_probability(f"Generate.{name}", getattr(self, name))
        if self.n_best > self.beam:
            raise ConfigError(f"Generate.n_best must be at most beam, got {self.n_best} and {self.beam}.")
        if not 0 <= self.length_penalty < math.inf:
            raise ConfigError(f"Generate.length_penalty must be at least 0, got {self.length_penalty!r}.")
        if self.max_length is not None and (not isinstance(self.max_length, int) or self.max_length < 1):
            raise ConfigError(f"Generate.max_length must be a whole number of at least 1, got {self.max_length!r}.")
        if self.top_p is not None and (not 0 < self.top_p <= 1 or self.n_best > 1):
            raise ConfigError(f"Generate.top_p must be above 0 and at most 1, with n_best=1; got {self.top_p!r}.")
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"Generate.temperature must be above 0, got {self.temperature!r}.")
        object.__setattr__(self, "reads", "places" if self.visual_attention else "any")

    @classmethod
    def is_default_for(cls, column: Column) -> bool:
        """Texts with a tokenizer; those without are spelt, which is what `Transcribe` does."""
        return isinstance(column, Text) and column.tokenizer is not None

    @property
    def num_outputs(self) -> int:
        """Different tokens, with padding, unknown, begin and end."""
        tokenizer = self._text.tokenizer
        return _FIRST_CHARACTER + len(self._text.vocab) if tokenizer is None else tokenizer.size

    @property
    def _text(self) -> Text:
        assert isinstance(self.column, Text)
        return self.column

    @property
    def search(self) -> TextSearch:
        """How texts are searched for."""
        tokenizer, most = self._text.tokenizer, self._text.max_length
        assert most is not None
        begin, end = (BEGIN, END) if tokenizer is None else (tokenizer.begin, tokenizer.end)
        marks = (PADDING, UNKNOWN, BEGIN) if tokenizer is None else (*tokenizer.marks, tokenizer.unknown)
        return TextSearch(
            begin=begin,
            end=end,
            max_length=most if self.max_length is None else min(self.max_length, most),
            beam=self.beam,
            n_best=self.n_best,
            length_penalty=self.length_penalty,
            top_p=self.top_p,
            temperature=self.temperature,
            seed=self.seed,
            never=tuple(sorted({each for each in (*marks, *self._forbidden()) if each != end})),
        )

    def _forbidden(self) -> set[int]:
        """Tokens that no allowed text has."""
        if not self.allowed:
            return set()
        first = 0 if self._text.tokenizer is not None else _FIRST_CHARACTER
        known = {int(token) + first for text in self.allowed for token in self._text.encode(text) if token >= 0}
        return set(range(self.num_outputs)) - known

    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """A linear layer from the features to the decoder's width, embeddings, and the decoder."""
        return TextWriter(
            shapes.num_features,
            self.num_outputs,
            self.width,
            self._decoder(),
            self.search,
            dropout=self.dropout,
            smoothing=self.label_smoothing,
            first_token=0 if self._text.tokenizer is not None else _FIRST_CHARACTER,
            normalise=bool(shapes.channels),
        )

    def target_lengths(self, targets: torch.Tensor) -> torch.Tensor:
        """Tokens of each."""
        return (targets >= 0).sum(dim=1)

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than `GenerateOutputs`, or texts of another number of rows."""
        if not isinstance(outputs, GenerateOutputs):
            return (
                "but its head needs longspan.heads.text_writer.GenerateOutputs. Choose a backbone by name, such as "
                "text_transformer, or one of yours with num_features, and longspan adds the decoder."
            )
        if len(outputs.tokens) not in (0, rows) or len(outputs.losses) not in (0, rows):
            return f"but its head needs texts for {rows} rows; its texts are {tuple(outputs.tokens.shape)}."
        return None

    def loss(self, outputs: GenerateOutputs, targets: torch.Tensor) -> torch.Tensor:
        """The loss of each row for each of its tokens, nats; computed in the forward pass.

        Raises:
            ShapeError: the network did not see the targets, or other ones.
        """
        if len(outputs.losses) != len(targets):
            raise ShapeError(
                f"The decoder computed {len(outputs.losses)} losses for {len(targets)} rows: it computes them in the "
                "forward pass, so pass the targets there, network(*inputs, targets=targets)."
            )
        return outputs.losses

    def postprocess(self, outputs: GenerateOutputs) -> torch.Tensor:
        """See the class: `(B, 1 + N, 1 + L, 2)` float32."""
        tokens = F.pad(outputs.tokens.to(torch.float32), (0, 1), value=-1.0)
        texts = torch.stack([tokens, outputs.log_probs.to(torch.float32)], dim=3)
        target = texts.new_zeros(len(texts), 1, texts.shape[2], 2)
        target[..., 0] = -1.0
        target[:, 0, 0, 0] = 0.0
        if len(outputs.target_log_probs) == len(texts):
            target[:, 0, 0] = outputs.target_log_probs
        return torch.cat([target, texts], dim=1)

    def invert_augmentation(self, predictions: torch.Tensor, augment_params: AugmentParams) -> torch.Tensor:
        """Texts of several views have no mean: ConfigError."""
        raise ConfigError("Texts that were written for several views of an image cannot be averaged. Use views=1.")

    def join(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """The predictions of several batches, as long as the longest."""
        longest = max((part.shape[2] for part in parts), default=0)
        padded = []
        for part in parts:
            behind = part.new_zeros(*part.shape[:2], longest - part.shape[2], 2)
            behind[..., 0] = -1.0
            padded.append(torch.cat([part, behind], dim=2))
        return torch.cat(padded)

    def exported(self, outputs: GenerateOutputs) -> torch.Tensor:
        """Only the texts: `(B, N, 1 + L, 2)`."""
        return self.postprocess(outputs)[:, 1:]

    def from_exported(self, values: torch.Tensor) -> torch.Tensor:
        """With a place for the target, which nothing is known of."""
        target = torch.zeros_like(values[:, :1])
        target[..., 0] = -1.0
        target[:, 0, 0, 0] = 0.0
        return torch.cat([target, values], dim=1)

    @property
    def value_decoder(self) -> WrittenText | None:
        """Texts of the same search; None where tokens are drawn."""
        if self.top_p is not None:
            return None
        search = self.search
        first = 0 if self._text.tokenizer is not None else _FIRST_CHARACTER
        return WrittenText(
            self._text.to_json(), search.begin, search.end, first, search.max_length, self.beam, self.n_best,
            self.length_penalty, search.never,
        )  # fmt: skip

    def decode(self, predictions: torch.Tensor) -> list[TargetPrediction]:
        """The best text, the probability of it as a whole, and that of each of its tokens."""
        return decode_texts(self._text, predictions[:, 1:].numpy(force=True))

    def measure(self, predictions: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """BLEU and chrF of the texts that were found; how many are right as a whole; perplexity of the targets.

        BLEU and chrF compare decoded texts. An unknown token of a target is matched by nothing.
        """
        found = [_tokens(row[1, :, 0]) for row in predictions]
        wanted = [_tokens(row) for row in targets]
        texts = [[self._text.decode(each) for each in tokens] for tokens in (found, wanted)]
        metrics = {
            "bleu": bleu(*texts).score,
            "chrf": chrf(*texts),
            "exact_match": sum(one == other for one, other in zip(found, wanted, strict=True)) / len(wanted),
        }
        log_prob, count = predictions[:, 0, 0].double().sum(dim=0).tolist()
        if count:
            metrics["perplexity"] = math.exp(min(700.0, -log_prob / count))
        return {name: round(value, 6) for name, value in metrics.items()}

    def _decoder(self) -> TextDecoder:
        if self.decoder == "transformer":
            return TransformerDecoder(self.width, self.depth, self.heads, self.inner, self.dropout)
        return AttentionGRU(self.width, self.dropout) if self.decoder == "gru" else ShownLSTM(self.width, self.dropout)


def _tokens(row: torch.Tensor) -> list[int]:
    return [int(token) for token in row.tolist() if token >= 0]

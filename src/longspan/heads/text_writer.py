"""The layers of head `Generate`: a decoder that sees its target while it learns, and searches when it is used."""

# B rows, S steps of the memory, L tokens, V different tokens, D width

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longspan.columns import Ragged
from longspan.errors import ShapeError
from longspan.nn.positions import sinusoids
from longspan.nn.text_decoder import DecoderState, TextDecoder
from longspan.nn.text_search import TextSearch, search_texts

__all__ = ["GenerateOutputs", "TextWriter", "memory_of"]

_PADDING = 0


@final
class GenerateOutputs(NamedTuple):
    """What the layers give: losses where they see targets, texts where they do not learn."""

    losses: Tensor
    """`(B,)` float32, nats for each token, smoothed as in training; `(0,)` without targets."""
    target_log_probs: Tensor
    """`(B, 2)` float32: log-probability of each target and how many tokens it has, the end included; or `(0, 2)`."""
    tokens: Tensor
    """`(B, N, L)` int64: the best texts, -1 after the last token; `(0, 0, 0)` in training."""
    log_probs: Tensor
    """`(B, N, L + 1)` float32: of each token, and of the end after the last."""


@final
class TextWriter(nn.Module):
    """Features to texts: a linear layer to the width of the decoder, token embeddings, the decoder.

    The embeddings also are the weights of the last layer (Press and Wolf 2017, "Using the output embedding to improve
    language models").
    """

    def __init__(
        self,
        num_features: int,
        vocab_size: int,
        width: int,
        decoder: TextDecoder,
        search: TextSearch,
        *,
        dropout: float,
        smoothing: float,
        first_token: int,
        normalise: bool = False,
    ) -> None:
        """Put the parts together.

        Args:
            num_features: Of a step of the encoder.
            vocab_size: Different tokens, padding, begin and end included.
            width: Of the embeddings and the decoder.
            decoder: From embeddings of the tokens so far to a vector for the next one.
            search: How texts are found when they are not learned.
            dropout: Of embeddings and memory.
            smoothing: Probability that the loss spreads over all tokens.
            first_token: The token that an encoded target writes as 0.
            normalise: Begin with a layer normalisation of each step of the encoder.
        """
        super().__init__()
        self.norm = nn.LayerNorm(num_features) if normalise else nn.Identity()
        self.memory = nn.Linear(num_features, width)
        self.embedding = nn.Embedding(vocab_size, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        self.decoder = decoder
        self.dropout = nn.Dropout(dropout)
        self.search = search
        self.smoothing = smoothing
        self.first_token = first_token

    def forward(self, features: Any, targets: Tensor | None = None) -> GenerateOutputs:
        """Losses of the targets, and, in evaluation mode, the texts that the search finds.

        Args:
            features: `(B, F)`, `(B, S, F)`, or `Ragged` steps.
            targets: `(B, T)` int64, -1 after the last token; None where there are none.
        """
        memory, mask = self.encode(features)
        rows = len(memory)
        none = memory.new_zeros(0, dtype=torch.float32)
        losses, known = (none, none.new_zeros(0, 2)) if targets is None else self.losses(memory, mask, targets)
        if self.training:
            return GenerateOutputs(losses, known, none.new_zeros(0, 0, 0, dtype=torch.int64), none.new_zeros(0, 0, 0))
        with torch.no_grad():
            found = search_texts(self.next_token, self.decoder.start(memory, mask), rows, self.search, memory.device)
        tokens = torch.where(found.tokens >= 0, found.tokens - self.first_token, -1)
        return GenerateOutputs(losses, known, tokens, found.log_probs)

    def encode(self, features: Any) -> tuple[Tensor, Tensor]:
        """The memory that the decoder reads, `(B, S, D)`, and which steps of it there are, `(B, S)` bool."""
        steps, mask = memory_of(features)
        return self.dropout(self.memory(self.norm(steps))), mask

    def losses(self, memory: Tensor, mask: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of each row for each of its tokens, `(B,)`; log-probability and number of its tokens, `(B, 2)`."""
        rows = len(targets)
        lengths = (targets >= 0).sum(dim=1)
        longest = int(lengths.max()) if rows else 0
        there = targets[:, :longest]
        shifted = torch.where(there >= 0, there + self.first_token, _PADDING)
        begin = shifted.new_full((rows, 1), self.search.begin)
        hidden = self.decoder(self._embedded(torch.cat([begin, shifted], dim=1), 0), memory, mask)
        ends = torch.cat([shifted, begin.new_full((rows, 1), _PADDING)], dim=1)
        ends[torch.arange(rows, device=ends.device), lengths] = self.search.end
        counted = torch.arange(longest + 1, device=ends.device)[None] <= lengths[:, None]
        logits = F.linear(hidden[counted], self.embedding.weight, self.bias).float()  # no padding in the largest layer
        wanted, owner = ends[counted], counted.nonzero()[:, 0]
        each = F.cross_entropy(logits, wanted, reduction="none", label_smoothing=self.smoothing)
        counts = (lengths + 1).to(each.dtype)
        losses = each.new_zeros(rows).index_add(0, owner, each) / counts
        if self.training:
            return losses, counts.new_zeros(0, 2)
        nats = F.cross_entropy(logits.detach(), wanted, reduction="none")
        return losses, torch.stack([-each.new_zeros(rows).index_add(0, owner, nats), counts], dim=1)

    def next_token(self, newest: Tensor, state: DecoderState, number: int | Tensor) -> tuple[Tensor, DecoderState]:
        """Log-probabilities `(R, V)` of the token behind the newest one, which stands at place `number`."""
        hidden, state = self.decoder.step(self._embedded(newest[:, None], number)[:, 0], state)
        return F.linear(hidden, self.embedding.weight, self.bias).float().log_softmax(dim=1), state

    def _embedded(self, tokens: Tensor, first: int | Tensor) -> Tensor:
        width = self.embedding.embedding_dim
        embedded = self.embedding(tokens) * math.sqrt(width)
        if self.decoder.positions:
            embedded = embedded + sinusoids(tokens.shape[1], width, tokens.device, first)
        return self.dropout(embedded)


def memory_of(features: Any) -> tuple[Tensor, Tensor]:
    """Features of a row as steps `(B, S, F)`, and which of them there are, `(B, S)` bool, at least one of each row.

    A vector is one step.

    Raises:
        ShapeError: features of another form.
    """
    if isinstance(features, Ragged):
        values, mask = features.values, features.mask
        if not values.shape[1]:  # no row has a step
            values, mask = values.new_zeros(len(values), 1, values.shape[2]), mask.new_ones(len(values), 1)
        first = torch.arange(values.shape[1], device=mask.device) == 0
        return values, mask | first[None]
    if not isinstance(features, Tensor) or features.ndim not in (2, 3):
        shape = tuple(getattr(features, "shape", ()))
        raise ShapeError(
            f"A text is written from (B, F) or (B, S, F) features, got {shape or type(features).__name__}."
        )
    steps = features if features.ndim == 3 else features[:, None]
    return steps, torch.ones(steps.shape[:2], dtype=torch.bool, device=steps.device)


Step = Callable[[Tensor, DecoderState, int], tuple[Tensor, DecoderState]]

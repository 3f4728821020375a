"""Recurrent decoders of texts: a GRU that attends to its memory, and an LSTM that saw it once."""

# B rows, S steps of the memory, L tokens, D width

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from longspan.nn.text_decoder import DecoderState, TextDecoder

__all__ = ["AttentionGRU", "ShownLSTM", "masked_mean"]


@final
class AttentionGRU(TextDecoder):
    """A GRU that weighs the steps of its memory anew for each token.

    Source: Bahdanau, Cho, Bengio 2015, "Neural machine translation by jointly learning to align and translate",
    appendix A.1.2: energies v . tanh(W s + U h). Differs: the state begins with the mean of the memory (paper: the
    backward state at the first word); a tanh layer stands in place of the maxout layer before the output.
    """

    def __init__(self, width: int, dropout: float) -> None:
        """Build for embeddings and memory of `width` values."""
        super().__init__()
        self.first = nn.Linear(width, width)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width)
        self.energy = nn.Linear(width, 1, bias=False)
        self.cell = nn.GRUCell(2 * width, width)
        self.readout = nn.Linear(3 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """See `TextDecoder.forward`."""
        state = self.start(memory, mask)
        (hidden,) = state.cache
        reads, states = [], []
        for token in tokens.unbind(dim=1):
            hidden, context = self._next(token, hidden, state)
            states.append(hidden)
            reads.append(context)
        return self._read(torch.stack(states, dim=1), torch.stack(reads, dim=1), tokens)

    def start(self, memory: Tensor, mask: Tensor) -> DecoderState:
        """The memory, its keys and its mask; the state of the GRU."""
        hidden = torch.tanh(self.first(masked_mean(memory, mask)))
        return DecoderState((memory, self.key(memory), mask), (hidden,))

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """See `TextDecoder.step`."""
        hidden, context = self._next(token, state.cache[0], state)
        return self._read(hidden, context, token), state._replace(cache=(hidden,))

    def attention(self, hidden: Tensor, state: DecoderState) -> Tensor:
        """How much each step of the memory counts, `(B, W, S)`, for states `(B x W, D)` of the GRU."""
        _, keys, mask = state.memory
        query = self.query(hidden).reshape(-1, state.beam, hidden.shape[1])
        energies = self.energy(torch.tanh(query[:, :, None] + keys[:, None]))[..., 0]
        return energies.masked_fill(~mask[:, None], -torch.inf).softmax(dim=2)

    def _next(self, token: Tensor, hidden: Tensor, state: DecoderState) -> tuple[Tensor, Tensor]:
        context = (self.attention(hidden, state) @ state.memory[0]).reshape(hidden.shape)
        return self.cell(torch.cat([token, context], dim=1), hidden), context

    def _read(self, hidden: Tensor, context: Tensor, token: Tensor) -> Tensor:
        return self.dropout(torch.tanh(self.readout(torch.cat([hidden, context, token], dim=-1))))


@final
class ShownLSTM(TextDecoder):
    """An LSTM whose first input is the input's vector, and after that the tokens: NIC.

    Source: Vinyals, Toshev, Bengio, Erhan 2015, "Show and tell: a neural image caption generator", section 3.1. Of a
    sequence the vector is the mean over its steps.
    """

    def __init__(self, width: int, dropout: float) -> None:
        """Build for embeddings and memory of `width` values."""
        super().__init__()
        self.cell = nn.LSTMCell(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """See `TextDecoder.forward`."""
        state, read = self.start(memory, mask), []
        for token in tokens.unbind(dim=1):
            output, state = self.step(token, state)
            read.append(output)
        return torch.stack(read, dim=1)

    def start(self, memory: Tensor, mask: Tensor) -> DecoderState:
        """The state of the LSTM behind the vector."""
        return DecoderState((), self.cell(masked_mean(memory, mask)))

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """See `TextDecoder.step`."""
        hidden, cell = self.cell(token, state.cache)
        return self.dropout(hidden), state._replace(cache=(hidden, cell))


def masked_mean(memory: Tensor, mask: Tensor) -> Tensor:
    """The mean `(B, D)` over the steps that are there."""
    weights = mask.to(memory.dtype)[:, :, None]
    return (memory * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)

"""What every decoder of texts offers: all steps at once while it learns, one step at a time while it writes."""

# B rows, W beginnings of texts of a row, S steps of the memory, L tokens, D width

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["DecoderState", "TextDecoder"]


class DecoderState(NamedTuple):
    """What a decoder remembers between two tokens: explicit tensors, so that a step can be exported."""

    memory: tuple[Tensor, ...]
    """What was computed once from the encoder's features, of B rows."""
    cache: tuple[Tensor, ...]
    """What changes with each token, of B x W beginnings of texts."""
    beam: int = 1
    """W, the beginnings of texts of each row: they share its memory."""

    def widened(self, beam: int) -> DecoderState:
        """With `beam` equal beginnings in place of each one."""
        return DecoderState(self.memory, tuple(each.repeat_interleave(beam, dim=0) for each in self.cache), beam)

    def take(self, rows: Tensor) -> DecoderState:
        """Some rows, by number, with all their beginnings."""
        beginnings = (rows[:, None] * self.beam + torch.arange(self.beam, device=rows.device)).flatten()
        return self.reordered(beginnings)._replace(memory=tuple(each[rows] for each in self.memory))

    def reordered(self, beginnings: Tensor) -> DecoderState:
        """Other beginnings of the same rows, by number."""
        return self._replace(cache=tuple(each[beginnings] for each in self.cache))


class TextDecoder(nn.Module, ABC):
    """Abstract: embeddings of the tokens so far to a vector from which the next token is predicted."""

    positions: bool = False
    """Whether the embeddings need positions added, since the decoder knows no order."""

    @abstractmethod
    def forward(self, tokens: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """All steps at once, each seeing only the tokens up to its own (teacher forcing): `(B, L, D)`.

        Args:
            tokens: `(B, L, D)` embeddings of the tokens, the mark of the beginning first.
            memory: `(B, S, D)` what the encoder made of the input, at least one step.
            mask: `(B, S)` bool, True where there is a step; at least one in each row.
        """

    @abstractmethod
    def start(self, memory: Tensor, mask: Tensor) -> DecoderState:
        """What it remembers before the first token."""

    @abstractmethod
    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """One token further: the vector `(B x W, D)` for the token behind it, and what to remember.

        Args:
            token: `(B x W, D)` embedding of the newest token of each beginning.
            state: As the step before gave it.
        """

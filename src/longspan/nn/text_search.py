"""Texts from a decoder that gives the next token: greedy search, beam search, sampling."""

# B rows, W beginnings of a text in a row, V tokens, L most tokens of a text, N texts of a row

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self, final

import torch
from torch import Tensor

from longspan.randomness import uniform

__all__ = ["FoundTexts", "SearchState", "TextSearch", "search_texts"]

_NEVER = -1e9
"""The log-probability of what is ruled out: low, but its sums are finite."""


class SearchState(Protocol):
    """What a decoder remembers; see `DecoderState`."""

    def widened(self, beam: int) -> Self:
        """With `beam` equal beginnings in place of each one."""
        ...

    def take(self, rows: Tensor) -> Self:
        """Some rows, by number, with all their beginnings."""
        ...

    def reordered(self, beginnings: Tensor) -> Self:
        """Other beginnings of the same rows, by number."""
        ...


Step = Callable[[Tensor, Any, int], tuple[Tensor, Any]]
"""Newest tokens `(R,)`, state and number of the step to log-probabilities `(R, V)` of the next token, and the state."""


class FoundTexts(NamedTuple):
    """Texts that a search found, the best first."""

    tokens: Tensor
    """`(B, N, L)` int64: tokens, -1 after the last; the mark of the end is left out."""
    log_probs: Tensor
    """`(B, N, L + 1)` float32: of each token, and of the end after the last; then 0."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TextSearch:
    """How texts are searched for.

    Source: length penalty of Wu et al. 2016, "Google's neural machine translation system", equation 14; top-p sampling
    of Holtzman et al. 2020, "The curious case of neural text degeneration".
    """

    begin: int
    """Token before the first."""
    end: int
    """Token after the last."""
    max_length: int
    """Most tokens of a text; behind so many the end is the only token there is."""
    beam: int = 1
    """Beginnings of a text that are kept at each step; 1 takes the likeliest token at each step."""
    n_best: int = 1
    """Texts of each row; at most `beam`."""
    length_penalty: float = 0.6
    """Log-probabilities are divided by ((5 + length) / 6) to this power; 0 prefers short texts."""
    top_p: float | None = None
    """Draw each token among the likeliest that have this probability together, instead of searching."""
    temperature: float = 1.0
    """Logits are divided by it before tokens are drawn: below 1 likely ones become likelier."""
    seed: int = 0
    """Of the draws: a function of seed, place in the batch, and step."""
    never: tuple[int, ...] = ()
    """Tokens that no text may have."""


def search_texts(step: Step, state: SearchState, rows: int, search: TextSearch, device: torch.device) -> FoundTexts:
    """Texts for each of B rows.

    Args:
        step: The decoder.
        state: What it remembers before the first token.
        rows: B.
        search: How to search.
        device: Of the decoder.
    """
    if not rows:
        none = torch.full((0, search.n_best, 1), -1, dtype=torch.int64, device=device)
        return FoundTexts(none, torch.zeros(0, search.n_best, 2, device=device))
    if search.beam == 1 or search.top_p is not None:
        return _one_by_one(step, state, rows, search, device)
    return _Beam(step, state, rows, search, device).run()


def _limited(log_probs: Tensor, number: int, search: TextSearch) -> Tensor:
    """Without tokens that may not be; after the last token only the end. What is left is not scaled up."""
    if search.never:
        log_probs = log_probs.clone()
        log_probs[:, list(search.never)] = _NEVER
    if number < search.max_length:
        return log_probs
    only = torch.full_like(log_probs, _NEVER)
    only[:, search.end] = log_probs[:, search.end]
    return only


def _one_by_one(step: Step, state: Any, rows: int, search: TextSearch, device: torch.device) -> FoundTexts:
    """The likeliest token at each step, or one that is drawn."""
    tokens = torch.full((rows, search.max_length + 1), -1, dtype=torch.int64, device=device)
    scores = torch.zeros(rows, search.max_length + 1, device=device)
    open_rows, newest = torch.arange(rows, device=device), torch.full((rows,), search.begin, device=device)
    for number in range(search.max_length + 1):
        log_probs, state = step(newest, state, number)
        log_probs = _limited(log_probs.float(), number, search)
        newest = log_probs.argmax(dim=1) if search.top_p is None else _drawn(log_probs, open_rows, number, search)
        tokens[open_rows, number] = newest
        scores[open_rows, number] = log_probs.gather(1, newest[:, None])[:, 0]
        going = newest != search.end
        if not bool(going.any()):
            break
        if not bool(going.all()):
            open_rows, newest, state = open_rows[going], newest[going], state.take(going.nonzero()[:, 0])
    tokens[tokens == search.end] = -1
    longest = max(1, int((tokens >= 0).sum(dim=1).max()))
    return FoundTexts(tokens[:, None, :longest], scores[:, None, : longest + 1])


def _drawn(log_probs: Tensor, places: Tensor, number: int, search: TextSearch) -> Tensor:
    """A token for each row, drawn among the likeliest."""
    assert search.top_p is not None
    ordered, order = (log_probs / search.temperature).softmax(dim=1).sort(dim=1, descending=True)
    before = ordered.cumsum(dim=1) - ordered
    kept = ordered.masked_fill(before >= search.top_p, 0.0)  # the likeliest always stays
    draws = uniform(search.seed, "sample", number, places.cpu(), 1)[:, 0].to(log_probs.device, torch.float32)
    ends = kept.cumsum(dim=1)
    chosen = torch.searchsorted(ends, (draws * ends[:, -1])[:, None], right=True)
    last = (kept > 0).sum(dim=1, keepdim=True) - 1
    return order.gather(1, torch.minimum(chosen, last))[:, 0]


@final
class _Beam:
    """Beam search over all rows at once; a row leaves the batch when no open beginning can overtake its texts."""

    def __init__(self, step: Step, state: Any, rows: int, search: TextSearch, device: torch.device) -> None:
        self.step, self.search, self.rows, self.device = step, search, rows, device
        width = search.beam
        self.state = state.widened(width)
        self.open = torch.arange(rows, device=device)
        self.totals = torch.full((rows, width), _NEVER, device=device)
        self.totals[:, 0] = 0.0  # the beginnings are all equal: only one may grow
        shape = (rows, width, search.max_length + 1)
        self.tokens = torch.full(shape, -1, dtype=torch.int64, device=device)
        self.scores = torch.zeros(shape, device=device)
        self.newest = torch.full((rows * width,), search.begin, dtype=torch.int64, device=device)
        # The best finished texts of every row.
        self.done = torch.full((rows, width), _NEVER, device=device)
        self.done_tokens, self.done_scores = self.tokens.clone(), self.scores.clone()

    def run(self) -> FoundTexts:
        for number in range(self.search.max_length + 1):
            self._grow(number)
            if not len(self.open):
                break
        count = self.search.n_best
        tokens, scores = self.done_tokens[:, :count], self.done_scores[:, :count]
        longest = max(1, int((tokens >= 0).sum(dim=2).max()))
        return FoundTexts(tokens[:, :, :longest], scores[:, :, : longest + 1])

    def _penalty(self, length: int) -> float:
        return ((5 + length) / 6) ** self.search.length_penalty

    def _grow(self, number: int) -> None:
        search, width = self.search, self.search.beam
        log_probs, state = self.step(self.newest, self.state, number)
        log_probs = _limited(log_probs.float(), number, search).unflatten(0, (-1, width))  # (rows, W, V)
        vocab = log_probs.shape[2]
        grown = self.totals[:, :, None] + log_probs
        self._finish(grown[:, :, search.end], log_probs[:, :, search.end], number)
        grown[:, :, search.end] = 2 * _NEVER
        totals, chosen = grown.flatten(1).topk(min(width, width * vocab), dim=1)
        source, token = chosen // vocab, chosen % vocab
        rows = torch.arange(len(source), device=self.device)[:, None]
        self.tokens, self.scores = self.tokens[rows, source], self.scores[rows, source]
        self.tokens[:, :, number] = token
        self.scores[:, :, number] = log_probs[rows, source, token]
        self.totals, self.newest = totals, token.flatten()
        self.state = state.reordered((rows * width + source).flatten())
        # The most that an open beginning can still reach, if all that follows were certain.
        reach = totals[:, 0] / self._penalty(search.max_length + 1 if search.length_penalty > 0 else number + 2)
        going = reach > self.done[self.open, search.n_best - 1]
        if number >= search.max_length or not bool(going.any()):
            self.open = self.open[:0]
        elif not bool(going.all()):
            keep = going.nonzero()[:, 0]
            self.open, self.totals, self.tokens, self.scores = (
                each[keep] for each in (self.open, self.totals, self.tokens, self.scores)
            )
            self.newest, self.state = self.newest.unflatten(0, (-1, width))[keep].flatten(), self.state.take(keep)

    def _finish(self, totals: Tensor, ends: Tensor, number: int) -> None:
        """Keep the best of the texts that were finished before and those that end now."""
        now = torch.where(totals > _NEVER / 2, totals / self._penalty(number + 1), _NEVER)
        scores = self.scores.clone()
        scores[:, :, number] = ends
        before = (self.done[self.open], self.done_tokens[self.open], self.done_scores[self.open])
        both = [torch.cat(pair, dim=1) for pair in zip(before, (now, self.tokens, scores), strict=True)]
        best, order = both[0].topk(self.search.beam, dim=1)
        rows = torch.arange(len(order), device=self.device)[:, None]
        self.done[self.open] = best
        self.done_tokens[self.open], self.done_scores[self.open] = both[1][rows, order], both[2][rows, order]

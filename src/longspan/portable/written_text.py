"""Texts that a decoder writes token by token, with numpy alone; the counterpart of `nn.text_search`."""

# B rows, W beginnings of a text in a row, V tokens, L most tokens of a text, N texts of a row, T places of an array

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

import numpy as np

from longspan.columns import column_from_json
from longspan.portable.decoders import DECODERS, Decoder, Transforms
from longspan.portable.target_prediction import TargetPrediction

if TYPE_CHECKING:
    from longspan.columns import Text

__all__ = ["Arrays", "Step", "WrittenText", "decode_texts", "search_texts"]

_NEVER = -1e9
"""The log-probability of what is ruled out: low, but its sums are finite."""

Arrays = tuple[np.ndarray, ...]
"""What a decoder remembers, each of R rows."""
Step = Callable[[np.ndarray, int, Arrays, Arrays], tuple[np.ndarray, Arrays]]
"""Newest tokens `(R,)` int64, the number of the step, memory and cache to log-probabilities `(R, V)` and the cache."""


@DECODERS.register()
@final
@dataclass(frozen=True)
class WrittenText(Decoder):
    """The best texts, from tokens and log-probabilities `(B, N, T, 2)`; and how they are searched for.

    See `longspan.nn.text_search.TextSearch` for the numbers.
    """

    kind: ClassVar[str] = "written_text"
    finds: ClassVar[Literal["values", "objects", "texts"]] = "texts"
    column: dict[str, Any]
    """The target's `Text` column as JSON."""
    begin: int
    """Token before the first."""
    end: int
    """Token after the last."""
    first_token: int
    """The token that the column writes as 0."""
    max_length: int
    """Most tokens of a text."""
    beam: int
    """Beginnings of a text that are kept at each step."""
    n_best: int
    """Texts of each row."""
    length_penalty: float
    """Of long texts."""
    never: tuple[int, ...]
    """Tokens that no text may have."""

    def decode(self, values: np.ndarray, transforms: Transforms) -> list[TargetPrediction]:
        """The best text, the probability of it as a whole, and that of each of its tokens."""
        del transforms
        return decode_texts(self._text, values)

    @functools.cached_property
    def _text(self) -> Text:
        return column_from_json(self.column)  # type: ignore[return-value]


def decode_texts(column: Text, values: np.ndarray) -> list[TargetPrediction]:
    """Predictions from `(B, N, T, 2)`: of N texts each token, -1 after the last, and its log-probability.

    Args:
        column: That the tokens are of.
        values: The best text of a row first.
    """
    return [_decoded(column, texts) for texts in values]


def _decoded(column: Text, texts: np.ndarray) -> TargetPrediction:
    numbers = [[int(token) for token in text if token >= 0] for text in texts[..., 0]]
    values = [column.decode(each) for each in numbers]
    log_probs = texts[..., 1].astype(np.float64)
    sure = [min(1.0, math.exp(each)) for each in log_probs.sum(axis=1).tolist()]
    pieces = [column.decode([token]) for token in numbers[0]]
    scores = np.minimum(np.exp(log_probs[0, : len(pieces)]), 1.0).tolist()
    return TargetPrediction(
        values[0],
        sure[0],
        _first_of_each(values, sure) if len(values) > 1 else None,
        list(zip(pieces, scores, strict=True)),
    )


def _first_of_each(values: Sequence[str], probabilities: Sequence[float]) -> dict[Any, float]:
    """Probabilities by text; two token sequences may be one text, of which the better stays."""
    found: dict[Any, float] = {}
    for value, probability in zip(values, probabilities, strict=True):
        found.setdefault(value, probability)
    return found


def search_texts(step: Step, memory: Arrays, cache: Arrays, rows: int, search: WrittenText) -> np.ndarray:
    """The best texts of each of B rows, `(B, N, T, 2)` as `WrittenText` reads them.

    Args:
        step: The decoder.
        memory: What it knows of the input.
        cache: What it remembers before the first token.
        rows: B.
        search: How to search.
    """
    if not rows:
        return _nothing(0, search.n_best, 2)
    found = (_one_by_one if search.beam == 1 else _by_beam)(step, memory, cache, rows, search)
    found[..., 0] = np.where(found[..., 0] >= 0, found[..., 0] - search.first_token, -1)
    longest = int((found[..., 0] >= 0).sum(axis=2).max(initial=0))
    return found[:, :, : max(1, longest) + 1]


def _limited(log_probs: np.ndarray, number: int, search: WrittenText) -> np.ndarray:
    """Without tokens that may not be; after the last token only the end. What is left is not scaled up."""
    log_probs = log_probs.astype(np.float32)
    log_probs[:, list(search.never)] = _NEVER
    if number < search.max_length:
        return log_probs
    only = np.full_like(log_probs, _NEVER)
    only[:, search.end] = log_probs[:, search.end]
    return only


def _take(arrays: Arrays, rows: np.ndarray) -> Arrays:
    return tuple(each[rows] for each in arrays)


def _nothing(*shape: int) -> np.ndarray:
    """Texts without tokens."""
    found = np.zeros((*shape, 2), np.float32)
    found[..., 0] = -1
    return found


def _one_by_one(step: Step, memory: Arrays, cache: Arrays, rows: int, search: WrittenText) -> np.ndarray:
    """The likeliest token at each step."""
    found = _nothing(rows, 1, search.max_length + 1)
    open_rows, newest = np.arange(rows), np.full(rows, search.begin, np.int64)
    for number in range(search.max_length + 1):
        log_probs, cache = step(newest, number, memory, cache)
        log_probs = _limited(log_probs, number, search)
        newest = log_probs.argmax(axis=1)
        going = newest != search.end
        found[open_rows[going], 0, number, 0] = newest[going]
        found[open_rows, 0, number, 1] = log_probs[np.arange(len(newest)), newest]
        if not going.any():
            break
        if not going.all():
            open_rows, newest = open_rows[going], newest[going]
            memory, cache = _take(memory, going), _take(cache, going)
    return found


def _by_beam(step: Step, memory: Arrays, cache: Arrays, rows: int, search: WrittenText) -> np.ndarray:
    """Beam search, one row after another: a row ends when no open beginning can overtake its texts."""
    found = _nothing(rows, search.n_best, search.max_length + 1)
    for row in range(rows):
        beams = np.full(search.beam, row)
        found[row] = _beam_of_row(step, _take(memory, beams), _take(cache, beams), search)
    return found


def _beam_of_row(step: Step, memory: Arrays, cache: Arrays, search: WrittenText) -> np.ndarray:
    """`(N, L + 1, 2)`."""
    width, most = search.beam, search.max_length
    totals = np.full(width, _NEVER, np.float32)
    totals[0] = 0.0  # the beginnings are all equal: only one may grow
    texts, done_texts = _nothing(width, most + 1), _nothing(width, most + 1)
    done = np.full(width, _NEVER, np.float32)
    newest = np.full(width, search.begin, np.int64)
    for number in range(most + 1):
        log_probs, cache = step(newest, number, memory, cache)
        log_probs = _limited(log_probs, number, search)
        grown = totals[:, None] + log_probs
        # Those that end now, beside those that ended before.
        ends = texts.copy()
        ends[:, number, 1] = log_probs[:, search.end]
        ended = grown[:, search.end]
        now = np.where(ended > _NEVER / 2, ended / _penalty(number + 1, search), _NEVER)
        both, both_texts = np.concatenate([done, now]), np.concatenate([done_texts, ends])
        best = np.argsort(-both, kind="stable")[:width]
        done, done_texts = both[best], both_texts[best]
        # Those that go on.
        grown[:, search.end] = 2 * _NEVER
        chosen = np.argsort(-grown, axis=None, kind="stable")[:width]
        source, token = np.divmod(chosen, grown.shape[1])
        totals, newest, texts, cache = grown.ravel()[chosen], token, texts[source], _take(cache, source)
        texts[:, number, 0], texts[:, number, 1] = token, log_probs[source, token]
        # The most that an open beginning can still reach, if all that follows were certain.
        reach = totals[0] / _penalty(most + 1 if search.length_penalty > 0 else number + 2, search)
        if reach <= done[search.n_best - 1]:
            break
    return done_texts[: search.n_best]


def _penalty(length: int, search: WrittenText) -> float:
    return ((5 + length) / 6) ** search.length_penalty

"""Words from the scores of states: a beam search through a lexicon under a language model."""

# T frames, K tokens of the beam

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

import numpy as np

from longspan.errors import ConfigError
from longspan.heads.search_graph import SearchGraph
from longspan.text.language_models import LanguageModel
from longspan.text.ngrams import BEGIN, END

__all__ = ["StateSearch"]

_NEVER = -math.inf
_LN10 = math.log(10)


@final
@dataclass(slots=True)
class _Histories:
    """Words before, by number, and what a word adds behind them."""

    model: LanguageModel | None
    weight: float
    bonus: float
    contexts: list[tuple[str, ...]] = field(default_factory=list)
    numbers: dict[tuple[str, ...], int] = field(default_factory=dict)
    known: dict[tuple[int, str], tuple[float, int]] = field(default_factory=dict)

    def number(self, context: tuple[str, ...]) -> int:
        """The number of a context."""
        if context not in self.numbers:
            self.numbers[context] = len(self.contexts)
            self.contexts.append(context)
        return self.numbers[context]

    def after(self, history: int, word: str) -> tuple[float, int]:
        """The score of a word, and the history with it."""
        found = self.known.get((history, word))
        if found is None:
            context = self.contexts[history]
            kept = 0 if self.model is None else self.model.order - 1
            score = self.bonus if word != END else 0.0
            if self.model is not None:
                score += self.weight * _LN10 * self.model.log10_probability(context, word)
            longer = (*context, word)
            found = (score, self.number(longer[len(longer) - kept :] if kept else ()))
            self.known[history, word] = found
        return found


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class StateSearch:
    """Token passing: at each frame the likeliest way into each state of the graph, for each history of words.

    A transcript scores the log-likelihood of its likeliest path of states, plus `weight` times that of its words under
    the language model, plus `bonus` for each word. Words that can still follow are looked ahead at by their scores
    without a history.

    Source: Young, Russell, Thornton 1989, "Token passing: a simple conceptual model for connected speech recognition
    systems"; look-ahead: Ortmanns, Ney, Eiden 1996, "Language-model look-ahead for large vocabulary speech
    recognition". Differs: tokens of all histories are arrays; look-ahead by unigrams alone.

    Raises:
        ConfigError: a value that cannot be.
    """

    graph: SearchGraph
    """States and words."""
    language_model: LanguageModel | None = None
    """Scores words; None: all words are equally likely before they are heard."""
    weight: float = 1.0
    """Of the language model, and of the look ahead in the graph."""
    bonus: float = 0.0
    """For each word, in nats."""
    width: int = 1000
    """Tokens that are kept at each frame."""
    beam: float = 150.0
    """Tokens that score so much less than the best are dropped."""
    ends: int = 30
    """Words that may end at each frame."""

    def __post_init__(self) -> None:
        """Check the values."""
        if self.width < 1 or self.ends < 1 or self.beam <= 0:
            raise ConfigError(
                f"StateSearch needs width and ends >= 1 and beam > 0, got {self.width!r}, {self.ends!r}, {self.beam!r}."
            )

    def best(self, scores: np.ndarray) -> str:
        """The best words, parted by blanks.

        Args:
            scores: `(T, N)` log-likelihoods of states, or log-probabilities of the classes of CTC.
        """
        graph = self.graph
        histories = _Histories(self.language_model, self.weight, self.bonus)
        ahead = self.weight * np.where(np.isfinite(graph.best_word), graph.best_word, 0.0)
        if self.language_model is None:
            ahead = np.zeros_like(ahead)
        heard = np.asarray(scores, np.float64)[:, graph.emits] if len(graph.emits) <= 4 * scores.shape[1] else None
        traces: list[tuple[int, str]] = [(-1, "")]
        start = np.concatenate([graph.entries, graph.pauses])
        tokens = _Tokens(
            start, np.full(len(start), histories.number((BEGIN,))), ahead[start], np.zeros(len(start), np.int64)
        )
        tokens.score = tokens.score + self._heard(scores, heard, 0, tokens.state)
        final_states = np.zeros(len(graph.emits), bool)
        final_states[list(graph.words)] = True
        for frame in range(1, len(scores)):
            grown = self._grown(tokens, ahead)
            ended = self._ended(tokens, final_states, ahead, histories, traces)
            tokens = _joined([grown, *ended], len(graph.emits), self.beam)
            tokens.score = tokens.score + self._heard(scores, heard, frame, tokens.state)
            tokens = tokens.kept(self.width, self.beam)
        return self._words(tokens, ahead, histories, traces)

    def _heard(self, scores: np.ndarray, heard: np.ndarray | None, frame: int, states: np.ndarray) -> np.ndarray:
        return scores[frame][self.graph.emits[states]] if heard is None else heard[frame][states]

    def _grown(self, tokens: _Tokens, ahead: np.ndarray) -> _Tokens:
        """Tokens that stay, and those that move on within a word or out of a pause."""
        graph = self.graph
        begin = graph.first_target[tokens.state]
        counts = graph.first_target[tokens.state + 1] - begin
        source = np.repeat(np.arange(len(tokens.state)), counts)
        inside = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
        targets = graph.targets[begin[source] + inside]
        own = tokens.state[source]
        moved = tokens.score[source] + graph.leave[own] + ahead[targets] - ahead[own]
        return _Tokens(
            np.concatenate([tokens.state, targets]),
            np.concatenate([tokens.history, tokens.history[source]]),
            np.concatenate([tokens.score + graph.stay[tokens.state], moved]),
            np.concatenate([tokens.trace, tokens.trace[source]]),
        )

    def _ended(
        self, tokens: _Tokens, final_states: np.ndarray, ahead: np.ndarray, histories: _Histories,
        traces: list[tuple[int, str]],
    ) -> list[_Tokens]:  # fmt: skip
        """Tokens whose word ends, at the beginning of the next one or of a pause."""
        places = np.flatnonzero(final_states[tokens.state])
        if not len(places):
            return []
        states = tokens.state[places]
        scores = tokens.score[places] + self.graph.leave[states] - ahead[states]
        if len(places) > 2 * self.ends:
            chosen = np.argpartition(-scores, 2 * self.ends)[: 2 * self.ends]
            places, states, scores = places[chosen], states[chosen], scores[chosen]
        found: dict[tuple[int, int], tuple[float, int, str]] = {}  # by history, and what may not follow at once
        for place, state, score in zip(places.tolist(), states.tolist(), scores.tolist(), strict=True):
            history, trace = int(tokens.history[place]), int(tokens.trace[place])
            for word in self.graph.words[state]:
                added, longer = histories.after(history, word)
                key = (longer, -1 if self.graph.repeats else int(self.graph.emits[state]))
                if key not in found or score + added > found[key][0]:
                    found[key] = (score + added, trace, word)
        best = sorted(found.items(), key=lambda each: -each[1][0])[: self.ends]
        starts = np.concatenate([self.graph.entries, self.graph.pauses])
        new = []
        for (history, barred), (score, trace, word) in best:
            traces.append((trace, word))
            new.append((history, score, len(traces) - 1, barred))
        history, score, trace, barred = (np.asarray(each) for each in zip(*new, strict=True))
        count = len(starts)
        costs = np.where(self.graph.emits[starts][None] == barred[:, None], _NEVER, ahead[starts][None]).ravel()
        costs[len(self.graph.entries) :: count] = ahead[self.graph.pauses[0]]
        return [
            _Tokens(
                np.tile(starts, len(new)), np.repeat(history, count),
                np.repeat(score, count) + costs, np.repeat(trace, count),
            )
        ]  # fmt: skip

    def _words(self, tokens: _Tokens, ahead: np.ndarray, histories: _Histories, traces: list[tuple[int, str]]) -> str:
        """Of the best token that is at the end of a word or in a pause; else the words that were complete."""
        best: tuple[float, int, str] = (_NEVER, 0, "")
        for state, history, score, trace in zip(
            tokens.state.tolist(), tokens.history.tolist(), tokens.score.tolist(), tokens.trace.tolist(), strict=True
        ):
            plain = score - ahead[state]
            if state in self.graph.rests:
                best = max(best, (plain + histories.after(history, END)[0], trace, ""))
            for word in self.graph.words.get(state, ()):
                added, longer = histories.after(history, word)
                best = max(best, (plain + added + histories.after(longer, END)[0], trace, word))
        if best[0] == _NEVER:
            best = (0.0, int(tokens.trace[tokens.score.argmax()]), "")
        words, trace = [best[2]] if best[2] else [], best[1]
        while trace > 0:
            trace, word = traces[trace]
            words.append(word)
        return " ".join(reversed(words))


@final
@dataclass(slots=True)
class _Tokens:
    """K partial paths."""

    state: np.ndarray
    """`(K,)`."""
    history: np.ndarray
    """`(K,)`."""
    score: np.ndarray
    """`(K,)`."""
    trace: np.ndarray
    """`(K,)` the words so far."""

    def kept(self, width: int, beam: float) -> _Tokens:
        """The best of them."""
        there = np.flatnonzero(self.score >= self.score.max() - beam)
        if len(there) > width:
            there = there[np.argpartition(-self.score[there], width)[:width]]
        return _Tokens(self.state[there], self.history[there], self.score[there], self.trace[there])


def _joined(parts: list[_Tokens], states: int, beam: float) -> _Tokens:
    """All tokens that are not far worse than the best, of several in one state with one history the best."""
    least = max(part.score.max() for part in parts) - beam
    near = [np.flatnonzero(part.score >= least) for part in parts]
    state, history, score, trace = (
        np.concatenate([getattr(part, name)[places] for part, places in zip(parts, near, strict=True)])
        for name in ("state", "history", "score", "trace")
    )
    order = np.argsort(-score, kind="stable")
    _, first = np.unique((history * states + state)[order], return_index=True)
    chosen = order[first]
    return _Tokens(state[chosen], history[chosen], score[chosen], trace[chosen])

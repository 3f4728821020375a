"""A classifier of short sounds on a stream: says once for each call that a word was heard."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from longspan.columns import Audio, Category
from longspan.errors import ConfigError, check_names

if TYPE_CHECKING:
    from longspan.inference.predictor import Predictor

__all__ = ["SMOOTH", "Call", "Listener", "calls_of", "smoothed"]

SMOOTH = 3
"""Windows whose probabilities are averaged: a word is in several, what sounds like a part of it often in one."""


@final
@dataclass(frozen=True, slots=True)
class Call:
    """A word that was heard."""

    time_s: float
    """Where the first window that holds it ends, from the start of the stream."""
    word: str
    probability: float
    """Mean over that window and those before it."""


@final
class Listener:
    """Windows of a stream, one each `step_s`, through a model that was trained on recordings of one length.

    Probabilities are means over the last `smooth` windows. A call is a run of windows with the probability of a word
    above the threshold; runs of one word less than `apart_s` apart are one call. Memory does not grow with the stream.
    """

    def __init__(
        self,
        model: Predictor,
        words: Collection[str] | None = None,
        *,
        threshold: float = 0.5,
        step_s: float = 0.2,
        smooth: int = SMOOTH,
        apart_s: float = 1.0,
    ) -> None:
        """Check model and options.

        Args:
            model: With one input of sound as images, and one category as its target.
            words: Labels to listen for; None: all that do not begin with "_", as "_silence_" does.
            threshold: Probability that a call exceeds.
            step_s: From one window to the next.
            smooth: Windows that are averaged; 1: each counts alone.
            apart_s: Between two calls of one word.

        Raises:
            ConfigError: a model of another kind, or an option that cannot be.
            UnknownNameError: a word that is not one of the model's labels.
        """
        columns, heads = list(model.inputs.values()), list(model.heads.values())
        column, target = columns[0], heads[0].column
        if not (
            len(columns) == len(heads) == 1
            and isinstance(column, Audio) and isinstance(target, Category)
            and not column.ragged and column.seconds is not None and column.rate_hz is not None
        ):  # fmt: skip
            raise ConfigError(
                "Only a model that reads sound as images and predicts one category can listen: train one on Audio() "
                "and Category()."
            )
        for can_be, words_for_it in (
            (0 < threshold < 1, f"threshold must lie between 0 and 1, got {threshold!r}"),
            (step_s > 0, f"step_s must be above 0 seconds, got {step_s!r}"),
            (smooth >= 1, f"smooth must be at least 1 window, got {smooth!r}"),
            (apart_s >= 0, f"apart_s must be at least 0 seconds, got {apart_s!r}"),
        ):
            if not can_be:
                raise ConfigError(f"Listening for words: {words_for_it}.")
        labels = [str(label) for label in target.vocab]
        if words is not None:
            check_names("word", words, labels)
        self.model = model
        self.words = tuple(words) if words is not None else tuple(each for each in labels if not each.startswith("_"))
        self.threshold, self.step_s, self.smooth, self.apart_s = threshold, step_s, smooth, apart_s
        self.rate_hz = column.rate_hz
        """Samples a second of what it hears."""
        self.target = next(iter(model.heads))
        self._window, self._step = round(column.seconds * self.rate_hz), max(1, round(step_s * self.rate_hz))
        self._samples = np.zeros(0, np.int16)
        self._windows = 0
        self._before: list[dict[str, float]] = []
        self._last: dict[str, float] = {}

    def hear(self, samples: np.ndarray) -> list[Call]:
        """The calls that end in the next samples of the stream.

        Args:
            samples: `(N,)` int16 at `rate_hz`, any number of them.
        """
        self._samples = np.concatenate([self._samples, samples])
        windows = []
        while len(self._samples) >= self._window:
            windows.append(self._samples[: self._window])
            self._samples = self._samples[self._step :]
        if not windows:
            return []
        found = [*self._before, *(each.probabilities or {} for each in self.model.predict(windows))]
        means = smoothed(found, self.smooth)[len(self._before) :]
        self._before = found[max(0, len(found) - self.smooth + 1) :]
        first = self._windows
        self._windows += len(windows)
        return calls_of(
            means, self.words, self.threshold, apart_s=self.apart_s, last=self._last,
            times_s=[(self._window + (first + place) * self._step) / self.rate_hz for place in range(len(means))],
        )  # fmt: skip


def smoothed(probabilities: Sequence[dict[str, float]], windows: int) -> list[dict[str, float]]:
    """By label the mean of each window and those before it, `windows` in all; before the first there is 0."""
    return [
        {
            label: sum(each[label] for each in probabilities[max(0, last - windows + 1) : last + 1]) / windows
            for label in found
        }
        for last, found in enumerate(probabilities)
    ]


def calls_of(
    probabilities: Sequence[dict[str, float]],
    words: Collection[str],
    threshold: float,
    *,
    times_s: Sequence[float],
    apart_s: float = 1.0,
    last: dict[str, float] | None = None,
) -> list[Call]:
    """Calls in windows of a stream: of the likeliest word, once for each run of windows above the threshold.

    Args:
        probabilities: By label, of each window.
        words: Labels that count.
        threshold: That a probability exceeds.
        times_s: Of each window.
        apart_s: Runs less than this apart are one.
        last: When each word was last above the threshold; changed in place, for the windows that follow.
    """
    last = {} if last is None else last
    calls = []
    for found, now in zip(probabilities, times_s, strict=True):
        word = max(words, key=lambda each: found[each])
        if found[word] <= threshold:
            continue
        if now - last.get(word, -np.inf) >= apart_s:
            calls.append(Call(round(now, 3), word, found[word]))
        last[word] = now
    return calls

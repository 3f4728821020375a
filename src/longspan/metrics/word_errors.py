"""Word and character errors of transcripts, with their kinds and an interval over speakers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from longspan.errors import ConfigError, DataError
from longspan.metrics.edit_distance import EditCounts, edit_counts

__all__ = ["TranscriptErrors", "transcript_errors"]


@final
@dataclass(frozen=True, slots=True)
class TranscriptErrors:
    """How wrong transcripts are."""

    unit: str
    """What is counted: "word" or "character"."""
    counts: EditCounts
    """Substitutions, deletions and insertions over all transcripts."""
    low: float | None
    """Lower end of the interval of the rate; None with a single speaker."""
    high: float | None
    speakers: int
    """How many the interval is over."""

    @property
    def rate(self) -> float:
        """Errors by words (or characters) of the targets. Above 1 where more is inserted than is there."""
        return self.counts.rate

    def __str__(self) -> str:
        """Such as `word error 34.5 % (95 %: 30.1 to 39.0): 20.1 % substituted, 8.2 % left out, 6.2 % inserted`."""
        count = self.counts
        parts = (
            f"{each / max(1, count.length):.1%} {what}"
            for each, what in (
                (count.substitutions, "substituted"), (count.deletions, "left out"), (count.insertions, "inserted")
            )
        )  # fmt: skip
        interval = "" if self.low is None or self.high is None else f" (95 %: {self.low:.1%} to {self.high:.1%})"
        above = " More words were found than there are." if self.rate > 1 else ""
        return f"{self.unit} error {self.rate:.1%}{interval}: {', '.join(parts)}.{above}"

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        count = self.counts
        return {
            "unit": self.unit, "rate": self.rate, "low": self.low, "high": self.high, "speakers": self.speakers,
            "substitutions": count.substitutions, "deletions": count.deletions, "insertions": count.insertions,
            "length": count.length,
        }  # fmt: skip


def transcript_errors(
    targets: Sequence[str],
    predictions: Sequence[str],
    speakers: Sequence[Hashable] | None = None,
    *,
    unit: Literal["word", "character"] = "word",
    draws: int = 2000,
    seed: int = 0,
) -> TranscriptErrors:
    """Errors by word or character, with a 95 % interval by bootstrap over speakers.

    The transcripts of a speaker err together, so speakers are drawn, not transcripts.

    Source: Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation", with
    speakers in place of utterances; percentile interval.

    Args:
        targets: What was said.
        predictions: What was found, as many.
        speakers: Who said it; None: each transcript by itself.
        unit: Words are parted by blanks; characters count blanks too.
        draws: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        DataError: other numbers of predictions or speakers, or targets without a word.
    """
    if unit not in ("word", "character"):
        raise ConfigError(f"unit must be 'word' or 'character', got {unit!r}.")
    if len(predictions) != len(targets) or (speakers is not None and len(speakers) != len(targets)):
        raise DataError(
            f"There are {len(targets)} targets, {len(predictions)} predictions and "
            f"{'no' if speakers is None else len(speakers)} speakers; each needs as many."
        )
    by_speaker: dict[Hashable, EditCounts] = {}
    for row, (target, found) in enumerate(zip(targets, predictions, strict=True)):
        pair = ([target], [found]) if unit == "character" else ([target.split()], [found.split()])
        who = row if speakers is None else speakers[row]
        by_speaker[who] = by_speaker.get(who, EditCounts(0, 0, 0, 0)) + edit_counts(*pair)
    total = sum(by_speaker.values(), EditCounts(0, 0, 0, 0))
    if not total.length:
        raise DataError(f"The targets hold no {unit} to count errors by.")
    low = high = None
    if len(by_speaker) > 1:
        errors, lengths = (
            np.array(values)
            for values in zip(*((c.substitutions + c.deletions + c.insertions, c.length) for c in by_speaker.values()),
                              strict=True)
        )  # fmt: skip
        drawn = np.random.default_rng(seed).integers(0, len(errors), (draws, len(errors)))
        rates = errors[drawn].sum(axis=1) / np.maximum(1, lengths[drawn].sum(axis=1))
        low, high = (float(each) for each in np.quantile(rates, (0.025, 0.975)))
    return TranscriptErrors(unit, total, low, high, len(by_speaker))

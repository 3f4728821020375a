"""Recordings of any length as text with times: cut at pauses, read part by part, written as subtitles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from longspan.audio import cut_at_pauses, read_samples
from longspan.columns import Audio, Text
from longspan.errors import ConfigError, DataError

if TYPE_CHECKING:
    from longspan.heads import WordSearch
    from longspan.inference.predictor import Predictor

__all__ = ["Transcript", "TranscriptPart", "transcribe"]

_AT_ONCE = 16


@final
@dataclass(frozen=True, slots=True)
class TranscriptPart:
    """What was said between two pauses."""

    start_s: float
    end_s: float
    text: str


@final
@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a recording, and when."""

    seconds: float
    """Length of the recording."""
    parts: tuple[TranscriptPart, ...]
    """In order; parts in which nothing was read are left out."""

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(part.text for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        """Text, length, and parts with start and end in seconds."""
        parts = [{"start": part.start_s, "end": part.end_s, "text": part.text} for part in self.parts]
        return {"text": self.text, "seconds": round(self.seconds, 3), "parts": parts}

    def written(self, format: str) -> str:
        """The transcript as a file: "json", "srt", "vtt" or "textgrid".

        Raises:
            ConfigError: another format.
        """
        if format == "json":
            return json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n"
        if format == "srt":
            blocks = [
                f"{number}\n{_clock(part.start_s, ',')} --> {_clock(part.end_s, ',')}\n{part.text}\n"
                for number, part in enumerate(self.parts, start=1)
            ]
            return "\n".join(blocks)
        if format == "vtt":
            blocks = [f"{_clock(p.start_s, '.')} --> {_clock(p.end_s, '.')}\n{_vtt(p.text)}\n" for p in self.parts]
            return "\n".join(["WEBVTT\n", *blocks])
        if format == "textgrid":
            return self._textgrid()
        raise ConfigError(f"A transcript is written as json, srt, vtt or textgrid, not as {format!r}.")

    def _textgrid(self) -> str:
        """Praat's text format: one tier of intervals without gaps."""
        intervals: list[TranscriptPart] = []
        reached = 0.0
        for part in self.parts:
            if part.start_s > reached:
                intervals.append(TranscriptPart(reached, part.start_s, ""))
            intervals.append(part)
            reached = part.end_s
        if self.seconds > reached:
            intervals.append(TranscriptPart(reached, self.seconds, ""))
        lines = [
            'File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {self.seconds:g}",
            "tiers? <exists>", "size = 1", "item []:", "    item [1]:", '        class = "IntervalTier"',
            '        name = "text"', "        xmin = 0", f"        xmax = {self.seconds:g}",
            f"        intervals: size = {len(intervals)}",
        ]  # fmt: skip
        for number, part in enumerate(intervals, start=1):
            text = part.text.replace('"', '""')
            lines += [
                f"        intervals [{number}]:", f"            xmin = {part.start_s:g}",
                f"            xmax = {part.end_s:g}", f'            text = "{text}"',
            ]  # fmt: skip
        return "\n".join(lines) + "\n"


def transcribe(
    model: Predictor, recording: str | Path | np.ndarray, *, search: WordSearch | None = None, longest_s: float = 15.0
) -> Transcript:
    """The text of a recording of any length.

    It is cut at pauses (see `longspan.audio.cut_at_pauses`), so that memory does not grow with its length but for the
    samples; each part is read by itself.

    Args:
        model: A trained model with one input of sound, as a sequence, and one text as its target.
        recording: Path of a sound file, or samples at the rate of the model.
        search: Finds the texts with a lexicon and a language model; None: as the model's head does.
        longest_s: Longest part.

    Raises:
        ConfigError: a model of another kind.
        DataError: the recording cannot be read.
    """
    column, target = _ends(model)
    assert column.rate_hz is not None
    try:
        samples = read_samples(recording if isinstance(recording, np.ndarray) else str(recording), column.rate_hz,
                               column.channel)  # fmt: skip
    except ValueError as error:
        raise DataError(f"{recording if isinstance(recording, str | Path) else 'The recording'}: {error}.") from error
    parts: list[TranscriptPart] = []
    times = cut_at_pauses(samples, column.rate_hz, longest_s=min(longest_s, column.longest_s))
    for first in range(0, len(times), _AT_ONCE):
        some = times[first : first + _AT_ONCE]
        pieces = [samples[round(start * column.rate_hz) : round(end * column.rate_hz)] for start, end in some]
        parts += [
            TranscriptPart(start, end, text)
            for (start, end), text in zip(some, _texts(model, target, pieces, search), strict=True)
            if text
        ]
    return Transcript(len(samples) / column.rate_hz, tuple(parts))


def _ends(model: Predictor) -> tuple[Audio, str]:
    """The input and the target; ConfigError unless they are sound as a sequence and a text."""
    inputs, targets = list(model.inputs.values()), list(model.heads)
    column = inputs[0]
    if len(inputs) == len(targets) == 1 and isinstance(column, Audio) and column.ragged:
        head = model.heads[targets[0]]
        if isinstance(head.column, Text):
            return column, targets[0]
    raise ConfigError(
        f"Only a model that reads sound as a sequence and predicts one text can transcribe; this one reads "
        f"{', '.join(model.inputs)} and predicts {', '.join(targets)}. Train one on Audio(layout='sequence') and "
        "Text()."
    )


def _texts(model: Predictor, target: str, pieces: Sequence[np.ndarray], search: WordSearch | None) -> list[str]:
    found = model.raw_predictions(list(pieces), batch_size=_AT_ONCE)
    if search is None:
        return [each[target].strip() for each in found.decode(model.heads, list(pieces))]
    column = model.heads[target].column
    assert isinstance(column, Text)
    return [search.best(each.numpy(), column.vocab).strip() for each in found.values[target]]


def _clock(seconds: float, point: str) -> str:
    """00:01:02,500 of 62.5."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _vtt(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

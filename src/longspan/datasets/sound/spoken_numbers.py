"""Spoken numbers: recordings of single digits by one voice, joined with pauses and noise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from longspan.audio import read_samples
from longspan.columns import Audio, Category, Raw, Text
from longspan.data import Table
from longspan.errors import ConfigError, DataError
from longspan.randomness import step_seed

__all__ = ["SpokenNumbersConfig", "make_spoken_numbers"]

_FULL_SCALE = 32767
_LOUDEST = 0.9  # of full scale, so that noise on top is not clipped


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SpokenNumbersConfig:
    """How the recordings sound."""

    rate_hz: int = 8000
    """Samples a second."""
    lengths: tuple[int, int] = (3, 6)
    """Fewest and most digits of a number; every length in between is equally frequent."""
    pause_s: tuple[float, float] = (0.0, 0.2)
    """Shortest and longest pause between two digits."""
    around_s: tuple[float, float] = (0.1, 0.4)
    """Shortest and longest silence before the first digit and after the last."""
    gain_db: float = 3.0
    """A digit is louder or quieter than the others by up to so much."""
    snr_db: tuple[float, float] = (5.0, 25.0)
    """Smallest and largest distance of the speech from the noise, in decibels."""

    def __post_init__(self) -> None:
        """Refuse ranges that are not rising, with ConfigError."""
        for name, least in (("lengths", 1), ("pause_s", 0.0), ("around_s", 0.0), ("snr_db", -20.0)):
            low, high = getattr(self, name)
            if not least <= low <= high:
                raise ConfigError(
                    f"SpokenNumbersConfig.{name} must be two rising numbers of at least {least:g}, got ({low}, {high})."
                )
        if self.rate_hz < 1000:
            raise ConfigError(f"SpokenNumbersConfig.rate_hz must be at least 1000, got {self.rate_hz}.")


def make_spoken_numbers(
    digits: Table,
    count: int,
    *,
    seed: int = 0,
    config: SpokenNumbersConfig | None = None,
    audio: str = "audio",
    digit: str = "digit",
    speaker: str = "speaker",
) -> Table:
    """Compose `count` recordings of numbers from recordings of single digits.

    All digits of a number are spoken by one voice. Number i depends on the seed and i alone, so a longer table begins
    with the shorter one.

    Args:
        digits: Recordings of single digits, such as the data set fsdd.
        count: How many numbers.
        seed: Of the numbers, pauses and noise.
        config: How they sound.
        audio: Column of the recordings.
        digit: Column of their classes, "0" to "9".
        speaker: Column of the voices.

    Returns:
        A table with `audio` (int16 samples), `number` (text, leading zeros kept), `speaker`, and what stages may learn
        from: `spans`, a list of [start, end] in seconds, and `digits`, the list of classes, both in order of time.

    Raises:
        DataError: `digits` is empty, or a recording cannot be read; the first is named.
    """
    config = config or SpokenNumbersConfig()
    by_voice = _by_voice(digits, config.rate_hz, audio, digit, speaker)
    voices = sorted(by_voice)
    cells: dict[str, list[object]] = {name: [] for name in ("audio", "number", "speaker", "spans", "digits")}
    for number in range(count):
        rng = np.random.default_rng(step_seed(seed, "spoken numbers", number))
        voice = voices[int(rng.integers(len(voices)))]
        samples, labels, spans = _compose(by_voice[voice], rng, config)
        for name, cell in zip(cells, (samples, "".join(labels), voice, spans, labels), strict=True):
            cells[name].append(cell)
    return Table.from_arrays(
        cells,
        {
            "audio": Audio(rate_hz=config.rate_hz, layout="sequence"),
            "number": Text(),
            "speaker": Category(),
            "spans": Raw(),
            "digits": Raw(),
        },
    )


def _by_voice(
    digits: Table, rate_hz: int, audio: str, digit: str, speaker: str
) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Classes and recordings `(num_samples,)` in -1..1 of each voice, as loud as each other."""
    if not len(digits):
        raise DataError("No recordings of digits to compose numbers from: give at least one.")
    by_voice: dict[str, list[tuple[str, np.ndarray]]] = defaultdict(list)
    classes, voices = digits.column_values(digit), digits.column_values(speaker)
    for row, value in enumerate(digits.column_values(audio)):
        try:
            samples = read_samples(value, rate_hz).astype(np.float32) / _FULL_SCALE
        except ValueError as error:
            raise DataError(f"Row {row}, column {audio!r}, {value!s:.80}: {error}.") from error
        level = float(np.sqrt(np.square(samples).mean()))
        by_voice[str(voices[row])].append((str(classes[row]), samples / max(level, 1e-4)))
    return by_voice


def _compose(
    recordings: Sequence[tuple[str, np.ndarray]], rng: np.random.Generator, config: SpokenNumbersConfig
) -> tuple[np.ndarray, list[str], list[list[float]]]:
    """Samples int16, classes and spans of one number."""
    rate = config.rate_hz
    length = int(rng.integers(config.lengths[0], config.lengths[1] + 1))
    parts: list[np.ndarray] = [np.zeros(round(rng.uniform(*config.around_s) * rate), np.float32)]
    labels: list[str] = []
    spans: list[list[float]] = []
    reached = len(parts[0])
    for place in range(length):
        label, samples = recordings[int(rng.integers(len(recordings)))]
        gain = 10 ** (rng.uniform(-config.gain_db, config.gain_db) / 20)
        pause = config.pause_s if place + 1 < length else config.around_s
        parts += [samples * gain, np.zeros(round(rng.uniform(*pause) * rate), np.float32)]
        labels.append(label)
        spans.append([round(reached / rate, 4), round((reached + len(samples)) / rate, 4)])
        reached += len(samples) + len(parts[-1])
    speech = np.concatenate(parts)
    level = float(np.sqrt(np.square(np.concatenate(parts[1::2])).mean()))
    noise = _noise(len(speech), rng) * level * 10 ** (-rng.uniform(*config.snr_db) / 20)
    mixed = speech + noise.astype(np.float32)
    mixed *= _LOUDEST * rng.uniform(0.2, 1.0) / max(float(np.abs(mixed).max()), 1e-6)
    return np.round(mixed * _FULL_SCALE).astype(np.int16), labels, spans


def _noise(num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of level 1 whose power falls with the frequency to a power between 0 (white) and 1 (pink)."""
    length = 1 << (num_samples - 1).bit_length()  # transforms of prime lengths take ten times as long
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (rng.uniform(0, 1) / 2)
    noise = np.fft.irfft(spectrum, length)[:num_samples]
    return noise / max(float(np.sqrt(np.square(noise).mean())), 1e-9)

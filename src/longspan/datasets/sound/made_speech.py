"""Made-up speech: texts spoken by a synthesiser, with phonemes and times; for any number of hours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from longspan.audio.audio_io import resample, to_int16
from longspan.columns import Audio, Category, Raw, Text
from longspan.data import Table
from longspan.datasets.sound.espeak import speak
from longspan.errors import ConfigError, DataError
from longspan.randomness import step_seed

__all__ = ["VOICES", "make_speech"]

VOICES = (
    "en-us", "en-us+f1", "en-us+f2", "en-us+f3", "en-us+f5", "en-us+m1", "en-us+m3", "en-us+m5", "en-us+m7",
    "en-gb-x-rp", "en-gb-x-rp+f3", "en-gb-x-rp+m2", "en-gb-scotland", "en-gb-x-gbclan+m4", "en-029", "en-029+f2",
)  # fmt: skip
"""English voices: accents, with variants of sex and age."""


def make_speech(
    texts: Sequence[str],
    voices: Sequence[str] = VOICES,
    *,
    seed: int = 0,
    rate_hz: int = 16_000,
    words_per_minute: tuple[int, int] = (140, 200),
    pitch: tuple[int, int] = (30, 70),
    snr_db: tuple[float, float] | None = (15.0, 40.0),
) -> Table:
    """Speak texts with eSpeak NG; voice, speed and pitch of each depend on the seed and its place alone.

    The synthesiser does not promise the same samples twice: the breath of some voices differs from call to call.

    It is speech of rules, cleaner and more even than people's: what is learned from it is a start. Every row says so
    in its column `made_up`.

    Args:
        texts: Such as a text column of a table.
        voices: As eSpeak NG names them.
        seed: Of voices, speeds, pitches and noise.
        rate_hz: Samples a second.
        words_per_minute: Slowest and fastest.
        pitch: Lowest and highest, 0 to 99.
        snr_db: Smallest and largest distance of the speech from white noise, in decibels; None: no noise.

    Returns:
        A table with `audio` (int16 samples), `text`, `voice`, `phonemes` (a list, in IPA), `spans` (a list of [start,
        end] of each, in seconds), and `made_up`, which is "eSpeak NG" in every row.

    Raises:
        DependencyError: eSpeak NG is not installed; the message has the line that installs it.
        ConfigError: there is no such voice, or a range is not rising.
        DataError: texts of which nothing is said, such as empty ones; all of them are named.
    """
    if not voices:
        raise ConfigError("make_speech needs at least one voice, such as en-us.")
    for name, (low, high) in (("words_per_minute", words_per_minute), ("pitch", pitch), ("snr_db", snr_db or (0, 0))):
        if low > high:
            raise ConfigError(f"make_speech: {name} must be two rising numbers, got ({low}, {high}).")
    empty = [place for place, text in enumerate(texts) if not any(letter.isalnum() for letter in text)]
    if empty:
        shown = ", ".join(map(str, empty[:10]))
        raise DataError(f"{len(empty)} texts have no letter or digit to speak: texts {shown}.")
    cells: dict[str, list[object]] = {name: [] for name in ("audio", "text", "voice", "phonemes", "spans", "made_up")}
    for place, text in enumerate(texts):
        rng = np.random.default_rng(step_seed(seed, "made-up speech", place))
        voice = voices[int(rng.integers(len(voices)))]
        # Capitals would be spelled letter by letter where they look like an abbreviation.
        spoken = speak(
            text.lower() if text.isupper() else text,
            voice,
            words_per_minute=int(rng.integers(words_per_minute[0], words_per_minute[1] + 1)),
            pitch=int(rng.integers(pitch[0], pitch[1] + 1)),
        )
        samples = spoken.samples.astype(np.float32) / 32768
        if spoken.rate_hz != rate_hz:
            samples = resample(samples, spoken.rate_hz, rate_hz)
        if snr_db is not None:
            level = float(np.sqrt(np.square(samples).mean())) * 10 ** (-rng.uniform(*snr_db) / 20)
            samples = samples + level * rng.standard_normal(len(samples))
        phonemes = [name for name, _, _ in spoken.phonemes]
        spans = [[round(start, 3), round(end, 3)] for _, start, end in spoken.phonemes]
        row = (to_int16(np.clip(samples, -1, 1)), text, voice, phonemes, spans, "eSpeak NG")
        for column, cell in zip(cells.values(), row, strict=True):
            column.append(cell)
    return Table.from_arrays(
        cells,
        {
            "audio": Audio(rate_hz=rate_hz, layout="sequence"),
            "text": Text(),
            "voice": Category(),
            "phonemes": Raw(),
            "spans": Raw(),
            "made_up": Category(),
        },
    )

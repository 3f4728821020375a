"""A data set of made-up speech of any number of hours, kept in a folder: the curves that real hours do not reach."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import longspan as ls
from longspan.datasets.sound.made_speech import VOICES
from longspan.errors import DataError, DependencyError
from longspan.storage.files import write_whole
from longspan.systems.speech.stages import RATE_HZ

__all__ = ["TEST_VOICES", "made_up_recordings", "made_up_texts"]

TEST_VOICES = ("en-us+m3", "en-gb-x-rp+f3", "en-029")
"""Voices that no training recording has."""
_TRAIN_VOICES = tuple(voice for voice in VOICES if voice not in TEST_VOICES)
_WORDS = 12  # of a recording, at least: sentences are joined
_TOGETHER = 64
_TEST_ROWS = 240
_LIST = "recordings.csv"
_FIELDS: tuple[str, ...] = ("audio", "text", "speaker", "part", "seconds")


def made_up_texts(seed: int) -> list[str]:
    """Texts of about twelve words in capitals, each of one or more English sentences of `tatoeba-en-fr`."""
    table = ls.datasets.load("tatoeba-en-fr", accept_small=True)
    plain = ("".join(each if each.isalpha() or each in "' " else " " for each in text.upper()) for text in table["en"])
    sentences = [
        text for text in dict.fromkeys(" ".join(each.split()) for each in plain) if text.isascii() and " " in text
    ]
    np.random.default_rng(seed).shuffle(sentences)
    texts, words = [], list[str]()
    for sentence in sentences:
        words += sentence.split()
        if len(words) >= _WORDS:
            texts.append(" ".join(words))
            words = []
    return texts


def made_up_recordings(folder: Path, hours: float, texts: Sequence[str], *, seed: int) -> ls.Table:
    """So many hours of training recordings and 240 test recordings by other voices, of other texts, as FLAC files.

    What an earlier call has spoken stays as it is, for the synthesiser does not promise the same samples twice.

    Args:
        folder: Of the files, about 100 MB for each hour, and of their list, `recordings.csv`.
        hours: Of training recordings.
        texts: To speak: first those of the test recordings.
        seed: Of voices, speeds, pitches and noise.

    Returns:
        Columns `audio`, `text`, `speaker` (the voice) and `part`: train or test.

    Raises:
        DataError: the texts are too few for the hours; the folder holds speech of another seed or of other texts.
        DependencyError: eSpeak NG or soundfile is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    settings = json.dumps({"seed": seed, "texts": len(texts), "sha256": digest})
    described = folder / "settings.json"
    if described.exists() and described.read_text(encoding="utf-8") != settings:
        raise DataError(f"{folder} holds made-up speech of another seed or of other texts: choose another --out.")
    write_whole(described, lambda path: _text(path, settings))
    rows = _read(folder / _LIST)
    spoken = sum(float(row["seconds"]) for row in rows if row["part"] == "train")
    while len(rows) < _TEST_ROWS or spoken < 3600 * hours:
        first = len(rows)
        test = first < _TEST_ROWS
        some = texts[first : min(first + _TOGETHER, _TEST_ROWS if test else len(texts))]
        if not some:
            raise DataError(
                f"{len(texts):,} texts are {spoken / 3600:.1f} hours of speech; {hours:g} were asked for: --hours."
            )
        added = _speak(folder, first, some, TEST_VOICES if test else _TRAIN_VOICES, seed)
        rows += [{**row, "part": "test" if test else "train"} for row in added]
        spoken += 0.0 if test else sum(float(row["seconds"]) for row in added)
        _write(folder / _LIST, rows)
    kept, heard = [], 0.0
    for row in rows:
        if row["part"] == "test" or heard < 3600 * hours:
            kept.append(row)
            heard += 0.0 if row["part"] == "test" else float(row["seconds"])
    return ls.Table.from_arrays(
        {
            "audio": [str(folder / row["audio"]) for row in kept],
            **{name: [row[name] for row in kept] for name in ("text", "speaker", "part")},
        },
        {
            "audio": ls.Audio(rate_hz=RATE_HZ, layout="sequence"),
            "text": ls.Text(),
            "speaker": ls.Category(),
            "part": ls.Category(),
        },
    )


def _speak(folder: Path, first: int, texts: Sequence[str], voices: Sequence[str], seed: int) -> list[dict[str, str]]:
    try:
        import soundfile
    except ImportError:
        raise DependencyError("Sound files need the extra audio: python -m pip install 'longspan[audio]'.") from None
    # A seed for each group of texts: voice, speed and pitch depend on the place within a call.
    spoken = ls.datasets.make_speech(texts, voices, seed=1_000_003 * seed + first)
    rows = []
    for place, (samples, text, voice) in enumerate(
        zip(*(spoken.column_values(name) for name in ("audio", "text", "voice")), strict=True), start=first
    ):
        name = f"{place:06d}.flac"
        soundfile.write(folder / name, samples, RATE_HZ)
        rows.append({"audio": name, "text": text, "speaker": voice, "seconds": f"{len(samples) / RATE_HZ:.3f}"})
    return rows


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, rows: Sequence[dict[str, str]]) -> None:
    lines = io.StringIO()
    writer = csv.DictWriter(lines, _FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, lambda new: _text(new, lines.getvalue()))


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")

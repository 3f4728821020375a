"""Recordings with their transcripts, in the layouts of Kaldi, LibriSpeech, Common Voice and LJSpeech."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final, get_args

import polars as pl

from longspan.audio.audio_io import AUDIO_ENDINGS, segment
from longspan.columns import Audio, Category, Column, Text
from longspan.data.annotations.files import lines_of, read_text
from longspan.data.table_parts import TableParts
from longspan.errors import DataError, Fault, data_error, unknown_name

__all__ = ["LAYOUTS", "Layout", "read_transcripts"]

Layout = Literal["kaldi", "librispeech", "common_voice", "ljspeech", "list"]
_LIMIT_BYTES = 1 << 32
LAYOUTS: tuple[str, ...] = get_args(Layout)
"""Names of the layouts; "list" is a file with a recording, a tab and its text on each line."""


@final
@dataclass(frozen=True, slots=True)
class _Row:
    """One recording, or a part of one."""

    where: str
    audio: Path | None
    text: str | None
    speaker: str | None = None
    start_s: float | None = None
    end_s: float | None = None


def read_transcripts(
    path: str | Path,
    layout: Layout | None = None,
    *,
    root: str | Path | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    tell: Callable[[str], None] = lambda sentence: None,
) -> TableParts:
    """Recordings and texts as columns `audio`, `text` and, where it is known, `speaker`.

    - Kaldi: a folder with `wav.scp` and `text`, perhaps `segments` and `utt2spk`.
    - LibriSpeech: a folder with files `*.trans.txt`, each beside its recordings.
    - Common Voice: a file such as `train.tsv` with columns `path`, `sentence` and perhaps `client_id`; recordings in
      `clips/` beside it.
    - LJSpeech: `metadata.csv`, or its folder; recordings in `wavs/`. The normalised text is read where there is one.
    - A list: a file with a recording, a tab and its text on each line.

    Args:
        path: The folder or file.
        layout: One of `LAYOUTS`; None: by the names of the files.
        root: Where the recordings of a list are; None: beside it.
        on_error: "raise" refuses recordings without a text and texts without a recording, all by name; "skip" leaves
            them out.
        tell: Called with a sentence about what was left out.

    Raises:
        DataError: the layout is not known, or something is missing; everything at once.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(f"There is no file or folder {path} with transcripts.")
    if layout is not None and layout not in LAYOUTS:
        raise unknown_name("layout of transcripts", layout, LAYOUTS)
    layout = layout or _layout_of(path)
    base = path if path.is_dir() else path.parent
    found = list(_READERS[layout](path, Path(root).expanduser() if root is not None else base))
    rows, faults = [], []
    said: dict[tuple[Path | None, float | None], str] = {}
    for row in found:
        fault = _fault(row) or _again(row, said)
        if fault is None:
            rows.append(row)
        else:
            faults.append(fault)
    if faults and on_error == "raise":
        raise data_error(
            f"{len(faults)} of {len(found)} recordings in {path} cannot be used:", faults,
            'Fix them, or leave them out: on_error="skip" (--on-error skip).',
        )  # fmt: skip
    if faults:
        tell(f"{len(faults)} of {len(found)} recordings in {path} are left out; the first: {faults[0]!r}")
    if not rows:
        raise DataError(f"{path} holds no recording with a transcript.")
    _tell_of_silent(path, [row.audio for row in found if row.audio is not None], tell)
    cells: dict[str, list[str | None]] = {
        "audio": [segment(row.audio.resolve(), row.start_s, row.end_s) for row in rows if row.audio is not None],
        "text": [row.text for row in rows],
    }
    columns: dict[str, Column] = {"audio": Audio(layout="sequence"), "text": Text(empty="fault")}
    if all(row.speaker for row in rows):
        cells["speaker"], columns["speaker"] = [row.speaker for row in rows], Category()
    frame = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    return TableParts(frame=frame, columns=columns, source=str(path), root=base)


def _tell_of_silent(path: Path, named: list[Path], tell: Callable[[str], None]) -> None:
    """Say which recordings beside those that are named have no transcript: a list may be a part on purpose."""
    known = {each.resolve() for each in named}
    beside = (each for folder in sorted({each.parent for each in known}) for each in sorted(folder.glob("*")))
    silent = [each.name for each in beside if each.suffix.lower() in AUDIO_ENDINGS and each not in known]
    if silent:
        some = ", ".join(silent[:3]) + (" and others" if len(silent) > 3 else "")
        is_or_are = "recording has" if len(silent) == 1 else "recordings have"
        tell(f"{len(silent):,} {is_or_are} no transcript in {path}, left out: {some}")


def _layout_of(path: Path) -> Layout:
    if path.is_dir():
        if (path / "wav.scp").is_file():
            return "kaldi"
        if (path / "metadata.csv").is_file():
            return "ljspeech"
        if next(path.rglob("*.trans.txt"), None) is not None:
            return "librispeech"
        raise DataError(
            f"{path} has no transcripts in a layout that is known: Kaldi's wav.scp and text, LibriSpeech's "
            "*.trans.txt, or LJSpeech's metadata.csv. For Common Voice, name the file, such as train.tsv."
        )
    if path.name == "metadata.csv":
        return "ljspeech"
    first = next(iter(_lines(path)), (0, ""))[1].split("\t")
    return "common_voice" if {"path", "sentence"} <= set(first) else "list"


def _fault(row: _Row) -> Fault | None:
    """What is missing."""
    if row.audio is None:
        return Fault(row.where, "there is no recording for this transcript")
    if not row.audio.is_file():
        return Fault(row.where, f"there is no recording {row.audio}")
    if row.text is None:
        return Fault(row.where, f"there is no transcript for {row.audio.name}")
    if not row.text.strip():
        return Fault(row.where, f"the transcript of {row.audio.name} is empty")
    if row.start_s is not None and row.end_s is not None and row.end_s <= row.start_s:
        return Fault(row.where, f"the part from {row.start_s:g} s to {row.end_s:g} s ends before it begins")
    return None


def _again(row: _Row, said: dict[tuple[Path | None, float | None], str]) -> Fault | None:
    """That a recording, or a part of it, comes again with another transcript; `said` holds those before."""
    assert row.text is not None
    if said.setdefault((row.audio, row.start_s), row.text) == row.text or row.audio is None:
        return None
    return Fault(row.where, f"{row.audio.name} has another transcript above; keep one")


def _lines(path: Path) -> list[tuple[int, str]]:
    """Lines that are not empty, with their numbers."""
    try:
        lines = lines_of(read_text(path, limit_bytes=_LIMIT_BYTES))
    except ValueError as error:
        raise DataError(f"{path}: {error}.") from error
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _keyed(path: Path) -> dict[str, str]:
    """Kaldi's files: a key, a blank or tab, and what belongs to it.

    Raises:
        DataError: a key occurs twice, with different entries.
    """
    found: dict[str, str] = {}
    for number, line in _lines(path):
        key, *rest = line.split(maxsplit=1)
        value = rest[0].strip() if rest else ""
        if found.setdefault(key, value) != value:
            raise DataError(f"{path}, line {number}: {key!r} occurs twice, with different entries; keep one.")
    return found


def _kaldi(path: Path, base: Path) -> Iterator[_Row]:
    files, texts = _keyed(path / "wav.scp"), _keyed(path / "text")
    piped = [key for key, value in files.items() if value.endswith("|")]
    if piped:
        raise DataError(
            f"{path / 'wav.scp'} makes {len(piped)} recordings by commands, such as {piped[0]!r}; commands in data are "
            "not run. Write the recordings to files first."
        )
    speakers = _keyed(path / "utt2spk") if (path / "utt2spk").is_file() else {}
    parts = _keyed(path / "segments") if (path / "segments").is_file() else {key: key for key in files}
    for key in dict.fromkeys((*parts, *texts)):
        recording, *times = parts.get(key, "").split() or [""]
        where = f"{path.name}, utterance {key!r}"
        audio = (base / files[recording]) if recording in files else None
        try:
            start, end = (float(each) for each in times) if times else (None, None)
        except ValueError:
            raise DataError(f"{path / 'segments'}: {key!r} needs a recording, a start and an end in seconds.") from None
        yield _Row(where, audio, texts.get(key), speakers.get(key), start, end)


def _librispeech(path: Path, base: Path) -> Iterator[_Row]:
    del base
    for listed in sorted(path.rglob("*.trans.txt")):
        for number, line in _lines(listed):
            name, _, text = line.partition(" ")
            yield _Row(
                f"{listed.name}, line {number}", _beside(listed.parent, name), text.strip(), name.partition("-")[0]
            )


def _common_voice(path: Path, base: Path) -> Iterator[_Row]:
    (_, head), *rest = _lines(path)
    names = head.split("\t")
    clips = base / "clips" if (base / "clips").is_dir() else base
    for number, line in rest:
        cells = dict(zip(names, line.split("\t"), strict=False))
        name = cells.get("path", "")
        audio = clips / name if Path(name).suffix else _beside(clips, name)
        yield _Row(f"{path.name}, line {number}", audio, cells.get("sentence"), cells.get("client_id"))


def _ljspeech(path: Path, base: Path) -> Iterator[_Row]:
    listed = path / "metadata.csv" if path.is_dir() else path
    for number, line in _lines(listed):
        name, *texts = line.split("|")
        text = next((each for each in reversed(texts) if each.strip()), None)
        yield _Row(f"{listed.name}, line {number}", _beside(base / "wavs", name), text)


def _list(path: Path, base: Path) -> Iterator[_Row]:
    for number, line in _lines(path):
        name, tab, text = line.partition("\t")
        audio = base / name if Path(name).suffix.lower() in AUDIO_ENDINGS else _beside(base, name)
        if number == 1 and (audio is None or not audio.is_file()) and tab:
            continue  # names of the columns
        yield _Row(f"{path.name}, line {number}", audio, text.strip() if tab else None)


def _beside(folder: Path, name: str) -> Path | None:
    """The recording of this name, whatever its ending."""
    for ending in sorted(AUDIO_ENDINGS):
        if (folder / f"{name}{ending}").is_file():
            return folder / f"{name}{ending}"
    return None


_READERS: dict[str, Callable[[Path, Path], Iterator[_Row]]] = {
    "kaldi": _kaldi, "librispeech": _librispeech, "common_voice": _common_voice, "ljspeech": _ljspeech, "list": _list,
}  # fmt: skip

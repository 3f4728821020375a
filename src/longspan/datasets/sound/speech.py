"""Speech with its text: LibriSpeech, a small part of it, and a man who says yes and no in Hebrew."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl

from longspan.columns import Audio, Category, Text
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source

__all__ = ["LIBRISPEECH", "LIBRISPEECH_SMALL", "YESNO", "read_librispeech"]

_SPEECH = Audio(layout="sequence")
_HOME = "https://www.openslr.org/12"
_LICENCE = "CC BY 4.0 (Panayotov, Chen, Povey, Khudanpur 2015)"


def _table(root: Path, cells: dict[str, list[str]]) -> Table:
    kinds = {name: Category() for name in cells if name not in ("audio", "text")}
    frame = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    return Table(frame, {"audio": _SPEECH, "text": Text(empty="fault"), **kinds}, root=root, source=str(root))


def _load_small(root: Path) -> Table:
    """Columns `audio`, `text` (capitals, apostrophes, blanks), `speaker`, `sex` and `part`."""
    folder = root / "librispeech_small"
    with (folder / "utterances.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return _table(
        folder,
        {
            "audio": [f"audio/{row['speaker']}/{row['id']}.opus" for row in rows],
            "text": [row["text"] for row in rows],
            "speaker": [row["speaker"] for row in rows],
            "sex": [row["sex"] for row in rows],
            "part": [row["split"] for row in rows],
        },
    )


def read_librispeech(root: Path) -> Table:
    """Columns `audio`, `text`, `speaker` and `part` of folders in LibriSpeech's layout.

    Lines of `PART/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt` are the name of a recording beside them, and its text.
    """
    cells: dict[str, list[str]] = {"audio": [], "text": [], "speaker": [], "part": []}
    for listed in sorted(root.glob("*/*/*/*.trans.txt")):
        speaker, part = listed.parent.parent.name, listed.parent.parent.parent.name
        for line in listed.read_text("utf-8").splitlines():
            name, _, text = line.partition(" ")
            path = (listed.parent / f"{name}.flac").relative_to(root).as_posix()
            for column, cell in zip(cells, (path, text.strip(), speaker, _PARTS.get(part, part)), strict=True):
                cells[column].append(cell)
    return _table(root, cells)


_PARTS = {"train-clean-100": "train", "dev-clean": "valid", "test-clean": "test"}


def _load_librispeech(root: Path) -> Table:
    return read_librispeech(root / "LibriSpeech")


def _load_yesno(root: Path) -> Table:
    """Columns `audio` and `text`: eight words, "yes" or "no", which are ken and lo in Hebrew; and `part`.

    Every second recording by name is "test", up to 29 of 60: as many as Kaldi's recipe tests on.
    """
    folder = root / "waves_yesno"
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".opus", ".wav"))
    texts = [" ".join("yes" if bit == "1" else "no" for bit in path.stem.split("_")) for path in paths]
    parts = ["test" if number % 2 and number < 58 else "train" for number in range(len(paths))]
    return _table(folder, {"audio": [path.name for path in paths], "text": texts, "part": parts})


LIBRISPEECH_SMALL = NamedData(
    name="librispeech-small",
    title="LibriSpeech, 2.8 hours of test-clean",
    rows=2007,
    task="audio -> text",
    licence=_LICENCE,
    home=_HOME,
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="librispeech_small.tar.gz",
                    size=25_039_129,
                    sha256="784b85889da6172b74f2017aa1cc757a84bb91f6bc2c12c3763c8b64ebee4211",
                ),
            ),
            load=_load_small,
            differs="Recordings up to 10 s of test-clean as Ogg Opus at 20 kbit/s, split here into three parts.",
            layout=(("librispeech_small/audio/*/*.opus", 2007),),
        ),
    ),
    note="Its parts have no speaker, text or book in common. It is made of LibriSpeech's test-clean: a model that "
    "trained on it must not be measured there.",
)

LIBRISPEECH = NamedData(
    name="librispeech-100",
    title="LibriSpeech: train-clean-100, dev-clean and test-clean",
    rows=33_862,
    task="audio -> text",
    licence=_LICENCE,
    home=_HOME,
    sources=(
        Source(
            files=tuple(
                RemoteFile(
                    path=f"{name}.tar.gz",
                    size=size,
                    md5=md5,
                    urls=(
                        f"https://www.openslr.org/resources/12/{name}.tar.gz",
                        f"https://us.openslr.org/resources/12/{name}.tar.gz",
                    ),
                    stated_by="openslr.org (address, size, MD5)",
                )
                for name, size, md5 in (
                    ("train-clean-100", 6_387_309_499, "2a93770f6d5c6c964bc36631d331a522"),
                    ("dev-clean", 337_926_286, "42e2234ba48799c1f50f24a7926300a1"),
                    ("test-clean", 346_663_984, "32fa31d27d2e1cad72775fee3f4849a9"),
                )
            ),
            load=_load_librispeech,
            layout=(("LibriSpeech/*/*/*/*.flac", 33_862),),
        ),
    ),
    small="librispeech-small",
)

YESNO = NamedData(
    name="yesno",
    title="One man says yes and no in Hebrew: 60 recordings of eight words",
    rows=60,
    task="audio -> text",
    licence="not stated (OpenSLR resource 1)",
    home="https://www.openslr.org/1",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="waves_yesno.openslr.tar.gz",
                    size=4_703_754,
                    sha256="c3f49e0cca421f96b75b41640749167b52118f232498667ca7a5f9416aef8e73",
                    urls=("https://www.openslr.org/resources/1/waves_yesno.tar.gz",),
                    stated_by="torchaudio (address, SHA-256)",
                ),
            ),
            load=_load_yesno,
            layout=(("waves_yesno/*.wav", 60),),
        ),
        Source(
            files=(
                RemoteFile(
                    path="waves_yesno.tar.gz",
                    size=1_014_279,
                    sha256="7b1266c5b4c3f9d7ebafd5c27f99c350db5cfa3834cadd58fcdab63905cb3776",
                ),
            ),
            load=_load_yesno,
            differs="Recordings were stored as Ogg Opus at 24 kbit/s.",
            layout=(("waves_yesno/*.opus", 60),),
        ),
    ),
)

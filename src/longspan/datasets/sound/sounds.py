"""Sounds with a class: environmental sounds, spoken digits, commands in English and Arabic."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import polars as pl

from longspan.columns import Audio, Category, Number
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source
from longspan.errors import DataError

__all__ = [
    "ARABIC_COMMANDS",
    "ARABIC_COMMANDS_SMALL",
    "ESC10",
    "ESC50",
    "FSDD",
    "SPEECH_COMMANDS_TEST",
    "table_of_files",
]


def table_of_files(root: Path, cells: dict[str, list[object]], audio: Audio | None = None) -> Table:
    """A table whose column `audio` holds paths below `root`; numbers stay numbers, everything else is a category."""
    frame = pl.DataFrame(cells, strict=False)
    kinds = {name: Number() if frame[name].dtype.is_numeric() else Category() for name in cells if name != "audio"}
    return Table(frame, {"audio": audio or Audio(), **kinds}, root=root, source=str(root))


_ACCENTS = {
    "george": "GRC/Greek", "jackson": "USA/neutral", "lucas": "DEU/German", "nicolas": "BEL/French",
    "theo": "USA/neutral", "yweweler": "DEU/German",
}  # fmt: skip


def _load_fsdd(root: Path) -> Table:
    """Columns `audio`, `digit` ("0" to "9"), `speaker`, `accent` and `part`: repetitions 0 to 4 are "test"."""
    paths = sorted(root.glob("*/recordings/*.*"))
    digits, speakers, repeats = zip(*(path.stem.split("_") for path in paths), strict=True)
    return table_of_files(
        root,
        {
            "audio": [path.relative_to(root).as_posix() for path in paths],
            "digit": list(digits),
            "speaker": list(speakers),
            "accent": [_ACCENTS[speaker] for speaker in speakers],
            "part": ["test" if int(repeat) < 5 else "train" for repeat in repeats],
        },
    )


def _load_commands(root: Path) -> Table:
    """Columns `audio`, `word` (ten words, `_unknown_` and `_silence_`), `speaker` and `part`.

    The three parts have no speaker in common; clips of silence have none.
    """
    stored = json.loads((Path(__file__).parent / "speech_commands_parts.json").read_text("utf-8"))
    part_of = {each: part for part, names in stored.items() for each in names}
    cells: dict[str, list[object]] = {"audio": [], "word": [], "speaker": [], "part": []}
    for path in sorted(path for path in root.rglob("*.*") if path.suffix in (".opus", ".wav")):
        own = path.stem.partition("_nohash_")[0].rpartition("_")[2]  # a speaker, or the number of a silence
        speaker = own if "_nohash_" in path.stem else None
        row = (path.relative_to(root).as_posix(), path.parent.name, speaker, part_of.get(own, "train"))
        for column, cell in zip(cells, row, strict=True):
            cells[column].append(cell)
    return table_of_files(root, cells, _COMMANDS)


_COMMANDS = Audio(seconds=1.0, refuse=())  # some clips of silence hold nothing at all


def _load_arabic(root: Path) -> Table:
    """Columns `audio`, `word`, `speaker` and `part` (the official lists); the parts have no speaker in common."""
    (listed,) = root.glob("*/train.csv")
    folder = listed.parent
    cells: dict[str, list[object]] = {"audio": [], "word": [], "speaker": [], "part": []}
    for part, file in (("train", "train.csv"), ("valid", "val.csv"), ("test", "test.csv")):
        with (folder / file).open(encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                speaker = Path(row["file"]).name.partition("_")[0]
                for column, cell in zip(cells, (row["file"], row["class"], speaker, part), strict=True):
                    cells[column].append(cell)
    return table_of_files(folder, cells, Audio(seconds=1.0))


def _load_esc10(root: Path) -> Table:
    """Columns `audio`, `sound` (10 classes) and `fold` ("1" to "5"): no source recording is in two folds."""
    paths = sorted(path for path in root.rglob("*.*") if path.suffix in (".ogg", ".opus"))
    return table_of_files(
        root,
        {
            "audio": [path.relative_to(root).as_posix() for path in paths],
            # Folders are called "001 - Dog bark", or "001_dog_bark".
            "sound": [path.parent.name[3:].strip(" -_").replace("_", " ").lower() for path in paths],
            "fold": [path.name[0] for path in paths],
        },
        Audio(seconds=5.0),
    )


def _load_esc50(root: Path) -> Table:
    """Columns `audio`, `sound` (50 classes), `fold` ("1" to "5") and `esc10` (bool: one of the ten easy classes)."""
    (listed,) = root.glob("*/meta/esc50.csv")
    folder = listed.parent.parent
    with listed.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    missing = [row["filename"] for row in rows if not (folder / "audio" / row["filename"]).is_file()]
    if missing:
        raise DataError(f"{folder / 'audio'} lacks {len(missing)} recordings, such as {missing[0]}.")
    return table_of_files(
        folder,
        {
            "audio": [f"audio/{row['filename']}" for row in rows],
            "sound": [row["category"].replace("_", " ") for row in rows],
            "fold": [row["fold"] for row in rows],
            "esc10": [row["esc10"] == "True" for row in rows],
        },
        Audio(seconds=5.0),
    )


_ARABIC_LICENCE = "CC BY 4.0 (Ghandoura, Hjabo, Al Dakkak 2021)"
_ARABIC_HOME = "https://github.com/abdulkaderghandoura/arabic-speech-commands-dataset"
_OPUS = "Recordings were stored as Ogg Opus at {} kbit/s."

FSDD = NamedData(
    name="fsdd",
    title="Free Spoken Digit Dataset: 3,000 digits by six speakers",
    rows=3000,
    task="audio -> digit",
    licence="CC BY-SA 4.0 (Jackson and others)",
    home="https://github.com/Jakobovski/free-spoken-digit-dataset",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="free-spoken-digit-dataset-1.0.10.zip",
                    size=16_000_000,
                    exact=False,
                    urls=("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip",),
                    stated_by="the data set's page (address)",
                ),
            ),
            load=_load_fsdd,
            layout=(("*/recordings/*.wav", 3000),),
            contents=(("*/recordings/*.wav", "b970ad27af2ee4e5e7a0d22d362c9c291853ec714a0193b103870a5637de65fe"),),
        ),
        Source(
            files=(
                RemoteFile(
                    path="fsdd.tar.gz",
                    size=3_312_289,
                    sha256="480ca6d19dc84c8957f28db73282fe57c3e92f2e9faeeee93aca4d59b34d90bf",
                ),
            ),
            load=_load_fsdd,
            differs=_OPUS.format(20),
            layout=(("fsdd/recordings/*.opus", 3000),),
        ),
    ),
    note="The official split tests repetitions 0 to 4 of speakers that also train: it measures how well known voices "
    "are read. For new voices leave speakers out: split(group='speaker').",
)

SPEECH_COMMANDS_TEST = NamedData(
    name="speech-commands-test",
    title="Speech Commands v0.02, the official test set of 12 classes",
    rows=4890,
    task="audio -> word",
    licence="CC BY 4.0 (Warden 2018)",
    home="https://www.tensorflow.org/datasets/catalog/speech_commands",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="speech_commands_test_set_v0.02.tar.gz",
                    size=112_563_277,
                    sha256="cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df",
                    urls=(
                        "https://storage.googleapis.com/download.tensorflow.org/data/"
                        "speech_commands_test_set_v0.02.tar.gz",
                        "http://download.tensorflow.org/data/speech_commands_test_set_v0.02.tar.gz",
                    ),
                    stated_by="TensorFlow Datasets (address, size, SHA-256)",
                ),
            ),
            load=_load_commands,
            layout=(("*/*.wav", 4890),),
        ),
        Source(
            files=(
                RemoteFile(
                    path="speech_commands_v2_test.tar.gz",
                    size=11_123_253,
                    sha256="3935034f04911f6dbd7537d05ecf6f088fac71849a517b9262e4452dd1349540",
                ),
            ),
            load=_load_commands,
            differs=_OPUS.format(20),
            layout=(("speech_commands_v2_test/audio/*/*.opus", 4890),),
        ),
    ),
    note="The set has one part; three parts without a common speaker are drawn from it here. A model trained elsewhere "
    "may be tested on all of it, one trained on its part train on its part test alone.",
)

ARABIC_COMMANDS = NamedData(
    name="arabic-commands",
    title="Arabic speech commands: 40 words by 30 speakers",
    rows=12_000,
    task="audio -> word",
    licence=_ARABIC_LICENCE,
    home=_ARABIC_HOME,
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="arabic-speech-commands-dataset.zip",
                    size=384_000_000,
                    exact=False,
                    urls=(
                        "https://github.com/abdulkaderghandoura/arabic-speech-commands-dataset/archive/"
                        "72f3438212ff6cf8fbe5ae8068361840646429bd.zip",
                    ),
                    stated_by="the data set's page (address)",
                ),
            ),
            load=_load_arabic,
            layout=(("*/dataset/*/*.wav", 12_000), ("*/train.csv", 1)),
            contents=(
                ("*/dataset/*/*.wav", "f304000812040b12d69677933d1c7a9c59567a1b3f35e4b91731865d264314a6"),
                ("*/*.csv", "b8aee5a258626476fb12c3c789e8eb8b5a1e31a07106ab630c01ede12c2e42e0"),
            ),
        ),
    ),
    small="arabic-commands-small",
)

ARABIC_COMMANDS_SMALL = NamedData(
    name="arabic-commands-small",
    title="Arabic speech commands: ten words, 600 of 12,000 clips",
    rows=600,
    task="audio -> word",
    licence=_ARABIC_LICENCE,
    home=_ARABIC_HOME,
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="arabic_speech_commands_subset.tar.gz",
                    size=1_755_708,
                    sha256="36defb53743b8cffd1411717d739fbc3eadecd5856444fd6f93629e92c97c4f2",
                ),
            ),
            load=_load_arabic,
            differs=_OPUS.format(24) + " Ten of forty words, two of ten clips by each speaker.",
            layout=(("arabic-speech-commands/dataset/*/*.opus", 600),),
        ),
    ),
)

ESC10 = NamedData(
    name="esc10",
    title="ESC-10: 400 environmental sounds of 5 s",
    rows=400,
    task="audio -> sound",
    licence="CC BY 3.0 (Piczak 2015); each clip has a licence of its own",
    home="https://github.com/karoldvl/ESC-10",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="ESC-10.zip",
                    size=45_000_000,
                    exact=False,
                    urls=("https://github.com/karoldvl/ESC-10/archive/553c8f1743b9dba6b282e1323c3ca8fa76923448.zip",),
                    stated_by="the data set's page (address)",
                ),
            ),
            load=_load_esc10,
            layout=(("*/*/*.ogg", 400),),
            contents=(("*/*/*.ogg", "cccded282bdd43acd16a00b009e5d48467a967fcfd82de16533d84a95b7a00df"),),
        ),
        Source(
            files=(
                RemoteFile(
                    path="esc10.tar.gz",
                    size=7_064_908,
                    sha256="3e113db97e134d23589d85168a18bcc52f74a3a56bf13fb0c85787db4f85656d",
                ),
            ),
            load=_load_esc10,
            differs=_OPUS.format(32),
            layout=(("esc10/audio/*/*.opus", 400),),
        ),
    ),
    note="Customary: five-fold cross-validation over the column fold. Published accuracy: people 95.7 %, a random "
    "forest on MFCC 72.7 % (Piczak 2015).",
)

ESC50 = NamedData(
    name="esc50",
    title="ESC-50: 2,000 environmental sounds of 5 s",
    rows=2000,
    task="audio -> sound",
    licence="CC BY-NC 3.0 (Piczak 2015)",
    home="https://github.com/karolpiczak/ESC-50",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="ESC-50-master.zip",
                    size=645_832_161,
                    exact=False,
                    urls=(
                        "https://github.com/karolpiczak/ESC-50/archive/33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.zip",
                    ),
                    stated_by="the data set's page (address); soundata (MD5 of each recording and of the table)",
                ),
            ),
            load=_load_esc50,
            layout=(("*/audio/*.wav", 2000), ("*/meta/esc50.csv", 1)),
            contents=(
                ("*/audio/*.wav", "6a96522abaf1cd3fc0cbbf1791b59d7214cb2895c0195cacb642663458e1d22b"),
                ("*/meta/esc50.csv", "5ea2d21d7531c40eee35eabe38204d909b803c411ac98b14ef790b801ba01e13"),
            ),
        ),
    ),
    note="Customary: five-fold cross-validation over the column fold. Published: people 81.3 %.",
)

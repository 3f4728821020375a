"""Sentences in several languages: Multi30k, and Tatoeba's pairs of English and French."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import polars as pl

from longspan.columns import Category, Text
from longspan.data.readers.text_files import read_parallel
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source

__all__ = ["MULTI30K", "TATOEBA_EN_FR"]

_LANGUAGES = ("en", "fr", "de")
_PARTS = {"train": "train", "val": "valid", "test_2016_flickr": "test", "test_2017_flickr": "test_2017"}
_ADDRESS = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw/"
_FILES = {
    "train.en": (568_929, "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6"),
    "train.fr": (604_242, "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d"),
    "train.de": (637_044, "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72"),
    "val.en": (21_650, "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227"),
    "val.fr": (23_001, "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc"),
    "val.de": (24_681, "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660"),
    "test_2016_flickr.en": (21_077, "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182"),
    "test_2016_flickr.fr": (22_310, "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6"),
    "test_2016_flickr.de": (22_890, "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16"),
    "test_2017_flickr.en": (19_138, "ce1450ddc5ab0834502579d77a170849952e15a2938b34cc503bdc25ebb4fb98"),
    "test_2017_flickr.fr": (20_434, "6f3764e31dac41e9455e612958bcfd4e877c5e15cd66df2c2b2be6d9bd83e5b6"),
    "test_2017_flickr.de": (21_471, "c3078bc3b36808bf9d20eb2347ed6137016179ef59ec0d2b9b8ecc3fb2880081"),
}
"""Of each file about how many bytes it has when packed, and the SHA-256 of what is in it."""
_HELD_OUT = 20  # of a thousand English sentences, for validation, and as many for the test


def _load_multi30k(root: Path) -> Table:
    """Columns `en`, `fr`, `de` and `part`: "train", "valid", "test" (2016) or "test_2017"."""
    frames = []
    for name, part in _PARTS.items():
        read = read_parallel({language: root / "multi30k" / f"{name}.{language}" for language in _LANGUAGES})
        frames.append(read.frame.with_columns(pl.lit(part).alias("part")))
    columns = {**dict.fromkeys(_LANGUAGES, Text()), "part": Category()}
    return Table(pl.concat(frames), columns, source=str(root / "multi30k"))


def _unpack_lines(root: Path) -> None:
    """Put beside each packed file what it holds."""
    for path in (root / "multi30k").glob("*.gz"):
        with gzip.open(path) as packed:
            path.with_suffix("").write_bytes(packed.read())


def _load_tatoeba_public(root: Path) -> Table:
    return _load_tatoeba(root, "fra-eng/fra.txt")


def _load_tatoeba(root: Path, name: str = "tatoeba_eng_fra/fra.txt") -> Table:
    """Columns `en`, `fr` and `part`, split here by English sentence: 2 % "valid", 2 % "test", the rest "train"."""
    lines = (root / name).read_text("utf-8").split("\n")
    pairs = [line.split("\t")[:2] for line in lines if line]
    english = [pair[0] for pair in pairs]
    frame = pl.DataFrame({"en": english, "fr": [pair[1] for pair in pairs], "part": [_part(text) for text in english]})
    return Table(frame, {"en": Text(), "fr": Text(), "part": Category()}, source=str(root / name))


def _part(text: str) -> str:
    """By a hash of the English sentence, so that all its translations are in one part."""
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") % 1000
    return "valid" if number < _HELD_OUT else "test" if number < 2 * _HELD_OUT else "train"


MULTI30K = NamedData(
    name="multi30k",
    title="Multi30k, task 1: captions in English, French and German",
    rows=32_014,
    task="en -> fr",
    licence="not stated (text derived from Flickr30k captions; Elliott et al. 2016, 2017)",
    home="https://github.com/multi30k/dataset",
    sources=(
        Source(
            files=tuple(
                RemoteFile(
                    path=f"multi30k/{name}.gz",
                    size=size,
                    exact=False,
                    sha256=sha256,
                    of_content=True,
                    into="multi30k",
                    urls=(f"{_ADDRESS}{name}.gz",),
                    stated_by="multi30k/dataset on GitHub (address)",
                )
                for name, (size, sha256) in _FILES.items()
            ),
            load=_load_multi30k,
            layout=(("multi30k/*.en.gz", 4), ("multi30k/*.fr.gz", 4), ("multi30k/*.de.gz", 4)),
            prepare=_unpack_lines,
        ),
        Source(
            files=(
                RemoteFile(
                    path="multi30k.tar.gz",
                    size=1_981_109,
                    sha256="c5894c591eac790ed2a13625a68a878e190eb21dea5b577c3cc907e78146b1b2",
                ),
            ),
            load=_load_multi30k,
            layout=(("multi30k/*.en", 4), ("multi30k/*.fr", 4), ("multi30k/*.de", 4)),
        ),
    ),
    note="29,000 sentences to train on, 1,014 for validation, 1,000 of 2016 and 1,000 of 2017 to test on.",
)

TATOEBA_EN_FR = NamedData(
    name="tatoeba-en-fr",
    title="English and French sentences of Tatoeba",
    rows=167_130,
    task="en -> fr",
    licence="CC BY 2.0 (Tatoeba; manythings.org/anki)",
    home="https://www.manythings.org/anki/",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="fra-eng.zip",
                    size=3_600_000,
                    exact=False,
                    sha1="94646ad1522d915e7b0f9296181140edcf86a4f5",
                    urls=(
                        "http://d2l-data.s3-accelerate.amazonaws.com/fra-eng.zip",
                        "https://d2l-data.s3-accelerate.amazonaws.com/fra-eng.zip",
                    ),
                    stated_by="Dive into Deep Learning (address, SHA-1), whose copy stays as it is; that of "
                    "manythings.org grows with Tatoeba",
                ),
            ),
            load=_load_tatoeba_public,
            layout=(("fra-eng/fra.txt", 1),),
        ),
        Source(
            files=(
                RemoteFile(
                    path="tatoeba_eng_fra.tar.gz",
                    size=3_416_038,
                    sha256="5a2802ceabba97d72168e13cbe9d412a41d91b50b989d4ef1a684d7339c5e4c9",
                ),
            ),
            load=_load_tatoeba,
            layout=(("tatoeba_eng_fra/fra.txt", 1),),
        ),
    ),
    note="116,830 English sentences, many with several translations: split by English sentence, not by line.",
)

"""Sentences in several languages: Multi30k, and Tatoeba's pairs of English and French."""

from __future__ import annotations

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
_HELD_OUT = 20  # of a thousand English sentences, for validation, and as many for the test


def _load_multi30k(root: Path) -> Table:
    """Columns `en`, `fr`, `de` and `part`: "train", "valid", "test" (2016) or "test_2017"."""
    frames = []
    for name, part in _PARTS.items():
        read = read_parallel({language: root / "multi30k" / f"{name}.{language}" for language in _LANGUAGES})
        frames.append(read.frame.with_columns(pl.lit(part).alias("part")))
    columns = {**dict.fromkeys(_LANGUAGES, Text()), "part": Category()}
    return Table(pl.concat(frames), columns, source=str(root / "multi30k"))


def _load_tatoeba(root: Path) -> Table:
    """Columns `en`, `fr` and `part`, split here by English sentence: 2 % "valid", 2 % "test", the rest "train"."""
    lines = (root / "tatoeba_eng_fra" / "fra.txt").read_text("utf-8").split("\n")
    pairs = [line.split("\t")[:2] for line in lines if line]
    english = [pair[0] for pair in pairs]
    frame = pl.DataFrame({"en": english, "fr": [pair[1] for pair in pairs], "part": [_part(text) for text in english]})
    return Table(frame, {"en": Text(), "fr": Text(), "part": Category()}, source=str(root / "tatoeba_eng_fra"))


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

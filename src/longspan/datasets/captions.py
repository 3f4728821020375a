"""Photographs with captions: Flickr8k, and a part of it."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl

from longspan.columns import Category, Image, Text
from longspan.data.annotations.files import lines_of
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source

__all__ = ["FLICKR8K", "FLICKR8K_SMALL", "read_flickr8k"]

_PARTS = {"train": "train", "dev": "valid", "test": "test"}
_HOME = "https://github.com/jbrownlee/Datasets"
_LICENCE = "research use (Hodosh, Young, Hockenmaier 2013); photographs under their Flickr licences"
_ADDRESS = f"{_HOME}/releases/download/Flickr8k/"


def _load(root: Path) -> Table:
    """Columns `image`, `caption`, `number` (0 to 4) and `part`: a row for each caption, five for each image."""
    folder = root / "flickr8k_small"
    with (folder / "captions.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    cells = {
        "image": [f"images/{row['image']}" for row in rows],
        "caption": [row["caption"] for row in rows],
        "number": [row["n"] for row in rows],
        "part": [_PARTS[row["split"]] for row in rows],
    }
    return _table(folder, cells)


def read_flickr8k(root: Path, images: str = "Flicker8k_Dataset") -> Table:
    """Columns `image`, `caption`, `number` and `part` of files in Flickr8k's own layout.

    Lines of `Flickr8k.token.txt` are `NAME.jpg#NUMBER`, a tab, and the caption; `Flickr_8k.trainImages.txt` and the
    like list the images of each part. Captions of images that are in none of the lists, or not there, are left out.

    Args:
        root: The folder of the lists.
        images: Folder of the images below it.
    """
    part_of = {}
    for name, part in _PARTS.items():
        for line in (root / f"Flickr_8k.{name}Images.txt").read_text("utf-8").split():
            part_of[line] = part
    cells: dict[str, list[str]] = {"image": [], "caption": [], "number": [], "part": []}
    for line in lines_of((root / "Flickr8k.token.txt").read_text("utf-8")):
        place, _, caption = line.partition("\t")
        image, _, number = place.partition("#")
        if image in part_of and (root / images / image).is_file():
            row = (f"{images}/{image}", caption.strip(), number, part_of[image])
            for column, cell in zip(cells, row, strict=True):
                cells[column].append(cell)
    return _table(root, cells)


def _table(folder: Path, cells: dict[str, list[str]]) -> Table:
    frame = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    columns = {"image": Image(), "caption": Text(), "number": Category(), "part": Category()}
    return Table(frame, columns, root=folder, source=str(folder))


FLICKR8K = NamedData(
    name="flickr8k",
    title="Flickr8k: photographs with five captions each",
    rows=40_000,
    task="image -> caption",
    licence=_LICENCE,
    home=_HOME,
    sources=(
        Source(
            files=tuple(
                RemoteFile(
                    path=name,
                    size=size,
                    exact=False,
                    md5=md5,
                    urls=(f"{_ADDRESS}{name}",),
                    stated_by="J. Brownlee's copy on GitHub (address), torchvision for R (MD5)",
                )
                for name, size, md5 in (
                    ("Flickr8k_Dataset.zip", 1_115_000_000, "f18a1e2920de5bd84dae7cf08ec78978"),
                    ("Flickr8k_text.zip", 2_300_000, "bf6c1abcb8e4a833b7f922104de18627"),
                )
            ),
            load=read_flickr8k,
            layout=(("Flicker8k_Dataset/*.jpg", 8091), ("Flickr8k.token.txt", 1), ("Flickr_8k.*Images.txt", 3)),
        ),
    ),
    small="flickr8k-small",
    note="6,000 images to train on, 1,000 for validation, 1,000 to test on.",
)

FLICKR8K_SMALL = NamedData(
    name="flickr8k-small",
    title="Flickr8k: 1,900 of its photographs with five captions each",
    rows=9500,
    task="image -> caption",
    licence=_LICENCE,
    home=_HOME,
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="flickr8k_small.tar.gz",
                    size=11_686_826,
                    sha256="02eab5bd8e7061b9f6e9da825a457c5c731842fc1fc4df34d26d69189cff0ce1",
                ),
            ),
            load=_load,
            differs="1,900 of 8,091 images, squeezed to 160 x 160 pixels and stored as JPEG at quality 76.",
            layout=(("flickr8k_small/images/*.jpg", 1900),),
        ),
    ),
    note="1,400 images to train on, 200 for validation, 300 to test on, chosen inside the official lists. Split by "
    "image: its five captions belong together.",
)

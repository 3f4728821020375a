"""Photographs with captions: a part of Flickr8k."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl

from longspan.columns import Category, Image, Text
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source

__all__ = ["FLICKR8K_SMALL"]

_PARTS = {"train": "train", "dev": "valid", "test": "test"}


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
    frame = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    columns = {"image": Image(), "caption": Text(), "number": Category(), "part": Category()}
    return Table(frame, columns, root=folder, source=str(folder))


FLICKR8K_SMALL = NamedData(
    name="flickr8k-small",
    title="Flickr8k: 1,900 of its photographs with five captions each",
    rows=9500,
    task="image -> caption",
    licence="research use (Hodosh, Young, Hockenmaier 2013); photographs under their Flickr licences",
    home="https://hockenmaier.cs.illinois.edu/8k-pictures.html",
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

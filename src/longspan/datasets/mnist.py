"""MNIST: 70,000 handwritten digits, 28 x 28 grey, with its official test part."""

from __future__ import annotations

from pathlib import Path

from longspan.columns import Category
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile

__all__ = ["MNIST"]

_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"


def _load(root: Path) -> Table:
    """Columns `image`, `digit` and `part`: "train" for the first 60,000 rows, "test" for the last 10,000.

    `table.split(column="part")` seals the official test rows in the vault and draws the valid rows from the others.
    """
    parts = []
    for part, stem in (("train", "train"), ("test", "t10k")):
        images, labels = (root / f"{stem}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
        table = Table.from_idx(images, labels, image="image", label="digit")
        parts.append(table.with_column("part", Category(), [part] * len(table)))
    return parts[0].concat(parts[1])


def _file(name: str, size: int, sha256: str) -> RemoteFile:
    return RemoteFile(path=f"mnist/{name}", size=size, sha256=sha256, of_content=True, url=_MIRROR + name)


MNIST = NamedData(
    name="mnist",
    title="MNIST handwritten digits",
    rows=70_000,
    task="image -> digit",
    licence="CC BY-SA 3.0 (as commonly stated; LeCun, Cortes, Burges)",
    home="https://yann.lecun.com/exdb/mnist/",
    files=(
        _file(
            "train-images-idx3-ubyte.gz", 9_630_610, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        _file("train-labels-idx1-ubyte.gz", 28_878, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        _file(
            "t10k-images-idx3-ubyte.gz", 1_602_050, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        _file("t10k-labels-idx1-ubyte.gz", 4_517, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ),
    load=_load,
    note="Checksums are those of the uncompressed files; gzip wrappers differ between mirrors.",
)

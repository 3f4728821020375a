"""CIFAR-10: 60,000 photos of ten kinds, 32 x 32 colour, as a lossy JPEG copy."""

from __future__ import annotations

from pathlib import Path

from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile

__all__ = ["CIFAR10"]


def _load(root: Path) -> Table:
    """Columns `image`, `part` ("train" or "test") and `label` (airplane ... truck)."""
    return Table.from_files(root / "cifar10", r"(?P<part>train|test)/(?P<label>[a-z]+)/\d+\.jpg")


CIFAR10 = NamedData(
    name="cifar10",
    title="CIFAR-10 (JPEG copy)",
    rows=60_000,
    task="image -> label",
    licence="no formal licence; research use (A. Krizhevsky)",
    home="https://www.cs.toronto.edu/~kriz/cifar.html",
    files=(
        RemoteFile(
            path="cifar10_jpg.tar.gz",
            size=19_214_722,
            sha256="73b22f9c0fa5f7d909e4348a4b8bb1d78743a6ae0a7f2534000bc99b0d4e0e90",
        ),
    ),
    load=_load,
    note="Lossy: images were stored as JPEG (quality about 75), so published accuracies are not exactly comparable. "
    "Its test part holds near-identical copies of training images, as the original does.",
)

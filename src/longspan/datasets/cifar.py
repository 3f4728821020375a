"""CIFAR-10 and CIFAR-100: 60,000 photos, 32 x 32 colour.

The published Python version holds pickles, which can run code; the binary version of the same page is read instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from longspan.columns import Category, Image
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source
from longspan.errors import DataError

__all__ = ["CIFAR10", "CIFAR100"]

_SIDE_PX = 32
_PIXELS = 3 * _SIDE_PX * _SIDE_PX


def _records(path: Path, num_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels `(N, num_labels)` and images `(N, 32, 32, 3)` of a file: label bytes, then red, green and blue planes."""
    content = np.fromfile(path, np.uint8)
    length = num_labels + _PIXELS
    if not len(content) or len(content) % length:
        raise DataError(f"{path} has {len(content):,} bytes, which is not a whole number of records of {length:,}.")
    records = content.reshape(-1, length)
    planes = records[:, num_labels:].reshape(-1, 3, _SIDE_PX, _SIDE_PX)
    return records[:, :num_labels], np.ascontiguousarray(planes.transpose(0, 2, 3, 1))


def _table(folder: Path, files: Sequence[tuple[str, str]], labels: Sequence[tuple[str, str]]) -> Table:
    """The records of several files.

    Args:
        folder: Holds all of them.
        files: Name and part of each file of records.
        labels: Name of each label column in the order of the bytes, and the file with its class names.
    """
    vocabs = [[line.strip() for line in (folder / names).read_text("utf-8").splitlines()] for _, names in labels]
    images, numbers, parts = [], [], []
    for name, part in files:
        own, pixels = _records(folder / name, len(labels))
        images.append(pixels)
        numbers.append(own)
        parts += [part] * len(pixels)
    found = np.concatenate(numbers)
    arrays: dict[str, object] = {"image": np.concatenate(images), "part": parts}
    for position, (column, names) in enumerate(labels):
        vocab = [name for name in vocabs[position] if name]
        if found[:, position].max() >= len(vocab):
            raise DataError(f"{folder} has the class {found[:, position].max()}, but {names} names {len(vocab)}.")
        arrays[column] = [vocab[number] for number in found[:, position]]
    return Table.from_arrays(arrays, {name: Image() if name == "image" else Category() for name in arrays})


def _load_binary(root: Path) -> Table:
    """Columns `image`, `part` ("train" or "test") and `label` (airplane ... truck), in the published order."""
    files = [*((f"data_batch_{number}.bin", "train") for number in range(1, 6)), ("test_batch.bin", "test")]
    return _table(root / "cifar-10-batches-bin", files, [("label", "batches.meta.txt")])


def _load_png(root: Path) -> Table:
    """The same columns and pixels, in the order of the file names."""
    return Table.from_files(root / "cifar10", r"(?P<part>train|test)/(?P<label>[a-z]+)/[^/]+\.png")


def _load_jpeg(root: Path) -> Table:
    """The same columns, pixels from JPEG files."""
    return Table.from_files(root / "cifar10", r"(?P<part>train|test)/(?P<label>[a-z]+)/\d+\.jpg")


def _load_100(root: Path) -> Table:
    """Columns `image`, `part`, `superclass` (20) and `label` (100), in the published order."""
    files = [("train.bin", "train"), ("test.bin", "test")]
    labels = [("superclass", "coarse_label_names.txt"), ("label", "fine_label_names.txt")]
    return _table(root / "cifar-100-binary", files, labels)


CIFAR10 = NamedData(
    name="cifar10",
    title="CIFAR-10: photos of ten kinds",
    rows=60_000,
    task="image -> label",
    licence="no formal licence; research use (A. Krizhevsky)",
    home="https://www.cs.toronto.edu/~kriz/cifar.html",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="cifar-10-binary.tar.gz",
                    size=170_052_171,
                    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                    md5="c32a1d4ab5d03f1284b67883e8d87530",
                    urls=("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
                    stated_by="the data set's page (address, MD5), TensorFlow Datasets (size, SHA-256)",
                ),
            ),
            load=_load_binary,
            layout=(("cifar-10-batches-bin/*.bin", 6), ("cifar-10-batches-bin/batches.meta.txt", 1)),
        ),
        Source(
            files=(
                RemoteFile(
                    path="cifar10.tgz",
                    size=168_168_549,
                    head_md5="a5f8c31371b63a406b23368042812d3c",
                    urls=("https://s3.amazonaws.com/fast-ai-sample/cifar10.tgz",),
                    stated_by="fastai (address, size, MD5 of the first MiB)",
                ),
            ),
            load=_load_png,
            layout=(("cifar10/train/*/*.png", 50_000), ("cifar10/test/*/*.png", 10_000)),
        ),
        Source(
            files=(
                RemoteFile(
                    path="cifar10_jpg.tar.gz",
                    size=19_214_722,
                    sha256="73b22f9c0fa5f7d909e4348a4b8bb1d78743a6ae0a7f2534000bc99b0d4e0e90",
                ),
            ),
            load=_load_jpeg,
            differs="Images were stored as JPEG (quality about 75).",
        ),
    ),
    note="The test part holds near-identical copies of training images.",
)

CIFAR100 = NamedData(
    name="cifar100",
    title="CIFAR-100: photos of a hundred kinds in twenty groups",
    rows=60_000,
    task="image -> label or superclass",
    licence="no formal licence; research use (A. Krizhevsky)",
    home="https://www.cs.toronto.edu/~kriz/cifar.html",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="cifar-100-binary.tar.gz",
                    size=168_513_733,
                    sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
                    urls=("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",),
                    stated_by="the data set's page (address), TensorFlow Datasets (size, SHA-256)",
                ),
            ),
            load=_load_100,
            layout=(("cifar-100-binary/*.bin", 2), ("cifar-100-binary/*_label_names.txt", 2)),
        ),
    ),
    note="The test part holds near-identical copies of training images.",
)

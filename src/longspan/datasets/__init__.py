"""Named public data sets: `load("mnist")` gives a table, `fetch("mnist")` the folder it is read from."""

from __future__ import annotations

from pathlib import Path

from longspan.data.table import Table
from longspan.datasets.camvid import CAMVID
from longspan.datasets.cifar10 import CIFAR10
from longspan.datasets.coco128 import COCO128
from longspan.datasets.digits import DIGITS
from longspan.datasets.fetch import fetch_data
from longspan.datasets.mnist import MNIST
from longspan.datasets.named import NamedData, RemoteFile
from longspan.datasets.numbers import NumbersConfig, make_numbers
from longspan.datasets.penn_fudan import PENN_FUDAN
from longspan.datasets.pets import PETS
from longspan.datasets.scenes import ScenesConfig, make_scenes
from longspan.datasets.unpack import unpack
from longspan.datasets.wider_face import WIDER_FACE
from longspan.errors import unknown_name

__all__ = [
    "NamedData",
    "NumbersConfig",
    "RemoteFile",
    "ScenesConfig",
    "fetch",
    "info",
    "load",
    "make_numbers",
    "make_scenes",
    "names",
    "unpack",
]

_ALL = {data.name: data for data in (DIGITS, MNIST, CIFAR10, PETS, CAMVID, PENN_FUDAN, COCO128, WIDER_FACE)}


def names() -> list[str]:
    """Every data set that can be loaded by name."""
    return list(_ALL)


def info(name: str) -> NamedData:
    """What is on record about a data set; UnknownNameError with the nearest name if there is none."""
    if name not in _ALL:
        raise unknown_name("data set", name, _ALL)
    return _ALL[name]


def fetch(name: str) -> Path:
    """The folder with the data set's files, unpacked in the cache; see `longspan.datasets.fetch.fetch_data`."""
    return fetch_data(info(name))


def load(name: str) -> Table:
    """The data set as a table.

    Example:
        >>> load("digits")
        Table(1797 rows; image: Image, digit: Category)
    """
    data = info(name)
    return data.load(fetch_data(data) if data.files else Path())

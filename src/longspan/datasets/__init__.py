"""Named public data sets: `load("mnist")` gives a table, `fetch("mnist")` the folder it is read from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from longspan.data.table import Table
from longspan.datasets.adult import ADULT, ADULT_SMALL
from longspan.datasets.camvid import CAMVID
from longspan.datasets.captions import FLICKR8K, FLICKR8K_SMALL
from longspan.datasets.cifar import CIFAR10, CIFAR100
from longspan.datasets.coco128 import COCO128
from longspan.datasets.digits import DIGITS
from longspan.datasets.driving.kitti import KITTI_3
from longspan.datasets.driving.recordings import DRIVE_RC
from longspan.datasets.driving.tusimple import LANES_SAMPLE
from longspan.datasets.fetching.fetch import fetch_dataset, where
from longspan.datasets.fetching.progress import megabytes
from longspan.datasets.fetching.unpack import unpack
from longspan.datasets.hands import HandsConfig, make_hands
from longspan.datasets.idx_sets import FASHION_MNIST, KMNIST, MNIST
from longspan.datasets.named import NamedData, RemoteFile, Source
from longspan.datasets.numbers import NumbersConfig, make_numbers
from longspan.datasets.paintings import PAINTINGS
from longspan.datasets.parallel_texts import MULTI30K, TATOEBA_EN_FR
from longspan.datasets.penn_fudan import PENN_FUDAN
from longspan.datasets.people import ATT_FACES, LFW, LFW_FACES_HALF
from longspan.datasets.pets import PETS, PETS_SMALL
from longspan.datasets.radiographs import (
    BONE_AGE,
    BONE_AGE_100,
    BREAST,
    PNEUMONIA,
)
from longspan.datasets.registry import DATASETS, find_dataset, register_dataset
from longspan.datasets.reviews import IMDB_SAMPLE, RT_POLARITY, SST2
from longspan.datasets.scenes import ScenesConfig, make_scenes
from longspan.datasets.sound.made_speech import make_speech
from longspan.datasets.sound.sounds import (
    ARABIC_COMMANDS,
    ARABIC_COMMANDS_SMALL,
    ESC10,
    ESC50,
    FSDD,
    SPEECH_COMMANDS_TEST,
)
from longspan.datasets.sound.speech import LIBRISPEECH, LIBRISPEECH_SMALL, YESNO
from longspan.datasets.sound.spoken_numbers import SpokenNumbersConfig, make_spoken_numbers
from longspan.datasets.tables import TABLES
from longspan.datasets.wider_face import WIDER_FACE, WIDER_FACE_SMALL

__all__ = [
    "DATASETS",
    "HandsConfig",
    "NamedData",
    "NumbersConfig",
    "RemoteFile",
    "ScenesConfig",
    "Source",
    "SpokenNumbersConfig",
    "at_hand",
    "fetch",
    "info",
    "load",
    "make_hands",
    "make_numbers",
    "make_scenes",
    "make_speech",
    "make_spoken_numbers",
    "names",
    "register_dataset",
    "status",
    "unpack",
]

# A new data set is its file, its test, and its name here.
for _data in (
    DIGITS, MNIST, FASHION_MNIST, KMNIST, CIFAR10, CIFAR100,
    PETS, PETS_SMALL, CAMVID, PENN_FUDAN, COCO128, WIDER_FACE, WIDER_FACE_SMALL, LFW, LFW_FACES_HALF, ATT_FACES,
    BONE_AGE, BONE_AGE_100, PNEUMONIA, BREAST,
    ADULT, ADULT_SMALL, *TABLES, RT_POLARITY, IMDB_SAMPLE, SST2, MULTI30K, TATOEBA_EN_FR, FLICKR8K, FLICKR8K_SMALL,
    PAINTINGS, FSDD, SPEECH_COMMANDS_TEST, ARABIC_COMMANDS, ARABIC_COMMANDS_SMALL, ESC10, ESC50,
    LIBRISPEECH, LIBRISPEECH_SMALL, YESNO, DRIVE_RC, KITTI_3, LANES_SAMPLE,
):  # fmt: skip
    register_dataset(_data)


def names() -> list[str]:
    """Every data set that can be loaded by name."""
    return list(DATASETS)


def info(name: str) -> NamedData:
    """What is on record about a data set; UnknownNameError with the nearest name if there is none."""
    return find_dataset(name)


def at_hand(name: str) -> str | None:
    """Where a data set is without a download: "cache", "LONGSPAN_DATA" or "package"; None if it must be fetched."""
    found = where(find_dataset(name))
    return None if found is None else found[0]


def status(name: str) -> str:
    """One phrase about where a data set is: "in the cache", "in LONGSPAN_DATA (copy)", "to download, 37.7 MB"."""
    data = find_dataset(name)
    found = where(data)
    if found is not None:
        place = {"cache": "in the cache", "LONGSPAN_DATA": "in LONGSPAN_DATA", "package": "needs no download"}[found[0]]
        return f"{place} (copy)" if found[1] is not data.sources[0] and found[1].differs else place
    if data.sources[0].public:
        return f"to download, {megabytes(data.size)}"
    return "not here, and at no public address"


def fetch(
    name: str, *, published_only: bool = False, progress: bool = True, tell: Callable[[str], None] | None = None
) -> Path:
    """The folder with the data set's files, unpacked in the cache; arguments and errors as for `load`."""
    return fetch_dataset(find_dataset(name), published_only=published_only, progress=progress, tell=tell).folder


def load(
    name: str,
    *,
    accept_small: bool = False,
    published_only: bool = False,
    progress: bool = True,
    tell: Callable[[str], None] | None = None,
) -> Table:
    """The data set as a table; downloaded and unpacked once, then read from the cache.

    Args:
        name: One of `names()`.
        accept_small: Use the set's smaller version (pets-small for pets) if that is at hand and the whole set is not.
        published_only: Refuse copies whose values differ from the published ones, such as images stored as JPEG.
        progress: Show downloads on standard error.
        tell: Called with a sentence if something else than the published set is used. None: a warning is logged.

    Raises:
        UnknownNameError: no data set has this name.
        FetchError: the files are nowhere to be had, or the disk is full; the message lists what was tried.
        ChecksumError: a file was found, but is not the one on record.
        ArchiveError: an archive is damaged or not to be trusted.

    Example:
        >>> load("digits")
        Table(1797 rows; image: Image, digit: Category)
    """
    fetched = fetch_dataset(
        find_dataset(name), accept_small=accept_small, published_only=published_only, progress=progress, tell=tell
    )
    return fetched.source.load(fetched.folder)

"""Data packs for the peer benchmarks: MNIST as uint8 arrays, the pet photos in a temporary folder.

Knows neither longspan nor any peer, so that every script here reads exactly the same bytes. The folder that holds the
packs is named by the environment variable LONGSPAN_DATA.
"""

from __future__ import annotations

import ctypes
import gzip
import os
import resource
import sys
import tarfile
from pathlib import Path

import numpy as np


def data_folder() -> Path:
    """The folder of LONGSPAN_DATA; stops with a message when it is not set or not there."""
    folder = Path(os.environ.get("LONGSPAN_DATA", ""))
    if not os.environ.get("LONGSPAN_DATA") or not (folder / "mnist").is_dir():
        sys.exit("set LONGSPAN_DATA to the folder that holds mnist/, weights/ and oxford-iiit-pet-subset.tar.gz")
    return folder


def mnist(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images `(N, 28, 28)` uint8 and labels `(N,)` int64 of "train" (60,000) or "t10k" (10,000)."""
    folder = data_folder() / "mnist"
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    return images, labels


def unpack_pets(target: Path) -> list[Path]:
    """Unpacks the pet photos below `target`, outside the repository; gives the 1,029 JPEG files in name order."""
    with tarfile.open(data_folder() / "oxford-iiit-pet-subset.tar.gz") as archive:
        archive.extractall(target, filter="data")
    return sorted((target / "oxford-iiit-pet" / "images").glob("*.jpg"))


def unpack_street_scenes(target: Path) -> tuple[list[Path], list[str]]:
    """Unpacks CamVid below `target`: the 367 images of its training part in order, and the names of its classes.

    The mask of `images/NAME.jpg` is `labels/NAME_P.png`, whose numbers are the classes in their order; the colours of
    its palette are left out, because fastai would read those.
    """
    from PIL import Image

    with tarfile.open(data_folder() / "camvid.tar.gz") as archive:
        archive.extractall(target, filter="data")
    folder = target / "camvid"
    names = (folder / "train.txt").read_text().split()
    for name in names:
        mask = folder / "labels" / f"{Path(name).stem}_P.png"
        Image.fromarray(np.asarray(Image.open(mask))).save(mask)
    return [folder / "images" / name for name in names], (folder / "codes.txt").read_text().split()


def is_cat(file: Path) -> bool:
    """True where the breed in the file name starts with a capital letter: the naming of the data set."""
    return file.name[0].isupper()


def peak_memory_mb() -> float:
    """Most resident memory of this process so far, in megabytes (10^6 bytes)."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1)


def keep_freed_memory() -> bool:
    """Asks glibc to keep freed blocks instead of handing them back at every step; True where that was possible.

    Activations of a few megabytes are otherwise mapped, zeroed and unmapped by the kernel thousands of times per step,
    which costs a third to a half of the time of a small network on a processor. Numbers stay the same. The three
    options are M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD of mallopt(3).
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    options = [(-4, 0), (-1, 1 << 30), (-2, 64 << 20)]
    return mallopt is not None and all([mallopt(option, value) == 1 for option, value in options])

"""Tables from MNIST's idx files."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from longspan.columns import Category, Column, Image
from longspan.data.readers.frames import read_arrays
from longspan.data.readers.packed import GZIP, gunzipped
from longspan.data.readers.typed_table import existing
from longspan.data.table_parts import TableParts
from longspan.errors import DataError

__all__ = ["read_idx"]

_IDX_DTYPES = {0x08: np.uint8, 0x09: np.int8, 0x0B: np.int16, 0x0C: np.int32, 0x0D: np.float32, 0x0E: np.float64}


def read_idx(images: str | Path, labels: str | Path | None, *, image: str, label: str) -> TableParts:
    """See `Table.from_idx`."""
    pixels = _idx_array(existing(images))
    if pixels.ndim != 3 or pixels.dtype != np.uint8:
        raise DataError(f"{images} holds {pixels.dtype} {pixels.shape}, not images (N, H, W) of bytes.")
    arrays: dict[str, Any] = {image: pixels}
    columns: dict[str, Column] = {image: Image()}
    if labels is not None:
        classes = _idx_array(existing(labels))
        if classes.ndim != 1:
            raise DataError(f"{labels} holds an array {classes.shape}, not one label per image.")
        if len(classes) != len(pixels):
            raise DataError(f"{labels} has {len(classes)} labels for {len(pixels)} images in {images}.")
        arrays[label], columns[label] = classes, Category()
    return read_arrays(arrays, columns)


def _idx_array(path: Path) -> np.ndarray:
    """The array in an idx file: magic number (0, 0, type, axes), big-endian sizes, values."""
    try:
        with path.open("rb") as file:
            content = gunzipped(path) if file.read(2) == GZIP else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is cut short or damaged: {error}. Copy or download it again.") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_DTYPES or not 1 <= content[3] <= 4:
        raise DataError(f"{path} is not an idx file (MNIST's format): it begins with {content[:4].hex(' ')!r}.")
    dtype, axes = np.dtype(_IDX_DTYPES[content[2]]).newbyteorder(">"), content[3]
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes))
    expected = 4 + 4 * axes + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise DataError(f"{path} has {len(content):,} bytes, but its header {shape} needs {expected:,}.")
    # A copy in the machine's own byte order, which torch can share without another one.
    return np.frombuffer(content, dtype, offset=4 + 4 * axes).reshape(shape).astype(dtype.newbyteorder("="))

"""Errors of rows as a few bytes: a bit for each row where they are right or wrong, else compressed 4-byte floats."""

from __future__ import annotations

import zlib

import numpy as np

__all__ = ["pack_rows", "unpack_rows"]

_BITS, _FLOATS = b"b", b"f"


def pack_rows(errors: np.ndarray) -> bytes:
    """N errors, NaN where a row has none: N / 8 bytes or fewer where all are 0 or 1."""
    known = np.isfinite(errors)
    if np.isin(errors[known], (0.0, 1.0)).all():
        planes = np.concatenate([np.packbits(np.nan_to_num(errors) > 0.5), np.packbits(known)])
        return _BITS + zlib.compress(planes.tobytes(), 9)
    return _FLOATS + zlib.compress(errors.astype("<f4").tobytes(), 6)


def unpack_rows(packed: bytes, count: int) -> np.ndarray:
    """`(count,)` float64.

    Raises:
        ValueError: the bytes are not those of so many rows.
    """
    kind, body = packed[:1], packed[1:]
    length = 2 * -(-count // 8) if kind == _BITS else 4 * count
    if kind not in (_BITS, _FLOATS):
        raise ValueError(f"errors of rows of the unknown kind {kind!r}")
    try:
        plain = zlib.decompressobj().decompress(body, length + 1)  # no more than is due, whatever the bytes say
    except zlib.error as error:
        raise ValueError(f"errors of rows that cannot be decompressed: {error}") from error
    if len(plain) != length:
        raise ValueError(f"errors of another number of rows than {count}")
    if kind == _FLOATS:
        return np.frombuffer(plain, "<f4").astype(np.float64)
    planes = np.frombuffer(plain, np.uint8).reshape(2, -1)
    wrong, known = (np.unpackbits(plane, count=count).astype(bool) for plane in planes)
    return np.where(known, wrong.astype(np.float64), np.nan)

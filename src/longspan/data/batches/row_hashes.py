"""Rows known again by what a network reads of them: a hash of 32 bits for the encoded inputs of each."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

import numpy as np

from longspan.columns.ragged import Ragged
from longspan.data.batches.samples import Samples
from longspan.errors import ModelFileError
from longspan.lazy_torch import torch

__all__ = ["hash_rows", "hashes_from_json", "hashes_to_json", "known_rows", "row_digests"]

_AT_A_TIME = 64


def hash_rows(samples: Samples, rows: torch.Tensor) -> np.ndarray:
    """`(N,)` uint32: a hash of all encoded inputs of each of these rows.

    Two different rows share a hash once in four thousand million pairs; a row of numbers that occurs twice has one
    hash. Nothing of the row can be computed from it.
    """
    return np.array([int.from_bytes(each, "little") for each in row_digests(samples, rows, 4)], np.uint32)


def row_digests(samples: Samples, rows: torch.Tensor, size: int) -> list[bytes]:
    """Digests of `size` bytes of all encoded inputs of each row; with 16 of them equal digests mean equal inputs."""
    found = []
    for start in range(0, len(rows), _AT_A_TIME):
        part = rows[start : start + _AT_A_TIME]
        digests = [hashlib.blake2b(digest_size=size) for _ in range(len(part))]
        for name in sorted(samples.inputs):
            values = samples.inputs[name].read(part)
            for place, digest in enumerate(digests):
                if isinstance(values, Ragged):
                    value = values.values[place, : int(values.lengths[place])]
                else:
                    value = values[place]
                digest.update(f"{name} {tuple(value.shape)}".encode())
                digest.update(np.ascontiguousarray(value.numpy()).tobytes())
        found += [digest.digest() for digest in digests]
    return found


def hashes_to_json(hashes: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Sorted hashes by part, as text: base64 of little-endian 32-bit numbers."""
    return {
        part: base64.b64encode(np.sort(each).astype("<u4").tobytes()).decode("ascii") for part, each in hashes.items()
    }


def hashes_from_json(fields: Mapping[str, str]) -> dict[str, np.ndarray]:
    """What `hashes_to_json` wrote.

    Raises:
        ModelFileError: it is damaged.
    """
    try:
        return {
            part: np.frombuffer(base64.b64decode(text, validate=True), "<u4").astype(np.uint32)
            for part, text in fields.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelFileError(f"its list of training, validation and test rows is damaged ({error})") from error


def known_rows(hashes: np.ndarray, known: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By part, the positions in `hashes` of rows that the part holds; a row of two parts counts in the first."""
    left, found = np.ones(len(hashes), bool), {}
    for part, each in known.items():
        here = left & np.isin(hashes, each)
        found[part] = np.flatnonzero(here)
        left &= ~here
    return found

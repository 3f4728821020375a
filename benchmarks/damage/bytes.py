"""Damage that knows nothing of a format: flipped bits, runs overwritten, cut out, put in twice, ends cut and grown."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

__all__ = ["EXTREMES", "damage_bytes", "extreme_field"]

EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)
"""Numbers at which counts, sizes and offsets turn over."""

_Damage = Callable[[bytearray, random.Random, Sequence[bytes]], None]


def damage_bytes(content: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """One to three kinds of damage, one after the other; `others` are files of the same kind to splice with."""
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(_WAYS)(damaged, rng, others)
    return bytes(damaged)


def extreme_field(content: bytearray, rng: random.Random, within: int | None = None) -> None:
    """A number of 1, 2, 4 or 8 bytes, of either byte order, set to an extreme; among the first `within` bytes."""
    width, order = rng.choice((1, 2, 4, 8)), rng.choice("<>")
    last = min(len(content), within or len(content)) - width
    if last >= 0:
        place = rng.randint(0, last)
        value = rng.choice(EXTREMES) % 2 ** (8 * width)
        content[place : place + width] = struct.pack(order + {1: "B", 2: "H", 4: "I", 8: "Q"}[width], value)


def _flip(content: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    for _ in range(min(len(content), rng.choice((1, 1, 4, 32)))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _overwrite(content: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    start, length = _run(content, rng)
    content[start : start + length] = rng.choice((rng.randbytes(length), bytes(length), b"\xff" * length))


def _truncate(content: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    near_the_end = rng.random() < 0.3
    del content[max(0, len(content) - rng.randint(1, 16)) if near_the_end else rng.randint(0, len(content)) :]


def _grow(content: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    length = rng.choice((1, 7, 512, 65_536))
    content += rng.choice((rng.randbytes(length), bytes(length), bytes(content[:length])))


def _splice(content: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    other = rng.choice(others) if others else bytes(content)
    content[rng.randint(0, len(content)) :] = other[rng.randint(0, len(other)) :]


def _cut_out(content: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    start, length = _run(content, rng)
    del content[start : start + length]


def _put_in_twice(content: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    start, length = _run(content, rng)
    content[start:start] = content[start : start + length]


def _extreme_header(content: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 2))):
        extreme_field(content, rng, within=64)


def _extreme_anywhere(content: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    extreme_field(content, rng)


def _run(content: bytearray, rng: random.Random) -> tuple[int, int]:
    if not content:
        return 0, 0
    start = rng.randrange(len(content))
    return start, min(len(content) - start, rng.choice((1, 2, 4, 16, 64, 1024)))


_WAYS: tuple[_Damage, ...] = (
    _flip,
    _flip,
    _overwrite,
    _truncate,
    _grow,
    _splice,
    _cut_out,
    _put_in_twice,
    _extreme_header,
    _extreme_anywhere,
)

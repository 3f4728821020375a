"""Damage to images that their checksums do not give away: sizes, depths and chunks, with the checksums made right."""

from __future__ import annotations

import random
import struct
import zlib

from damage.bytes import EXTREMES

__all__ = ["damage_bmp", "damage_idx", "damage_jpeg", "damage_png"]

_SIZES = (0, 1, 7, 4_000, 13_000, 40_000, 65_535, 2**31 - 1, 2**32 - 1)
_BOMB = zlib.compress(bytes(40_000_000), 9)  # 40 kB that say 40 MB


def damage_png(content: bytes, rng: random.Random) -> bytes:
    """Size, depth, colour, interlacing, palette, texts that swell; chunks left out, put in twice, or exchanged."""
    chunks = _chunks(content)
    what = rng.randrange(7)
    if what <= 2 and chunks:
        header = bytearray(chunks[0][1])
        if what == 0:
            struct.pack_into(">I", header, rng.choice((0, 4)), rng.choice(_SIZES))
        elif what == 1:
            struct.pack_into(">II", header, 0, *rng.choice(((13_000, 13_000), (65_535, 65_535), (100_000, 1_000))))
        else:
            header[rng.randint(8, 12)] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
        chunks[0] = (b"IHDR", bytes(header))
    elif what == 3:
        kind = rng.choice((b"zTXt", b"iCCP", b"iTXt", b"tRNS", b"PLTE", b"eXIf", b"acTL", b"fcTL", b"gAMA", b"sRGB"))
        text = rng.choice((b"k\0\0" + _BOMB, b"k\0\1\0\0\0" + _BOMB, rng.randbytes(rng.choice((0, 1, 300)))))
        chunks.insert(rng.randint(1, len(chunks)), (kind, text))
    elif what == 4:
        del chunks[rng.randrange(len(chunks))]
    elif what == 5:
        chunks.insert(rng.randrange(len(chunks) + 1), rng.choice(chunks))
    else:
        place = next((i for i, (kind, _) in enumerate(chunks) if kind == b"IDAT"), None)
        if place is not None:
            pixels = rng.choice((zlib.compress(bytes(50)), _BOMB, b"", chunks[place][1][: rng.randint(0, 50)]))
            chunks[place] = (b"IDAT", pixels)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def damage_jpeg(content: bytes, rng: random.Random) -> bytes:
    """Size, components and tables in the segments before the pixels; segments left out or put in twice."""
    segments, rest = _segments(content)
    places = [i for i, (mark, _) in enumerate(segments) if mark in (0xC0, 0xC1, 0xC2)]
    what = rng.randrange(5)
    if what <= 1 and places:
        frame = bytearray(segments[places[0]][1])
        struct.pack_into(">H", frame, rng.choice((1, 3)), rng.choice((0, 1, 9, 30_000, 65_535)))
        if what == 1:
            struct.pack_into(">HH", frame, 1, *rng.choice(((65_535, 65_535), (13_000, 13_000), (65_500, 100))))
        segments[places[0]] = (segments[places[0]][0], bytes(frame))
    elif what == 2 and places:
        frame = bytearray(segments[places[0]][1])
        frame[rng.choice((0, *range(5, len(frame))))] = rng.choice((0, 1, 2, 4, 8, 12, 16, 255))
        segments[places[0]] = (segments[places[0]][0], bytes(frame))
    elif what == 3:
        del segments[rng.randrange(len(segments))]
    else:
        mark = rng.choice((0xE0, 0xE1, 0xE2, 0xEE, 0xFE, 0xDB, 0xC4, 0xDD))
        body = rng.choice((b"Exif\0\0MM\0*\0\0\0\x08" + rng.randbytes(60), rng.randbytes(rng.choice((0, 2, 200)))))
        segments.insert(rng.randint(0, len(segments)), (mark, body))
    body = b"".join(struct.pack(">BBH", 0xFF, mark, len(part) + 2) + part for mark, part in segments)
    return b"\xff\xd8" + body + rest


def damage_bmp(content: bytes, rng: random.Random) -> bytes:
    """Offset, header size, width, height, planes, depth, compression, sizes and palette of the two headers."""
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2))):
        place, form = rng.choice(
            ((10, "<I"), (14, "<I"), (18, "<i"), (22, "<i"), (26, "<H"), (28, "<H"), (30, "<I"), (34, "<I"), (46, "<I"))
        )
        bits = 8 * struct.calcsize(form)
        value = rng.choice((*_SIZES, *EXTREMES, 3, 4, 8, 24, 32)) % 2**bits
        struct.pack_into(
            form, damaged, place, value - 2**bits if form[1] == "i" and value >= 2 ** (bits - 1) else value
        )
    return bytes(damaged)


def damage_idx(content: bytes, rng: random.Random) -> bytes:
    """Type, number of axes and their lengths."""
    damaged = bytearray(content)
    if rng.random() < 0.4:
        damaged[rng.choice((2, 3))] = rng.choice((0, 1, 2, 3, 4, 5, 8, 9, 0x0B, 0x0C, 0x0D, 0x0E, 255))
    else:
        axis = rng.randrange(max(1, damaged[3]))
        struct.pack_into(">I", damaged, 4 + 4 * axis, rng.choice(EXTREMES) % 2**32)
    return bytes(damaged)


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 8
    while place + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        found.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def _segments(content: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Segments before the pixels by their mark, and the rest from the scan's header on."""
    found, place = [], 2
    while place + 4 <= len(content) and content[place] == 0xFF and content[place + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", content, place + 2)
        found.append((content[place + 1], content[place + 4 : place + 2 + length]))
        place += 2 + length
    return found, content[place:]

"""Damage to files that hold other things: model files, study files, archives, PyTorch's pickles, Parquet tables."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import random
import sqlite3
import stat
import struct
import tarfile
import tempfile
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

from damage.bytes import EXTREMES
from damage.values import ODD_VALUES, damage_json

__all__ = ["CANARY", "damage_pth", "damage_safetensors", "damage_study", "hostile_tar", "hostile_zip"]

CANARY = "code-ran"
"""A file of this name in the working folder shows that something in a damaged file was executed."""
_NAMES = (
    "a/b.txt",
    "../escape",
    "a/../../escape",
    "/tmp/longspan-escape",
    "..\\escape",
    "C:\\escape",
    "\\\\host\\escape",
    "a" * 300,
    "a/" * 600 + "b",
    ".",
    "..",
    "",
    "/",
    "a\0b",
    "é",
    "\ud800",
    "a//b",
    "./a",
    "con",
    "a:b",
    "-rf",
    "~/.profile",
    "a\nb",
)


def damage_safetensors(content: bytes, rng: random.Random) -> bytes:
    """Header fields of tensors, the JSON that describes the model, and the length that stands before the header."""
    (length,) = struct.unpack_from("<Q", content)
    header, rest = content[8 : 8 + length].decode(), content[8 + length :]
    what = rng.randrange(8)
    if what == 0:
        return struct.pack("<Q", rng.choice((*EXTREMES, 2**26, 2**31, length + 1))) + content[8:]
    if what == 1:
        return rng.choice((b"PK\x03\x04", b"\x80\x02}q\0.", b"\x80\x04\x95")) + content[rng.choice((0, 8)) :]
    values = json.loads(header)
    values["__metadata__"].pop("longspan_crc32", None)  # as a stranger would who changes the rest on purpose
    if what == 2:  # tensors
        text = damage_json(json.dumps({k: v for k, v in values.items() if k != "__metadata__"}), rng)
        header = json.dumps({"__metadata__": values["__metadata__"]})[:-1] + ", " + text.lstrip()[1:]
    elif what == 3:
        name = rng.choice([name for name in values if name != "__metadata__"])
        side = rng.choice((0, 1, 10**6, 10**9, 2**63, -1))
        values[name][rng.choice(("shape", "data_offsets"))] = rng.choice(([side], [side, side], [0, side], []))
        header = json.dumps(values)
    else:  # what longspan says of the model; a tail of zeros keeps its length where that matters
        values["__metadata__"]["longspan"] = damage_json(values["__metadata__"]["longspan"], rng)
        header = json.dumps(values)
    raw = header.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(raw)) + raw + rest


def damage_study(content: bytes, rng: random.Random) -> bytes:
    """SQL that a study's program would never say: odd values, other types, triggers, views, no tables."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.sqlite"
        path.write_bytes(content)
        connection = sqlite3.connect(path, isolation_level=None)
        with contextlib.suppress(sqlite3.Error, OverflowError, ValueError, IndexError, RecursionError):
            for _ in range(rng.choice((1, 1, 2))):
                _disturb(connection, rng)
        connection.close()
        return path.read_bytes()


def _disturb(db: sqlite3.Connection, rng: random.Random) -> None:
    tables = {
        "facts": ("name", "value"),
        "strategies": ("name", "described"),
        "errors": ("size", "seed", "target", "error"),
        "runs": ("strategy", "size", "seed", "steps", "seconds", "model", "at"),
        "failures": ("kind", "message", "trace", "at"),
    }
    table = rng.choice(list(tables))
    column = rng.choice(tables[table])
    what = rng.randrange(8)
    if what <= 1:
        name, value = rng.choice(db.execute("SELECT name, value FROM facts").fetchall())
        said = damage_json(value, rng) if rng.random() < 0.8 else rng.choice(("{", "", "[" * 100_000, "1" * 5000))
        db.execute("UPDATE facts SET value = ? WHERE name = ?", (said, name))
    elif what <= 3:
        odd = [v for v in ODD_VALUES if not isinstance(v, list | dict) and not (isinstance(v, int) and abs(v) >= 2**63)]
        value: Any = rng.choice((*odd, b"\xff" * 9, b"x" * 3_000_000))
        db.execute(f"UPDATE OR REPLACE {table} SET {column} = ?", (value,))
    elif what == 4:
        db.execute(f"DROP TABLE {table}")
        other = rng.choice(("", "(x)", f"({column} TEXT)", f"({', '.join(tables[table])})"))
        if other:
            db.execute(f"CREATE TABLE {table} {other}")
    elif what == 5:
        db.execute(f"ALTER TABLE {table} RENAME TO hidden")
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i, i, i, i, i, i FROM n"
        columns = ", ".join(f"randomblob(900000000) AS {name}" for name in tables[table])
        db.execute(f"CREATE VIEW {table} AS {rng.choice((endless, f'SELECT {columns}', 'SELECT * FROM hidden'))}")
    elif what == 6:
        db.execute(f"CREATE TRIGGER t BEFORE INSERT ON {table} BEGIN DELETE FROM facts; END")
        db.execute("CREATE TABLE extra (x DEFAULT (randomblob(900000000)))")
    else:
        name = rng.choice(("application_id", "user_version", "auto_vacuum", "encoding", "journal_mode"))
        db.execute(f"PRAGMA {name} = {rng.choice((0, 2, -1, 2**31 - 1, 'WAL', repr('UTF-16')))}")


def hostile_zip(rng: random.Random) -> bytes:
    """Paths that leave the folder, links, bombs, members that overlap, claims that are not kept, endless names."""
    warnings.filterwarnings("ignore", "Duplicate name")
    buffer = io.BytesIO()
    with zipfile.ZipFile(
        buffer, "w", rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA))
    ) as packed:
        for number in range(rng.choice((1, 3, 20))):
            info = zipfile.ZipInfo("a")
            info.filename = info.orig_filename = (
                rng.choice((*_NAMES, f"n{number}", "same")).encode("utf-8", "replace").decode()
            )
            kinds = (stat.S_IFREG, stat.S_IFREG, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK, stat.S_IFDIR)
            info.external_attr = (rng.choice(kinds) | 0o4777) << 16
            info.compress_type = packed.compression
            body = rng.choice((b"x", b"/etc/passwd", b"../../escape", bytes(100_000), bytes(30_000_000)))
            with contextlib.suppress(ValueError):
                packed.writestr(info, body if number < 4 else b"x")
    content = bytearray(buffer.getvalue())
    if rng.random() < 0.3:  # what the directory says of sizes and places is another thing than what is there
        place = content.rfind(b"PK\x01\x02")
        struct.pack_into("<I", content, place + rng.choice((16, 20, 24, 42)), rng.choice(EXTREMES) % 2**32)
    return bytes(content)


def hostile_tar(rng: random.Random, mode: str) -> bytes:
    """Paths that leave the folder, links of both kinds, devices, holes of terabytes, headers that swell, bombs."""
    buffer = io.BytesIO()
    form = rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT))
    with tarfile.open(fileobj=buffer, mode=mode, format=form, errors="surrogateescape") as tar:  # type: ignore[call-overload]
        for number in range(rng.choice((1, 2, 5, 30))):
            info = tarfile.TarInfo(rng.choice((*_NAMES, "link/inside", f"n{number}", f"n{number}")))
            info.type = rng.choice((*b"000", *b"0123456", tarfile.CONTTYPE[0], *b"Sx")).to_bytes(1, "big")
            info.linkname = rng.choice(
                ("", "n0", "../escape", "/etc/passwd", "/etc", "..", ".", "link", "n1", "a/../../x")
            )
            if info.type == tarfile.SYMTYPE and rng.random() < 0.5:
                info.name = "link"
            info.mode, info.mtime = rng.choice((0o4777, 0, 0o644)), rng.choice((0, -1, 2**40))
            body = rng.choice((b"x", b"", bytes(700), bytes(30_000_000) if number < 2 else b"y"))
            info.size = len(body) if info.isreg() else 0
            if form == tarfile.PAX_FORMAT and rng.random() < 0.3:
                odd = {"path": "../escape", "size": "99999999999999", "linkpath": "/etc", "comment": "a" * 500_000}
                info.pax_headers = {key: odd[key] for key in rng.sample(sorted(odd), 1)}
                info.pax_headers |= rng.choice(({}, {"GNU.sparse.realsize": "9" * 15, "GNU.sparse.map": "0,1"}))
            with contextlib.suppress(ValueError, OSError, UnicodeError):
                tar.addfile(info, io.BytesIO(body))
        if rng.random() < 0.15:  # a header that says it is enormous, and is
            header = tarfile.TarInfo("long")
            header.type, header.size = (
                rng.choice((tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE)),
                300_000_000,
            )
            body = bytes(header.size if "gz" in mode else 1000)
            with contextlib.suppress(ValueError, OSError):
                tar.addfile(header, io.BytesIO(body))
    return buffer.getvalue()


class _Runs:
    """A pickle of this runs a function of the system when it is loaded."""

    def __init__(self, call: tuple[Any, tuple[Any, ...]]) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def damage_pth(content: bytes, rng: random.Random) -> bytes:
    """A pickle that runs code in place of the one that describes tensors; or that one, damaged, in a whole archive."""
    calls = (
        (open, (CANARY, "w")),
        (exec, (f"open({CANARY!r}, 'w')",)),
        (__import__, ("this",)),
        (getattr, (object, "x")),
    )
    evil = pickle.dumps(_Runs(rng.choice(calls)), protocol=rng.choice((0, 1, 2, 4)))
    if rng.random() < 0.2:
        return evil
    source = zipfile.ZipFile(io.BytesIO(content))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for info in source.infolist():
            body = source.read(info)
            if info.filename.endswith("data.pkl"):
                damaged = bytearray(body)
                for _ in range(rng.choice((1, 2, 4))):
                    damaged[rng.randrange(len(damaged))] = rng.randrange(256)
                body = rng.choice((bytes(damaged), bytes(damaged), evil, body[: rng.randrange(len(body))]))
            elif rng.random() < 0.1:
                body = rng.choice((b"", body[:-1], body * 2, zlib.compress(body)))
            packed.writestr(info, body)
    return buffer.getvalue()

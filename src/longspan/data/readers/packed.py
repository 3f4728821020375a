"""Files packed with gzip, unpacked within bounds; files in other encodings than UTF-8."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from longspan.errors import ConfigError, DataError
from longspan.storage.file_signatures import other_content

__all__ = ["GZIP", "gunzipped", "unpacked"]

GZIP = b"\x1f\x8b"
"""The first bytes of such a file."""
_HEAD = 1 << 16  # bytes in which an end of line is looked for
_UNPACKED_FROM, _RATIO = 100 << 20, 200  # bytes that come out of a packed file at most: so many, or this for each byte


def unpacked(path: Path, encoding: str | None = None) -> Path | bytes:
    """The file itself, or what is packed in it; polars would unpack without a bound, and knows no line that ends in CR.

    Args:
        path: The file.
        encoding: As Python names it, such as "cp1252"; what comes back is then UTF-8. None: it is UTF-8.

    Raises:
        DataError: it is packed in another way than by gzip, damaged, unpacks to unreasonably much, is no table, or has
            another encoding than the one that is named.
        ConfigError: there is no such encoding.
    """
    content = _unpacked(path)
    return content if encoding is None else _in_utf8(path, content, encoding)


def _in_utf8(path: Path, content: Path | bytes, encoding: str) -> bytes:
    held = content.read_bytes() if isinstance(content, Path) else content
    try:
        return held.decode(encoding).encode()
    except LookupError:
        raise ConfigError(
            f"There is no encoding {encoding!r}; Python knows utf-8, latin-1, cp1252, utf-16 and others."
        ) from None
    except UnicodeDecodeError as error:
        line, byte = held.count(b"\n", 0, error.start) + 1, held[error.start]
        raise DataError(
            f"{path}, line {line}: byte {byte:#04x} is not {encoding}; name the encoding that the file has."
        ) from None


def _unpacked(path: Path) -> Path | bytes:
    with path.open("rb") as file:
        first = file.read(_HEAD)
    head = first[:4]
    if (what := other_content(first)) is not None:
        raise DataError(f"{path} is {what}.")
    if head == b"\x28\xb5\x2f\xfd" or head[:2] in (b"x\x01", b"x\x9c", b"x\xda"):
        raise DataError(f"{path} is packed with {'zlib' if head[:1] == b'x' else 'zstandard'}; unpack it first.")
    if head[:2] != GZIP:
        return path.read_bytes().replace(b"\r", b"\n") if b"\r" in first and b"\n" not in first else path
    try:
        return gunzipped(path)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is cut short or damaged: {error}. Copy or download it again.") from error


def gunzipped(path: Path) -> bytes:
    """What is packed in a file.

    Raises:
        DataError: it unpacks to unreasonably much.
        OSError, EOFError, zlib.error: it is damaged.
    """
    most = max(_UNPACKED_FROM, _RATIO * path.stat().st_size)
    with gzip.open(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise DataError(
            f"{path} unpacks to more than {most:,} bytes, which is suspicious; if that is right, unpack it first."
        )
    return content

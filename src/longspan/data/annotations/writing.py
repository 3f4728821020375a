"""What all writers share: names below a folder, files that are not written over, files that are never half-written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from longspan.errors import ConfigError, DataError

__all__ = ["beside", "check_overwrite", "labels_of", "names_below", "objects_of", "plain", "write_bytes"]


def names_below(paths: Sequence[str | Path], images: str | Path | None) -> list[str]:
    """Names of images with slashes: their paths below `images`, or without it their bare file names.

    Raises:
        ConfigError: an image lies elsewhere, or two have one name.
    """
    names = []
    for image in map(Path, paths):
        try:
            names.append(image.name if images is None else image.relative_to(images).as_posix())
        except ValueError:
            raise ConfigError(f"The image {image} does not lie below images={str(images)!r}.") from None
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise ConfigError(f"Several images are called {twice[0]!r}; pass images=, the folder above all of them.")
    return names


def objects_of(value: Sequence[Any]) -> list[dict[str, Any]]:
    """The objects of a raw value as dicts; a bare [x0, y0, x1, y1] is an "object"."""
    entries = [each if isinstance(each, dict) else {"box": list(each)} for each in value]
    return [{"label": "object", **{k: v for k, v in each.items() if v is not None}} for each in entries]


def labels_of(values: Sequence[Sequence[Any] | None], labels: Sequence[Any] | None) -> dict[Any, int]:
    """The place of each label: in `labels`, else in their order by name.

    Raises:
        DataError: an object has a label that is not in `labels`.
    """
    found = dict.fromkeys(entry["label"] for value in values if value is not None for entry in objects_of(value))
    if labels is None:
        labels = sorted(found, key=lambda label: (type(label).__name__, label))
    unknown = [label for label in found if label not in labels]
    if unknown:
        raise DataError(f"There are objects labelled {unknown[0]!r}, which labels= does not name: {list(labels)[:10]}.")
    return {label: place for place, label in enumerate(labels)}


def check_overwrite(paths: Sequence[Path], overwrite: bool) -> None:
    """Stop before the first file is written if any would be written over.

    Raises:
        DataError: some are there, and `overwrite` is false.
    """
    there = [] if overwrite else [path for path in paths if path.exists()]
    if there:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise DataError(f"{there[0]}{more} would be overwritten; choose another folder, or pass overwrite=True.")


def write_bytes(path: Path, content: bytes | Callable[[Path], None]) -> None:
    """Write a file under another name beside it, then give it its own.

    Raises:
        DataError: it cannot be written.
    """
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:60]}.", suffix=".part", dir=path.parent)
        os.close(handle)
        part = Path(name)
        if isinstance(content, bytes):
            part.write_bytes(content)
        else:
            content(part)
        part.chmod(0o644)
        os.replace(part, path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error}.") from error
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink()


def beside(folder: Path, name: str, ending: str) -> Path:
    """The file in `folder` that belongs to the image `name`."""
    return folder / PurePosixPath(name).with_suffix(ending)


def plain(value: Any) -> Any:
    """Numbers and arrays of numpy as JSON can hold them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value

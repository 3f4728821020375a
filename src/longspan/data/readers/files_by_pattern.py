"""Tables from images and recordings whose paths say what they are."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import polars as pl

from longspan.audio.audio_io import AUDIO_ENDINGS
from longspan.columns import Audio, Category, Column, Image
from longspan.data.annotations.files import IMAGE_ENDINGS, is_hidden
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, DataError
from longspan.storage.file_names import check_file_names

__all__ = ["read_files"]


def read_files(folder: str | Path, pattern: str, *, image: str) -> TableParts:
    """See `Table.from_files`."""
    root = Path(folder)
    if not root.exists():
        raise DataError(f"The folder {root} does not exist.")
    if not root.is_dir():
        raise DataError(f"{root} is a file; pass the folder that holds the images.")
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"The pattern '{pattern}' is not a regular expression: {error}.") from None
    if image in compiled.groupindex:
        raise ConfigError(f"The group {image!r} has the name of the image column; give image= another name.")
    # A link to a missing file is reported when the rows are read, not silently dropped.
    paths = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if (path.is_file() or not path.exists()) and not any(is_hidden(part) for part in path.relative_to(root).parts)
    )
    matches = [(path, match) for path in paths if (match := compiled.fullmatch(path))]
    if not matches:
        raise DataError(_no_match(root, pattern, compiled, paths))
    check_file_names(root / path for path, _ in matches)
    matched = {path for path, _ in matches}
    sound = all(Path(path).suffix.lower() in AUDIO_ENDINGS for path in matched)
    if sound and image == "image" and "audio" not in compiled.groupindex:
        image = "audio"
    endings, what = (AUDIO_ENDINGS, "recordings") if sound else (IMAGE_ENDINGS, "images")
    left_out = [path for path in paths if path not in matched and Path(path).suffix.lower() in endings]
    if left_out:
        count = len(matched) + len(left_out)
        warnings.warn(
            f"The pattern '{pattern}' leaves out {len(left_out):,} of the {count:,} {what} below {root}, such as "
            f"{', '.join(map(repr, left_out[:3]))}, because they do not match. To match endings in any case: "
            r"'(?i:\.jpe?g|\.png)'.",
            stacklevel=3,
        )
    cells: dict[str, list[Any]] = {image: [path for path, _ in matches]}
    for group in compiled.groupindex:
        cells[group] = [match[group] for _, match in matches]
    frame = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    columns: dict[str, Column] = {
        image: Audio() if sound else Image(),
        **{group: Category() for group in compiled.groupindex},
    }
    return TableParts(frame=frame, columns=columns, root=root, source=str(root))


def _no_match(root: Path, pattern: str, compiled: re.Pattern[str], paths: list[str]) -> str:
    if not paths:
        return f"The folder {root} holds no files."
    message = f"The pattern '{pattern}' matches none of the {len(paths)} files below {root}, such as "
    message += ", ".join(repr(path) for path in paths[:3]) + ". "
    inside = next((path for path in paths if compiled.search(path)), None)
    if inside is not None:
        return message + f"It matches a part of {inside!r}; it must match the whole path, so begin or end it with '.*'."
    return message + "It must match the whole path below the folder, with forward slashes."

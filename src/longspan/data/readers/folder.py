"""Images in a folder for each class, with folders for the parts of the split above them or without."""

from __future__ import annotations

import warnings
from pathlib import Path

import polars as pl

from longspan.columns import Category, Column, Image
from longspan.data.annotations.files import IMAGE_ENDINGS, existing_folder, files_below
from longspan.data.splits.split_column import PART_WORDS
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, DataError

__all__ = ["read_folder"]


def read_folder(folder: str | Path, *, image: str = "image", label: str = "label", split: str = "split") -> TableParts:
    """The images below a folder; the first folder in an image's path is its class.

    Folders called train, valid (or val) and test hold the folders of the classes, and become the column `split`. In a
    folder without folders the images have no class.

    Args:
        folder: Looked through with everything below it; hidden files are left out.
        image: Name of the column of images.
        label: Name of the column of classes.
        split: Name of the column that says which part an image is in.

    Raises:
        DataError: the folder does not exist or holds no image.
        ConfigError: two columns would have one name.
    """
    if len({image, label, split}) < 3:
        raise ConfigError(f"The columns need three names, got {image!r}, {label!r} and {split!r}.")
    root = existing_folder(folder, "images")
    paths = files_below(root, IMAGE_ENDINGS)
    if not paths:
        raise DataError(f"The folder {root} holds no image: no file ends in {', '.join(sorted(IMAGE_ENDINGS))}.")
    parts = [PART_WORDS.get(path.partition("/")[0].lower()) if "/" in path else None for path in paths]
    # Only where a folder for training stands beside another part: a class may be called "test".
    in_parts = "train" in parts and len(set(parts) - {None}) > 1
    if in_parts and None in parts:
        outside = [path for path, part in zip(paths, parts, strict=True) if part is None]
        _warn(root, outside, f"they are in none of the folders {', '.join(sorted(_part_names(root)))}")
    rows = [(path, part) for path, part in zip(paths, parts, strict=True) if part is not None or not in_parts]
    classes = [_first_folder(path.partition("/")[2] if in_parts else path) for path, _ in rows]
    if any(classes) and not all(classes):
        loose = [path for (path, _), name in zip(rows, classes, strict=True) if not name]
        _warn(root, loose, "they are not in the folder of a class")
    labelled = any(classes)
    kept = [(path, part, name) for (path, part), name in zip(rows, classes, strict=True) if name or not labelled]
    cells: dict[str, list[str | None]] = {image: [path for path, _, _ in kept]}
    columns: dict[str, Column] = {image: Image()}
    if labelled:
        cells[label], columns[label] = [name for _, _, name in kept], Category()
        _warn_of_empty(root, [path for path, _, _ in kept], in_parts)
    if in_parts:
        cells[split], columns[split] = [part for _, part, _ in kept], Category()
    frame = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    return TableParts(frame=frame, columns=columns, root=root, source=str(root))


def _first_folder(path: str) -> str:
    """The first folder of a relative path; empty for a file beside the folders."""
    return path.partition("/")[0] if "/" in path else ""


def _part_names(root: Path) -> list[str]:
    return [each.name for each in root.iterdir() if each.is_dir() and each.name.lower() in PART_WORDS]


def _warn(root: Path, left_out: list[str], why: str) -> None:
    shown = ", ".join(map(repr, left_out[:3]))
    plural = "s" if len(left_out) > 1 else ""
    warnings.warn(f"{root}: {len(left_out):,} image{plural} left out, such as {shown}: {why}.", stacklevel=4)


def _warn_of_empty(root: Path, paths: list[str], in_parts: bool) -> None:
    """Say which folders look like classes and hold no image."""
    depth = 2 if in_parts else 1
    holding = {tuple(path.split("/")[:depth]) for path in paths}
    above = [root / part for part in _part_names(root)] if in_parts else [root]
    folders = sorted(each.relative_to(root) for parent in above for each in parent.iterdir() if each.is_dir())
    empty = [each.as_posix() for each in folders if each.parts not in holding and not each.name.startswith(".")]
    if empty:
        verb = "holds" if len(empty) == 1 else "hold"
        warnings.warn(
            f"{root}: {', '.join(map(repr, empty[:5]))} {verb} no image, so there is no such class.", stacklevel=4
        )

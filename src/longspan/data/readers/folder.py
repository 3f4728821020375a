"""Images in a folder for each class, with folders for the parts of the split above them or without."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from longspan.columns import Category, Column, Image
from longspan.data.annotations.files import IMAGE_ENDINGS, UNREAD_ENDINGS, existing_folder, files_below, is_hidden
from longspan.data.splits.split_column import PART_WORDS
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, DataError

__all__ = ["read_folder"]


def read_folder(
    folder: str | Path,
    *,
    image: str = "image",
    label: str = "label",
    split: str = "split",
    endings: Iterable[str] = IMAGE_ENDINGS,
    holding: str = "image",
    column: Column | None = None,
) -> TableParts:
    """The images below a folder, or other files; the folder that an image is in is its class.

    Folders called train, valid (or val) and test hold the folders of the classes, and become the column `split`. In a
    folder without folders the images have no class. Where all classes are folders in folders, as Omniglot's characters
    are in its alphabets, each level is a column, `folder1` and `folder2`, and `folders` is the whole path; a level that
    is the same for all images does not count.

    Args:
        folder: Looked through with everything below it; hidden files are left out.
        image: Name of the column of images.
        label: Name of the column of classes.
        split: Name of the column that says which part an image is in.
        endings: Of the files that are looked for.
        holding: What such a file is called in messages.
        column: What the files are; None: images.

    Raises:
        DataError: the folder does not exist or holds no image.
        ConfigError: two columns would have one name.
    """
    if len({image, label, split}) < 3:
        raise ConfigError(f"The columns need three names, got {image!r}, {label!r} and {split!r}.")
    root = existing_folder(folder, f"{holding}s")
    paths = files_below(root, endings)
    unread = files_below(root, UNREAD_ENDINGS)
    if unread:
        ending = Path(unread[0]).suffix
        _warn(root, unread, f"longspan does not read {ending}; convert them to PNG or JPEG", "image")
    if not paths:
        raise DataError(f"The folder {root} holds no {holding}: no file ends in {', '.join(sorted(endings))}.")
    inner = _without_common_folder(paths)
    parts = [PART_WORDS.get(path.partition("/")[0].lower()) if "/" in path else None for path in inner]
    # Only where a folder for training stands beside another part: a class may be called "test".
    in_parts = "train" in parts and len(set(parts) - {None}) > 1
    if in_parts and None in parts:
        outside = [path for path, part in zip(paths, parts, strict=True) if part is None]
        found = sorted({path.partition("/")[0] for path, part in zip(inner, parts, strict=True) if part})
        _warn(root, outside, f"they are in none of the folders {', '.join(found)}", holding)
    rows = [row for row in zip(paths, inner, parts, strict=True) if row[2] is not None or not in_parts]
    folders = [Path(path).parent.parts[1 if in_parts else 0 :] for _, path, _ in rows]
    if any(folders) and not all(folders):
        loose = [path for (path, _, _), above in zip(rows, folders, strict=True) if not above]
        _warn(root, loose, "they are not in the folder of a class", holding)
        rows, folders = [row for row, above in zip(rows, folders, strict=True) if above], [f for f in folders if f]
    names = [path for path, _, _ in rows]
    cells: dict[str, list[str | None]] = {image: list(names)}
    columns: dict[str, Column] = {image: column or Image()}
    for name, values in _class_cells(root, names, folders, label, holding).items():
        cells[name], columns[name] = values, Category()
    if any(folders):
        _warn_of_empty(root, names, holding)
    if in_parts:
        cells[split], columns[split] = [part for _, _, part in rows], Category()
    frame = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    return TableParts(frame=frame, columns=columns, root=root, source=str(root))


def _without_common_folder(paths: list[str]) -> list[str]:
    """The paths without the folder around all others, as unpacking an archive leaves it."""
    while all(path.count("/") > 1 for path in paths) and len({path.partition("/")[0] for path in paths}) == 1:
        paths = [path.partition("/")[2] for path in paths]
    return paths


def _class_cells(
    root: Path, names: list[str], folders: list[tuple[str, ...]], label: str, holding: str
) -> dict[str, list[str | None]]:
    """The columns of classes: one, or one for each level of folders in folders; none without folders."""
    if not any(folders):
        return {}
    depth = max(map(len, folders))
    levels = [[above[level] if level < len(above) else None for above in folders] for level in range(depth)]
    nested = min(map(len, folders)) > 1
    if nested:
        varied = [values for values in levels if len(set(values)) > 1]
        if len(varied) > 1:
            whole = ["/".join(above) for above in folders]
            return {**{f"folder{number}": values for number, values in enumerate(varied, 1)}, "folders": list(whole)}
        return {label: (varied or levels)[0]}
    if deeper := [name for name, above in zip(names, folders, strict=True) if len(above) > 1]:
        warnings.warn(
            f"{root}: {len(deeper):,} {holding}{'s' if len(deeper) > 1 else ''}, such as {deeper[0]!r}, "
            f"{'lie' if len(deeper) > 1 else 'lies'} in folders below the folder of a class and "
            f"{'count' if len(deeper) > 1 else 'counts'} as of that class.",
            stacklevel=5,
        )
    return {label: levels[0]}


def _warn(root: Path, left_out: list[str], why: str, holding: str) -> None:
    shown = ", ".join(map(repr, left_out[:3]))
    plural = "s" if len(left_out) > 1 else ""
    warnings.warn(f"{root}: {len(left_out):,} {holding}{plural} left out, such as {shown}: {why}.", stacklevel=4)


def _warn_of_empty(root: Path, names: list[str], holding: str) -> None:
    """Say which folders look like classes and hold no file: folders beside those that hold some."""
    parents = {Path(name).parent for name in names}
    above = {parent for each in parents for parent in (each, *each.parents)}
    beside = {root / each.parent for each in parents}
    found = sorted(path.relative_to(root) for parent in beside for path in parent.iterdir() if path.is_dir())
    empty = [each.as_posix() for each in found if each not in above and not is_hidden(each.name)]
    if empty:
        verb = "holds" if len(empty) == 1 else "hold"
        warnings.warn(
            f"{root}: {', '.join(map(repr, empty[:5]))} {verb} no {holding}, so there is no such class.", stacklevel=4
        )

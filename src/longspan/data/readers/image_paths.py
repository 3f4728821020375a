"""Which column of a table names images, and where the files are: folder and ending, found once and said."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import final

import polars as pl

from longspan.data.annotations.files import IMAGE_ENDINGS, is_hidden
from longspan.storage.file_names import FileFinder, composed

__all__ = ["ImagePaths", "find_image_paths"]

_CELLS = 50
_MOST_FILES = 200_000  # a larger folder is not searched for names
_MOST_FILES_ABOVE = 20_000  # the folder above may be anything
_ENOUGH = 0.5
_ENDINGS = tuple(IMAGE_ENDINGS)


@final
@dataclass(frozen=True, slots=True)
class ImagePaths:
    """A column whose cells, below `root` and with `suffix` behind them, are files of images."""

    column: str
    root: Path
    suffix: str = ""


def find_image_paths(
    cells: pl.DataFrame, folder: Path, *, column: str | None = None, root: Path | None = None, suffix: str | None = None
) -> list[ImagePaths]:
    """The columns that name images, with the folder and ending that make them files.

    What the caller says is kept; the rest is sought: first paths from `folder`, the table's own, then files of these
    names, with or without their ending, anywhere below it. Where there are none, whole file names are also sought in
    the folder above, since many exports have `annotations/boxes.csv` beside `images/`.

    Args:
        cells: The first rows of a table, as text.
        folder: The folder of the table's file.
        column: The only column to try.
        root: The folder that paths start from.
        suffix: The ending to put after each cell.

    Returns:
        All that fit best, most files first; several if the choice is not clear; none if nothing fits.
    """
    names = [column] if column is not None else cells.columns
    values = {name: [cell for cell in cells[name].drop_nulls().to_list() if cell][:_CELLS] for name in names}
    values = {name: found for name, found in values.items() if found}
    direct = []
    for name, found in values.items():
        place, ending = root or folder, suffix or ""
        finder = FileFinder(place)
        there = sum(_is_image(place, cell + ending, finder) for cell in found)
        if there >= _ENOUGH * len(found):
            direct.append((there / len(found), ImagePaths(name, place, ending)))
    if direct:
        best = max(fraction for fraction, _ in direct)
        return [paths for fraction, paths in direct if fraction == best]
    found = _searched(values, root or folder, suffix, _MOST_FILES)
    if found or root is not None or folder.resolve().parent == folder.resolve():
        return found
    files = {name: cells for name, cells in values.items() if sum(map(_ends_as_image, cells)) >= _ENOUGH * len(cells)}
    return _searched(files, folder.resolve().parent, suffix, _MOST_FILES_ABOVE) if files else []


def _is_image(root: Path, cell: str, finder: FileFinder) -> bool:
    """Whether the cell is the path of a file that ends as images do."""
    try:
        return _ends_as_image(cell) and ((root / cell).is_file() or finder.find(cell) is not None)
    except OSError:  # text that cannot be a path
        return False
    except ValueError:  # several may be meant; reading the table says which
        return True


def _key(name: str) -> str:
    stem, ending = os.path.splitext(composed(name))
    return stem + ending.lower()


def _ends_as_image(cell: str) -> bool:
    if not cell.rstrip("/\\.").lower().endswith(_ENDINGS):  # quicker than the path's own ending, which decides
        return False
    return PurePosixPath(cell.replace("\\", "/")).suffix.lower() in IMAGE_ENDINGS


def _searched(values: dict[str, list[str]], folder: Path, suffix: str | None, most: int) -> list[ImagePaths]:
    """Files below the folder whose names, or names without ending, are those in the cells."""
    by_name: dict[str, list[tuple[str, str]]] = {}  # last part of the path -> (folder, ending that is not in the cell)
    count = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not is_hidden(each))
        count += len(files)
        if count > most:
            return []
        for file in files:
            stem, ending = os.path.splitext(file)
            if ending.lower() in IMAGE_ENDINGS:
                if not suffix:
                    by_name.setdefault(_key(file), []).append((place, ""))
                if suffix is None or suffix == ending:
                    by_name.setdefault(composed(stem), []).append((place, ending))
    found: list[tuple[float, ImagePaths]] = []
    for name, cells in values.items():
        hits: Counter[tuple[str, str]] = Counter()
        for cell in cells:
            inner, _, last = cell.replace("\\", "/").rpartition("/")
            for place, ending in dict.fromkeys((*by_name.get(composed(last), ()), *by_name.get(_key(last), ()))):
                if not inner:
                    hits[place, ending] += 1
                elif composed(place.replace(os.sep, "/")).endswith(f"/{composed(inner)}"):
                    hits[place[: -len(inner) - 1], ending] += 1
        found += [
            (number / len(cells), ImagePaths(name, Path(place), ending))
            for (place, ending), number in hits.items()
            if number >= _ENOUGH * len(cells)
        ]
    # A column of classes 0 to 9 is found too, where images are numbered: that of most different names is meant.
    scores = [((fraction, len(set(values[paths.column]))), paths) for fraction, paths in found]
    best = max((score for score, _ in scores), default=None)
    return [paths for score, paths in scores if score == best]

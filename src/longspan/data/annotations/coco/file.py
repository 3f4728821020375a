"""The lists of a COCO file that all its readers share: images and categories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from longspan.data.annotations.faults import Faults
from longspan.data.annotations.files import ImageFiles, read_text
from longspan.data.annotations.geometry import number_of, size_fault
from longspan.errors import DataError
from longspan.storage.plain_json import parse_json

__all__ = ["categories_by_id", "images_of", "read_lists", "some_categories"]

_LIMIT_BYTES = 4 << 30  # the largest public files of this format have about 1 GB


def read_lists(path: Path) -> dict[str, list[Any]]:
    """The file's three lists.

    Raises:
        DataError: no file, no JSON (with the line), or another kind of JSON.
    """
    try:
        content = parse_json(read_text(path, limit_bytes=_LIMIT_BYTES))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {error.lineno}, column {error.colno}: this is not JSON ({error.msg}). "
            "Is the file cut short? Export or copy it again."
        ) from None
    except ValueError as error:
        raise DataError(f"{path}: {error}.") from None
    if isinstance(content, list):
        raise DataError(
            f"{path} is a list, as files of results are. Give the file of annotations, with the keys 'images', "
            "'annotations' and 'categories'."
        )
    lacking = [k for k in ("images", "annotations", "categories") if not isinstance(content, dict) or k not in content]
    if lacking:
        has = ", ".join(map(repr, list(content)[:8])) if isinstance(content, dict) else repr(content)[:40]
        raise DataError(f"{path} is not a COCO file: it lacks {', '.join(map(repr, lacking))} and has {has}.")
    wrong = [key for key in ("images", "annotations", "categories") if not isinstance(content[key], list)]
    if wrong:
        raise DataError(f"{path} is not a COCO file: {', '.join(map(repr, wrong))} should be a list.")
    return content


def categories_by_id(records: list[Any], where: str, faults: Faults) -> dict[Any, str]:
    """Names by id, in the order of the ids."""
    names: dict[Any, str] = {}
    for number, record in enumerate(records, start=1):
        key = record.get("id") if isinstance(record, dict) else None
        name = record.get("name") if isinstance(record, dict) else None
        if not isinstance(key, int | str) or not isinstance(name, str) or not name:
            faults.add(f"{where}, category number {number}", f"{str(record)[:60]!r} is not a category with id and name")
        elif key in names or name in names.values():
            what = f"the {'id' if key in names else 'name'} {key if key in names else name!r} occurs twice"
            faults.add(f"{where}, category {key}", what, "Give each category an id and a name of its own.")
        else:
            names[key] = name
    return dict(sorted(names.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def images_of(
    records: list[Any], files: ImageFiles, where: str, faults: Faults
) -> tuple[list[tuple[str, tuple[int, int] | None]], dict[Any, int]]:
    """File name and size of each row, None where what the file says of it cannot be used; and the row of each id.

    The row is -1 for images that are not there: their annotations are not reported again.
    """
    rows: list[tuple[str, tuple[int, int] | None]] = []
    row_of: dict[Any, int] = {}
    row_of_name: dict[str, tuple[Any, int]] = {}
    for number, record in enumerate(records, start=1):
        key = record.get("id") if isinstance(record, dict) else None
        if not isinstance(key, int | str):
            faults.add(f"{where}, image number {number}", f"{str(record)[:60]!r} is not an image with an id")
            continue
        here = f"{where}, image {key}"
        if key in row_of:
            faults.add(here, "this id occurs twice", "Give each image an id of its own.")
            continue
        row_of[key] = -1
        try:
            name = files.find(record.get("file_name"))
            real = files.size_px(name)
        except ValueError as error:
            faults.add(here, error, "Put it there, name another folder, or take it off the list.")
            continue
        if name in row_of_name:
            # Two rows would each lack the other's objects, and teach that they are not there.
            first, row_of[key] = row_of_name[name]
            what = f"the file {name!r} is image {first} already"
            faults.add(here, what, "List each file once, with the annotations of both under one image id.")
            continue
        row_of[key] = len(rows)
        row_of_name[name] = (key, len(rows))
        try:
            stated = number_of(record.get("height", real[0])), number_of(record.get("width", real[1]))
            what = size_fault(stated, real, lambda name=name: files.turned(name))
        except ValueError as error:
            what = str(error)
        if what is not None:
            faults.add(f"{here} ({name})", what)
        rows.append((name, real if what is None else None))
    return rows, row_of


def some_categories(label_of: dict[Any, str]) -> str:
    """The first categories, for messages."""
    shown = ", ".join(f"{key} ({name})" for key, name in list(label_of.items())[:5])
    return shown + (f" ... {len(label_of)} in all" if len(label_of) > 5 else "")

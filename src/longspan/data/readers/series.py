"""Values of any origin as the cells of one column: of one type, None where missing, images in one array."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image as PILImage

from longspan.columns import Column
from longspan.data.readers.csv_lines import RowLines, name_row
from longspan.errors import DataError, Fault, data_error
from longspan.lazy_torch import is_tensor
from longspan.storage.plain_json import parse_json

__all__ = ["cells_of", "images_in_structs", "lists_in_text", "missing_nan", "series_of"]


def cells_of(name: str, column: Column, values: Any) -> tuple[pl.Series, np.ndarray | None]:
    """The cells of a column and, for images that are in memory, the array whose positions the cells are.

    Args:
        name: Of the column.
        column: What the values mean.
        values: An array or an iterable of values; images as one uint8 array `(N, H, W)` or `(N, H, W, C)`, which is
            not copied, or as equally large arrays or Pillow images, or as paths.

    Raises:
        DataError: values of several types, images of several sizes, or arrays that are not images.
    """
    if not column.in_files:
        return series_of(name, values), None
    if (isinstance(values, np.ndarray) or is_tensor(values)) and values.ndim != 1:
        pixels = np.asarray(values)
        if column.encodes_pixels or column.context_kind:
            _check_pixels(name, pixels)
        return pl.Series(name, np.arange(len(pixels), dtype=np.int64)), pixels
    images = list(values)
    in_memory = [isinstance(value, np.ndarray | PILImage.Image) or is_tensor(value) for value in images]
    if not any(in_memory):
        return series_of(name, images), None
    given = [np.asarray(value) for value, there in zip(images, in_memory, strict=True) if there]
    if len(given) != sum(value is not None for value in images):
        raise DataError(f"Column {name!r} has values both as files and as arrays; use one form.")
    position = iter(range(len(given)))
    cells = pl.Series(name, [next(position) if there else None for there in in_memory], dtype=pl.Int64)
    if not column.encodes_pixels and column.context_kind is None:  # recordings, which differ in their length
        arrays = np.empty(len(given), object)
        for place, array in enumerate(given):  # an assignment of all would make equally long ones one array
            arrays[place] = array
        return cells, arrays
    shapes = sorted({array.shape for array in given})
    if len(shapes) > 1:
        raise DataError(
            f"Images in {name!r} have shapes {', '.join(map(str, shapes[:3]))}: in memory they must be of one size. "
            "Resize them first, or save them as files."
        )
    pixels = np.stack(given)
    _check_pixels(name, pixels)
    return cells, pixels


def series_of(name: str, values: Iterable[Any]) -> pl.Series:
    """One value per row, all of one type: whole and other numbers go together, nothing else does.

    Raises:
        DataError: several types; the message names a row of each.
    """
    if isinstance(values, np.ndarray):
        values = values.tolist()
    cells = [_plain(value) for value in values]
    kinds: dict[str, int] = {}
    """The first row of each kind of value."""
    parts: dict[str, int] = {}
    """The same for what stands in lists."""
    for row, cell in enumerate(cells):
        if cell is not None:
            kinds.setdefault(_kind(cell), row)
        for part in cell if isinstance(cell, list) else ():
            if part is not None:
                parts.setdefault(f"lists of {_kind(part)}", row)
    for found in (kinds, parts):
        if len(found) > 1:
            mixed = " and ".join(f"{kind} (row {row}: {cells[row]!r})" for kind, row in found.items())
            raise DataError(f"Column {name!r} mixes {mixed}; make them values of one type.")
    if any(_has_float(cell) for cell in cells):  # polars takes the first row's word for it, and cuts 1.5 down to 1
        cells = [_as_floats(cell) for cell in cells]
    try:
        # strict: otherwise polars turns what it cannot hold into missing values without a word
        # Of lists and dicts polars would take the first value's word for what is in them all.
        return pl.Series(name, cells, dtype=_dtype_of(cells) if "list" in kinds or "dict" in kinds else None)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"Column {name!r} cannot be held in a table: {str(error).splitlines()[0]}") from error


def missing_nan(series: pl.Series) -> pl.Series:
    """A series in which NaN, the only way for some libraries to say it, is missing; categoricals become text."""
    if series.dtype.is_float():
        return series.fill_nan(None)
    return series.cast(pl.String) if series.dtype in (pl.Categorical, pl.Enum) else series


def images_in_structs(series: pl.Series, column: Column | None) -> pl.Series:
    """Images as {"bytes", "path"}, the form of Hugging Face data sets, as bytes or as paths; others as they are.

    Raises:
        DataError: some rows hold bytes and others only a path.
    """
    fields = [field.name for field in series.dtype.fields] if isinstance(series.dtype, pl.Struct) else []
    if not {"bytes", "path"} <= set(fields) or not (column is None or column.in_files):
        return series
    content, path = (series.struct.field(name).alias(series.name) for name in ("bytes", "path"))
    if column is None and content.dtype not in (pl.Binary, pl.Null):
        return series
    if content.null_count() == len(content):
        return path
    if (content.is_null() & path.is_not_null()).any():
        raise DataError(f"Column {series.name!r}: some rows hold the bytes of an image, others only its path.")
    return content


def lists_in_text(series: pl.Series, source: str, lines: RowLines | None = None) -> pl.Series:
    """What the JSON in each cell says; a series of anything but text as it is.

    Args:
        series: The cells.
        source: File or frame, for messages.
        lines: Of the rows, if they come from a file.

    Raises:
        DataError: cells that are not JSON, all of them by row or line.
    """
    if series.dtype != pl.String:
        return series
    values: list[Any] = []
    faults: list[Fault] = []
    for row, cell in enumerate(series.to_list()):
        text = (cell or "").strip()
        try:
            values.append(parse_json(text) if text else None)
        except ValueError as error:
            faults.append(Fault(name_row(lines, row), f"{text[:60]!r} is not JSON ({error})"))
    if faults:
        raise data_error(
            f"Column {series.name!r} of {source} cannot be read:",
            faults,
            'Write lists as JSON: [[x0, y0, x1, y1], ...], or [{"box": [x0, y0, x1, y1], "label": "cat"}, ...]; [] for '
            "an image with nothing in it, and nothing at all where nobody looked.",
        )
    return series_of(series.name, values)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted((_plain(part) for part in value), key=lambda part: (type(part).__name__, part))
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return value


def _dtype_of(values: Iterable[Any]) -> pl.DataType | type[pl.DataType]:
    """What all of these values together are; dicts as fields of any of them."""
    there = [value for value in values if value is not None]
    if not there:
        return pl.Null
    if isinstance(there[0], list):
        return pl.List(_dtype_of(part for value in there for part in value))
    if isinstance(there[0], dict):
        keys = dict.fromkeys(key for value in there for key in value)
        return pl.Struct({key: _dtype_of(value.get(key) for value in there) for key in keys})
    if any(isinstance(value, float) for value in there):
        return pl.Float64
    return {bool: pl.Boolean, int: pl.Int64, str: pl.String, bytes: pl.Binary}.get(type(there[0]), pl.Object)


def _has_float(cell: Any) -> bool:
    parts = cell.values() if isinstance(cell, dict) else cell if isinstance(cell, list) else ()
    return isinstance(cell, float) or any(map(_has_float, parts))


def _as_floats(cell: Any) -> Any:
    if isinstance(cell, list):
        return [_as_floats(part) for part in cell]
    if isinstance(cell, dict):
        return {key: _as_floats(part) for key, part in cell.items()}
    return float(cell) if isinstance(cell, int) and not isinstance(cell, bool) else cell


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "True or False"
    if isinstance(value, int | float):
        return "numbers"
    return {str: "text", list: "list", bytes: "bytes"}.get(type(value), type(value).__name__)


def _check_pixels(name: str, pixels: np.ndarray) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
        raise DataError(
            f"Images in {name!r} must be uint8 (N, H, W) or (N, H, W, C), got {pixels.dtype} {pixels.shape}. "
            "Floats in 0..1: (x * 255).round().astype('uint8'). (N, C, H, W): x.transpose(0, 2, 3, 1)."
        )
    if pixels.ndim == 4 and pixels.shape[-1] not in (1, 3):
        raise DataError(f"Images in {name!r} are {pixels.shape}: the last axis must be 1 or 3 channels.")

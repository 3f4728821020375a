"""What the values of a column mean when nobody says."""

from __future__ import annotations

import polars as pl

from longspan.columns import Category, Column, Image, MultiLabel, Number, Raw

__all__ = ["infer_column"]


def infer_column(series: pl.Series) -> Column:
    """What the values of a frame's column mean when nobody says: numbers, lists of labels, other lists, categories."""
    if series.dtype.is_numeric():
        return Number()
    if isinstance(series.dtype, pl.Struct):
        return Raw()
    if series.dtype == pl.Binary:
        return Image()
    if isinstance(series.dtype, pl.List):
        return Raw() if series.dtype.inner.is_nested() else MultiLabel()
    return Category()

"""One typed column per file: how one kind of value is read, checked, batched, decoded and shown."""

from __future__ import annotations

from typing import Any

from longspan.columns.base import Column
from longspan.columns.boxes import Boxes
from longspan.columns.category import Category
from longspan.columns.image import Image
from longspan.columns.instances import Instances
from longspan.columns.mask import Mask
from longspan.columns.multi_label import MultiLabel
from longspan.columns.number import Number
from longspan.columns.raw import Raw
from longspan.columns.spatial import Spatial
from longspan.columns.text import Text
from longspan.errors import unknown_name

__all__ = [
    "COLUMNS",
    "Boxes",
    "Category",
    "Column",
    "Image",
    "Instances",
    "Mask",
    "MultiLabel",
    "Number",
    "Raw",
    "Spatial",
    "Text",
    "column_from_json",
]

COLUMNS: dict[str, type[Column]] = {
    column.kind: column for column in (Image, Category, MultiLabel, Number, Text, Mask, Boxes, Instances, Raw)
}
"""Every kind of column by its name in files. A new column is one file and one entry here."""


def column_from_json(fields: dict[str, Any]) -> Column:
    """The column that `Column.to_json` described."""
    kind = fields.get("kind")
    if kind not in COLUMNS:
        raise unknown_name("column kind", str(kind), COLUMNS)
    return COLUMNS[kind].from_json(fields)

"""One typed column per file: how one kind of value is read, checked, batched, decoded and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longspan import old_names
from longspan.columns.audio import Audio
from longspan.columns.base import Column
from longspan.columns.boxes import Boxes
from longspan.columns.category import Category
from longspan.columns.features import Features
from longspan.columns.image import Image
from longspan.columns.instances import Instances
from longspan.columns.keypoints import Keypoints
from longspan.columns.mask import Mask
from longspan.columns.multi_label import MultiLabel
from longspan.columns.number import Number
from longspan.columns.ragged import Ragged
from longspan.columns.raw import Raw
from longspan.columns.spatial import Spatial
from longspan.columns.spec import FeaturesSpec, ImageSpec, SequenceSpec, Spec, TokensSpec, VectorSpec
from longspan.columns.text import Text
from longspan.registry import Registry

__all__ = [
    "COLUMNS",
    "Audio",
    "Boxes",
    "Category",
    "Column",
    "Features",
    "FeaturesSpec",
    "Image",
    "ImageSpec",
    "Instances",
    "Keypoints",
    "Mask",
    "MultiLabel",
    "Number",
    "Ragged",
    "Raw",
    "SequenceSpec",
    "Spatial",
    "Spec",
    "Text",
    "TokensSpec",
    "VectorSpec",
    "column_from_json",
]

COLUMNS = Registry[type[Column]]("column kind", name_of=lambda column: column.kind, old_names=old_names.COLUMN_KINDS)
"""Every kind of column by its name in files and on the command line."""

# A new column is its file, its test, and its name in this module.
for _column in (Image, Category, MultiLabel, Number, Text, Mask, Boxes, Instances, Keypoints, Audio, Features, Raw):
    COLUMNS.register(usage=_column.usage)(_column)


def column_from_json(fields: dict[str, Any]) -> Column:
    """The column that `Column.to_json` described, in this version or an earlier one."""
    return COLUMNS.find(str(fields.get("kind")), in_file=True).from_json(old_names.current_fields(fields))


if not TYPE_CHECKING:  # a module with `__getattr__` would have every name for a type checker

    def __getattr__(name: str) -> Any:
        """The names of version 1 work and warn."""
        return old_names.old_attribute(__name__, name)

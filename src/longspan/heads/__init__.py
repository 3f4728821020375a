"""What a target means to a network: layers, loss, decoding, metrics. One head per file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from longspan import old_names
from longspan.columns import Column
from longspan.errors import ConfigError
from longspan.extras import require_extra
from longspan.heads.base import FeatureKind, Head, Metric, TargetPrediction
from longspan.heads.classify import Classify, MultiLabelClassify
from longspan.heads.detect import Detect
from longspan.heads.embed import Embed
from longspan.heads.generate import Generate
from longspan.heads.heat_maps import HeatMaps
from longspan.heads.locate import Locate
from longspan.heads.pronunciation_search import PronunciationSearch
from longspan.heads.regress import Regress
from longspan.heads.segment import Segment
from longspan.heads.segment_instances import SegmentInstances
from longspan.heads.transcribe import Transcribe
from longspan.heads.word_search import WordSearch
from longspan.registry import Registry

__all__ = [
    "HEADS",
    "Classify",
    "Detect",
    "Embed",
    "FeatureKind",
    "Generate",
    "Head",
    "HeatMaps",
    "Locate",
    "Metric",
    "MultiLabelClassify",
    "PronunciationSearch",
    "Regress",
    "Segment",
    "SegmentInstances",
    "TargetPrediction",
    "Transcribe",
    "WordSearch",
    "check_extras",
    "head_for",
    "head_from_json",
]

HEADS = Registry[type[Head]]("head", name_of=lambda head: head.kind, old_names=old_names.HEAD_KINDS)
"""Every head by its name in files; the first that serves a kind of column is that kind's default."""

# A new head is its file, its test, and its name in this module.
for _head in (
    Classify,
    MultiLabelClassify,
    Regress,
    Transcribe,
    Segment,
    Detect,
    SegmentInstances,
    Locate,
    Generate,
    HeatMaps,
    Embed,
):
    HEADS.register()(_head)


def head_for(column: Column, wanted: Head | None = None) -> Head:
    """The head of a fitted target column: `wanted` if it serves such columns, else the default.

    Raises:
        ConfigError: no head serves this kind of column, or `wanted` does not.
    """
    if wanted is not None:
        if column.kind not in wanted.column_kinds:
            raise ConfigError(
                f"The head {type(wanted).__name__} serves {' and '.join(wanted.column_kinds)} columns, "
                f"but the target is of kind {column.kind!r}."
            )
        return wanted.with_column(column)
    for head in HEADS.values():
        if head.is_default_for(column):
            return head().with_column(column)  # type: ignore[call-arg]
    raise ConfigError(f"A column of kind {column.kind!r} cannot be a target: no head predicts it.")


def check_extras(targets: Mapping[str, Column], wanted: Mapping[str, Head] | None = None) -> None:
    """Stop before any sample is read if a library is missing that the metrics of a target need.

    Args:
        targets: Target columns, fitted or not.
        wanted: Heads in place of the default ones.

    Raises:
        DependencyError: the library, and what installs it.
    """
    for name, column in targets.items():
        head = (wanted or {}).get(name)
        heads = [type(head)] if head is not None else [each for each in HEADS.values() if each.is_default_for(column)]
        if heads and heads[0].extra is not None:
            require_extra(heads[0].extra, f"Measuring {name!r} ({column.kind})")


def head_from_json(fields: dict[str, Any]) -> Head:
    """The head that `Head.to_json` described, in this version or an earlier one."""
    return HEADS.find(str(fields.get("kind")), in_file=True).from_json(old_names.current_fields(fields))


if not TYPE_CHECKING:  # a module with `__getattr__` would have every name for a type checker

    def __getattr__(name: str) -> Any:
        """The names of version 1 work and warn."""
        return old_names.old_attribute(__name__, name)

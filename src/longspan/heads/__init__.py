"""What a target means to a network: layers, loss, decoding, metrics. One head per file."""

from __future__ import annotations

from typing import Any

from longspan.columns import Column
from longspan.errors import ConfigError, unknown_name
from longspan.heads.base import FeatureKind, Head, Metric, TargetPrediction
from longspan.heads.classify import Classify, MultiLabelClassify
from longspan.heads.detect import Detect
from longspan.heads.regress import Regress
from longspan.heads.segment import Segment
from longspan.heads.segment_instances import SegmentInstances
from longspan.heads.transcribe import Transcribe

__all__ = [
    "HEADS",
    "Classify",
    "Detect",
    "FeatureKind",
    "Head",
    "Metric",
    "MultiLabelClassify",
    "Regress",
    "Segment",
    "SegmentInstances",
    "TargetPrediction",
    "Transcribe",
    "head_for",
    "head_from_json",
]

HEADS: dict[str, type[Head]] = {
    head.kind: head for head in (Classify, MultiLabelClassify, Regress, Transcribe, Segment, Detect, SegmentInstances)
}
"""Every head by its name in files. A new head is one file and one entry here; the first that serves a kind of column
is that kind's default."""


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
        if column.kind in head.column_kinds:
            return head().with_column(column)  # type: ignore[call-arg]
    raise ConfigError(f"A column of kind {column.kind!r} cannot be a target: no head predicts it.")


def head_from_json(fields: dict[str, Any]) -> Head:
    """The head that `Head.to_json` described."""
    kind = str(fields.get("kind"))
    if kind not in HEADS:
        raise unknown_name("head", kind, HEADS)
    return HEADS[kind].from_json(fields)

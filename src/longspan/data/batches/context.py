"""The input that a target lies in: a mask in an image."""

from __future__ import annotations

from collections.abc import Mapping

from longspan.columns import Column

__all__ = ["compared_inputs", "context_for", "pixel_inputs"]


def compared_inputs(columns: Mapping[str, Column]) -> list[str]:
    """Names of the columns among whose values near duplicates are sought, in order."""
    return [name for name, column in columns.items() if column.encodes_pixels or column.has_fingerprints]


def context_for(column: Column, inputs: Mapping[str, Column]) -> tuple[str, Column] | None:
    """Name and column of the first input of the kind that the values of `column` lie in; None if they lie in none."""
    if column.context_kind is None:
        return None
    return next(((name, each) for name, each in inputs.items() if each.kind == column.context_kind), None)


def pixel_inputs(columns: Mapping[str, Column]) -> list[str]:
    """Names of the columns whose encoded values are images, in order."""
    return [name for name, column in columns.items() if column.encodes_pixels]

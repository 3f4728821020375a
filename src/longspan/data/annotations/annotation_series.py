"""Boxes and instances as cells of a table: every list of one type, whatever its dicts leave out.

Cells are put together from flat columns of all objects; row by row, a million polygons would take minutes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import polars as pl

__all__ = ["boxes_cells", "instances_cells", "warn_of_copies", "without_copies"]


def boxes_cells(name: str, rows: Sequence[list[dict[str, Any]] | None]) -> pl.Series:
    """A cell for each row: {"box": [x0, y0, x1, y1], "label", "ignore"} for each box; [] for none, None for unknown."""
    flat = [each for row in rows for each in row or ()]
    fields = pl.DataFrame(
        [
            pl.Series("box", [each["box"] for each in flat], dtype=pl.List(pl.Float64)),
            _labels(flat),
            pl.Series("ignore", [bool(each.get("ignore", False)) for each in flat], dtype=pl.Boolean),
        ]
    )
    return _lists(name, rows, fields.to_struct())


def without_copies(
    rows: Sequence[list[dict[str, Any]] | None],
) -> tuple[list[list[dict[str, Any]] | None], int]:
    """The objects of each row without those that stand there twice, with the same box and class; how many were."""
    kept: list[list[dict[str, Any]] | None] = []
    for row in rows:
        seen: dict[str, dict[str, Any]] = {repr(sorted(each.items())): each for each in reversed(row or ())}
        kept.append(None if row is None else list(reversed(seen.values())))
    return kept, sum(len(row or ()) for row in rows) - sum(len(row or ()) for row in kept)


def warn_of_copies(source: str, count: int) -> None:
    """Say that objects were left out because the same ones stand before them."""
    plural = "s" if count > 1 else ""
    warnings.warn(
        f"{source}: {count:,} object{plural} with the same box and class as another of the same image "
        f"{'are' if count > 1 else 'is'} read once.",
        stacklevel=6,
    )


def instances_cells(name: str, rows: Sequence[list[dict[str, Any]] | None]) -> pl.Series:
    """A cell for each row: {"label", "ignore", "rle", "polygons"} for each instance, one of the last two None."""
    flat = [each for row in rows for each in row or ()]
    runs = [each.get("rle") for each in flat]
    polygons = [each.get("polygons") for each in flat]
    points = [polygon for each in polygons for polygon in each or ()]
    fields = pl.DataFrame(
        [
            _labels(flat),
            pl.Series("ignore", [bool(each.get("ignore", False)) for each in flat], dtype=pl.Boolean),
            pl.Series("size", [each and each["size"] for each in runs], dtype=pl.List(pl.Int64)),
            pl.Series("counts", [each and each["counts"] for each in runs], dtype=pl.List(pl.Int64)),
            _lists("polygons", polygons, pl.Series(points, dtype=pl.List(pl.Float64))),
        ]
    )
    rle = pl.when(pl.col("counts").is_not_null()).then(pl.struct("size", "counts")).alias("rle")
    return _lists(name, rows, fields.select("label", "ignore", rle, "polygons").to_struct())


def _labels(flat: Sequence[dict[str, Any]]) -> pl.Series:
    labels = [each["label"] for each in flat]
    numbers = bool(labels) and all(isinstance(label, int) for label in labels)
    return pl.Series("label", labels if numbers else list(map(str, labels)), dtype=pl.Int64 if numbers else pl.String)


def _lists(name: str, rows: Sequence[Sequence[Any] | None], flat: pl.Series) -> pl.Series:
    """`flat`, which is what stands in all `rows` one after the other, as lists as long as theirs; None stays None."""
    of_row = pl.Series("row", [number for number, row in enumerate(rows) for _ in row or ()], dtype=pl.Int64)
    packed = pl.DataFrame([of_row, flat.alias("cell")]).group_by("row", maintain_order=True).agg("cell")
    known = pl.DataFrame(
        [
            pl.Series("row", range(len(rows)), dtype=pl.Int64),
            pl.Series("known", [row is not None for row in rows], dtype=pl.Boolean),
        ]
    )
    cells = known.join(packed, on="row", how="left", maintain_order="left")
    empty = pl.lit(pl.Series([[]], dtype=packed.schema["cell"]))
    return cells.select(pl.when("known").then(pl.coalesce("cell", empty)).alias(name)).to_series()

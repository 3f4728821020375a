"""Every measure once: pure functions of targets and predictions, each with its direction."""

from __future__ import annotations

from longspan.metrics.edit_distance import EditCounts, edit_counts, edit_distance
from longspan.metrics.metric import Direction, Metric, direction_of
from longspan.metrics.pixel_counts import class_counts, median_frequency_weights
from longspan.metrics.row_errors import RowError

__all__ = [
    "Direction",
    "EditCounts",
    "Metric",
    "RowError",
    "class_counts",
    "direction_of",
    "edit_counts",
    "edit_distance",
    "median_frequency_weights",
]

"""Every measure once: pure functions of targets and predictions."""

from __future__ import annotations

from longspan.metrics.edit_distance import edit_distance
from longspan.metrics.pixel_counts import class_counts, median_frequency_weights

__all__ = ["class_counts", "edit_distance", "median_frequency_weights"]

"""The functions of longspan's own pipelines, by name: their files name them, and this hands them in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from longspan.inference import Ensemble, Predictor
from longspan.pipeline import Pipeline, functions_needed, load
from longspan.systems.lane_markings import mark_lanes
from longspan.systems.numbers.digit_halves import boxes_of_halves
from longspan.systems.numbers.find_digits import cut_out, find_digits, join_digits
from longspan.systems.rcnn.regions import find_regions, warp_regions
from longspan.systems.rcnn.stages import decide_boxes, join_regions, scale_features

__all__ = ["GIVEN", "load_with_given"]

GIVEN: dict[str, Callable[..., Any]] = {
    f"{function.__module__}.{function.__qualname__}": function
    for function in (
        find_digits, boxes_of_halves, cut_out, join_digits, mark_lanes,
        find_regions, warp_regions, scale_features, join_regions, decide_boxes,
    )
}  # fmt: skip
"""By the name that stands in a file. Nothing is imported by a name found in a file: it must be one of these."""


def load_with_given(path: str | Path, *, device: str = "auto") -> Predictor | Ensemble | Pipeline:
    """A model, ensemble or pipeline; functions and estimators of longspan's own pipelines need not be handed in."""
    needed = functions_needed(path)
    known = {**GIVEN, **_estimators()} if needed else {}
    functions = {stage: known[name] for stage, name in needed.items() if name in known}
    return load(path, functions=functions or None, device=device)


def _estimators() -> dict[str, Any]:
    """Unfitted, by class; what they were set to and what they learned stands in the file."""
    from sklearn.linear_model import Ridge
    from sklearn.svm import LinearSVC

    return {type(estimator).__name__: estimator for estimator in (LinearSVC(), Ridge())}

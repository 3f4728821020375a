"""Loads files of the pipelines of longspan's own systems: supplies the functions and estimators that they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longspan.systems.lane_markings import mark_lanes
from longspan.systems.numbers.digit_halves import boxes_of_halves
from longspan.systems.numbers.find_digits import cut_out, find_digits, join_digits
from longspan.systems.rcnn.regions import find_regions, warp_regions
from longspan.systems.rcnn.stages import decide_boxes, join_regions, scale_features
from longspan.systems.speech.stages import find_words, find_words_of_characters, speech_features
from longspan.systems.spoken.find_spoken_digits import cut_out_at_16_khz, cut_out_digit, find_spoken_digits
from longspan.systems.spoken.phonemes import digits_of_phonemes
from longspan.systems.xrays.joints import hand_length, joint_regions, measure_hand, measure_lengths

if TYPE_CHECKING:
    from longspan.inference import BoostedTrees, Ensemble, LinearText, PhraseTranslator, Predictor
    from longspan.pipeline import Pipeline

__all__ = ["FUNCTIONS", "load_with_functions"]

FUNCTIONS: dict[str, Callable[..., Any]] = {
    f"{function.__module__}.{function.__qualname__}": function
    for function in (
        find_digits, boxes_of_halves, cut_out, join_digits, mark_lanes,
        find_regions, warp_regions, scale_features, join_regions, decide_boxes,
        find_spoken_digits, cut_out_digit, cut_out_at_16_khz, digits_of_phonemes,
        speech_features, find_words, find_words_of_characters,
        measure_hand, measure_lengths, joint_regions, hand_length,
    )
}  # fmt: skip
"""By the name in the file. No name found in a file is imported: it must be one of these."""


def load_with_functions(
    path: str | Path, *, device: str = "auto"
) -> Predictor | Ensemble | Pipeline | BoostedTrees | LinearText | PhraseTranslator:
    """A model, ensemble or pipeline from its file; see `longspan.pipeline.load`.

    Functions and estimators of longspan's own pipelines are supplied; those of other pipelines are named in the error.
    """
    from longspan.pipeline import functions_needed, load

    needed = functions_needed(path)
    known = {**FUNCTIONS, **_estimators()} if needed else {}
    functions = {stage: known[name] for stage, name in needed.items() if name in known}
    return load(path, functions=functions or None, device=device)


def _estimators() -> dict[str, Any]:
    """Unfitted estimators by class; their settings and what they learned are in the file."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR, LinearSVC

    scaled = make_pipeline(StandardScaler(), SVR())
    return {type(estimator).__name__: estimator for estimator in (LinearSVC(), Ridge(), scaled)}

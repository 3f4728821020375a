"""Trained models as they are used: predicting, measuring, saving, loading."""

from __future__ import annotations

from longspan.inference.conformal import Conformal, Coverage, conformal
from longspan.inference.ensemble import Ensemble
from longspan.inference.estimators.boosted import BoostedTrees
from longspan.inference.estimators.linear_text import LinearText
from longspan.inference.estimators.phrase_translator import PhraseTranslator
from longspan.inference.listening import Call, Listener
from longspan.inference.load import load
from longspan.inference.predictor import Predictor
from longspan.inference.tiling.sliding_windows import slide
from longspan.inference.transcripts import Transcript, transcribe
from longspan.portable.prediction import Prediction, predictions_to_frame

__all__ = [
    "BoostedTrees",
    "Call",
    "Conformal",
    "Coverage",
    "Ensemble",
    "LinearText",
    "Listener",
    "PhraseTranslator",
    "Prediction",
    "Predictor",
    "Transcript",
    "conformal",
    "load",
    "predictions_to_frame",
    "slide",
    "transcribe",
]

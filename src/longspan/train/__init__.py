"""Learner, its loop, callbacks, model files and checkpoints."""

from __future__ import annotations

from longspan.train.budget import Budget
from longspan.train.callbacks import Callback, EarlyStopping, TrainState, WeightAverage
from longspan.train.checkpoints.checkpoint import Checkpoints
from longspan.train.config import Phase, TrainConfig
from longspan.inference.ensemble import Ensemble
from longspan.train.learner import Learner
from longspan.inference.load import load
from longspan.inference.prediction import Prediction, predictions_to_frame
from longspan.inference.predictor import Predictor
from longspan.train.recipe import Recipe
from longspan.inference.sliding_windows import slide
from longspan.train.strategy import Strategy, Trained

__all__ = [
    "Budget",
    "Callback",
    "Checkpoints",
    "EarlyStopping",
    "Ensemble",
    "Learner",
    "Phase",
    "Prediction",
    "Predictor",
    "Recipe",
    "Strategy",
    "TrainConfig",
    "TrainState",
    "Trained",
    "WeightAverage",
    "load",
    "predictions_to_frame",
    "slide",
]

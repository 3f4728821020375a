"""Learner, its loop, callbacks, model files and checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longspan import old_names
from longspan.train.budget import Budget
from longspan.train.callbacks import Callback, EarlyStopping, WeightAverage
from longspan.train.checkpoints.checkpoint import Checkpoints
from longspan.train.config import Phase, TrainConfig
from longspan.train.cross_validation import CrossValidation, cross_validate
from longspan.train.estimators.boosting import Boosting
from longspan.train.estimators.phrase_translation import PhraseTranslation
from longspan.train.estimators.word_counts import WordCounts
from longspan.train.label_review import SuspectLabel
from longspan.train.learner import Learner
from longspan.train.loop import SupervisedStep
from longspan.train.recipe import Recipe
from longspan.train.state import TrainState
from longspan.train.step import StepInfo, TrainStep
from longspan.train.strategy import Strategy, Trained
from longspan.train.table_recipe import TableRecipe
from longspan.train.tracking.mlflow_run import MLflow
from longspan.train.tracking.step_log import StepLog
from longspan.train.tracking.tensorboard import TensorBoard
from longspan.train.tracking.tracking import Tracking

__all__ = [
    "Boosting",
    "Budget",
    "Callback",
    "Checkpoints",
    "CrossValidation",
    "EarlyStopping",
    "Learner",
    "MLflow",
    "Phase",
    "PhraseTranslation",
    "Recipe",
    "StepInfo",
    "StepLog",
    "Strategy",
    "SupervisedStep",
    "SuspectLabel",
    "TableRecipe",
    "TensorBoard",
    "Tracking",
    "TrainConfig",
    "TrainState",
    "TrainStep",
    "Trained",
    "WeightAverage",
    "WordCounts",
    "cross_validate",
]


if not TYPE_CHECKING:  # a module with `__getattr__` would have every name for a type checker

    def __getattr__(name: str) -> Any:
        """The names of version 1 work and warn."""
        return old_names.old_attribute(__name__, name)

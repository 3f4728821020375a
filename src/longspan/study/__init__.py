"""Strategies x training sizes x seeds: learning curves, crossover, advice."""

from __future__ import annotations

from longspan.study.evaluator import Evaluator
from longspan.study.results import StudyResults
from longspan.study.searching.search import Search
from longspan.study.single_task import SingleTask
from longspan.study.stage_labels import StageLabels, labels_to_buy
from longspan.study.study import Study
from longspan.study.transfer import Conditions, Transfer
from longspan.study.tuning import Between, Tuning

__all__ = [
    "Between",
    "Conditions",
    "Evaluator",
    "Search",
    "SingleTask",
    "StageLabels",
    "Study",
    "StudyResults",
    "Transfer",
    "Tuning",
    "labels_to_buy",
]

"""Strategies x training sizes x seeds: learning curves, crossover, advice."""

from __future__ import annotations

from longspan.study.results import StudyResults
from longspan.study.study import Study

__all__ = ["Study", "StudyResults"]

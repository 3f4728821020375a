"""Stages, pipelines, and which stage is to blame."""

from __future__ import annotations

from longspan.pipeline.ceiling import Ceiling, StageCeiling
from longspan.pipeline.load import functions_needed, load
from longspan.pipeline.network_features import FeaturesOf
from longspan.pipeline.pipeline import Pipeline
from longspan.pipeline.runner import Runner
from longspan.pipeline.stage import Stage

__all__ = ["Ceiling", "FeaturesOf", "Pipeline", "Runner", "Stage", "StageCeiling", "functions_needed", "load"]

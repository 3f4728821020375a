"""A trained pipeline as one file: every stage described in JSON, every model's tensors below a prefix of its own."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from longspan.errors import PipelineError
from longspan.inference import Ensemble, Predictor
from longspan.pipeline.estimator import EstimatorModel
from longspan.pipeline.estimator_state import describe_estimator
from longspan.pipeline.execution import Taught
from longspan.pipeline.identity import qualified_name
from longspan.pipeline.network_features import FeaturesOf
from longspan.pipeline.stage import Stage
from longspan.storage.files import write_tensors
from longspan.train import Learner
from longspan.version import __version__

__all__ = ["PIPELINE_FORMAT", "write_pipeline"]

PIPELINE_FORMAT = {"format": "longspan pipeline", "format_version": 1}
"""What marks the header of a pipeline's file; `load` refuses higher versions."""


def write_pipeline(
    path: Path, stages: Sequence[Stage], model: Callable[[Stage], Any], answers: Sequence[str], notes: Sequence[str]
) -> Path:
    """Write all stages with their models; functions are named, with the options of a partial, and not stored.

    Raises:
        PipelineError: a stage is not trained, or holds what neither JSON nor tensors can hold.
        ModelFileError: the file cannot be written.
    """
    tensors: dict[str, torch.Tensor] = {}
    described = []
    for number, stage in enumerate(stages):
        what, its_tensors = _describe_model(stage, model(stage))
        tensors |= {f"{number}.{name}": tensor for name, tensor in its_tensors.items()}
        described.append(
            {
                "name": stage.name,
                "reads": list(stage.reads),
                "adds": list(stage.adds),
                "columns": {name: column.to_json() for name, column in stage.columns.items()},
                "each": stage.each,
                "train_on": stage.train_on,
                "label": None if stage.label is None else qualified_name(stage.label),
                "size_px": stage.size_px,
                "method": stage.method,
                "views": stage.views,
                "model": what,
            }
        )
    header = {
        **PIPELINE_FORMAT,
        "library_version": __version__,
        "stages": described,
        "answers": list(answers),
        "notes": list(notes),
    }
    write_tensors(path, tensors, header)
    return path


def _describe_model(stage: Stage, model: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    if stage.kind == "function":
        return _describe_function(stage.what), {}
    if isinstance(stage.what, FeaturesOf):
        return {"kind": "features", "of": stage.what.stage, "grid": stage.what.grid}, {}
    if isinstance(model, EstimatorModel):
        import sklearn

        state, tensors = describe_estimator(model.estimator, stage.name)
        columns = [None if column is None else column.to_json() for column in model.columns]
        return {"kind": "estimator", "state": state, "columns": columns, "scikit-learn": sklearn.__version__}, tensors
    if isinstance(model, Learner | Predictor | Ensemble):
        members = model.members if isinstance(model, Ensemble) else [model]
        predictors = [member.predictor() if isinstance(member, Learner) else member for member in members]
        tensors = {
            f"{i}.{name}": tensor
            for i, predictor in enumerate(predictors)
            for name, tensor in predictor.network.state_dict().items()
        }
        kind = "ensemble" if isinstance(model, Ensemble) else "model"
        return {"kind": kind, "members": [predictor.describe() for predictor in predictors]}, tensors
    assert isinstance(model, Taught)
    raise PipelineError(
        f"Stage {stage.name!r} was trained by {type(stage.what).__name__}, which gave a {type(model.trained).__name__}"
        "; a pipeline's file holds Learners, Ensembles and scikit-learn estimators. Save it apart: "
        f"pipeline.model({stage.name!r}).save(...)."
    )


def _describe_function(what: Any) -> dict[str, Any]:
    """Its name; of a `functools.partial` with options that JSON can hold, those too."""
    if isinstance(what, functools.partial) and not what.args and _is_json(what.keywords):
        return {"kind": "function", "name": qualified_name(what.func), "options": dict(what.keywords)}
    return {"kind": "function", "name": qualified_name(what)}


def _is_json(value: Any) -> bool:
    """Whether JSON gives it back as it is."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(part) for key, part in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))

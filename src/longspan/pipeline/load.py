"""A saved model, ensemble or pipeline, as it was."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from longspan.columns import column_from_json
from longspan.errors import ConfigError, LongspanError, ModelFileError, nearest
from longspan.inference import Ensemble, Predictor
from longspan.inference.load import from_file
from longspan.pipeline.estimator import EstimatorModel
from longspan.pipeline.estimator_state import is_estimator, restore_estimator
from longspan.pipeline.network_features import FeaturesOf
from longspan.pipeline.pipeline import Pipeline
from longspan.pipeline.save import PIPELINE_FORMAT
from longspan.pipeline.stage import Stage
from longspan.storage.files import read_tensors, tensors_below
from longspan.version import __version__

__all__ = ["functions_needed", "load"]


def load(
    path: str | Path,
    *,
    model: nn.Module | None = None,
    functions: Mapping[str, Any] | None = None,
    device: str = "auto",
) -> Predictor | Ensemble | Pipeline:
    """What `save` wrote: a model, an ensemble, or a pipeline. Nothing in the file is executed.

    Args:
        path: The file.
        model: A new instance of your own network class, where a model is one: a file cannot hold code.
        functions: For a pipeline, by stage: your function (of a `functools.partial` the bare function: the file has its
            options, unless JSON could not hold them); an unfitted scikit-learn estimator of the class that was fitted;
            a new instance of your own network class.
        device: Where it shall run.

    Raises:
        ModelFileError: cut short, damaged, not ours, from a newer longspan, or in need of `model` or `functions`.
        ConfigError: `model` for a pipeline, or `functions` for anything else.
    """
    path = Path(path)
    tensors, described = read_tensors(path)
    if described.get("format") != PIPELINE_FORMAT["format"]:
        if functions:
            raise ConfigError(f"{path} holds no pipeline, so functions= has nothing to stand for.")
        return from_file(path, tensors, described, model=model, device=device)
    if model is not None:
        raise ConfigError("For a pipeline a network of yours is named by its stage: functions={'stage': network}.")
    version = described.get("format_version")
    if not isinstance(version, int) or version > PIPELINE_FORMAT["format_version"]:
        raise ModelFileError(
            f"{path} has format version {version!r}, written by longspan {described.get('library_version')}; this is "
            f"longspan {__version__}, which reads up to {PIPELINE_FORMAT['format_version']}. Update longspan."
        )
    try:
        return _pipeline(tensors, described, dict(functions or {}), device)
    except LongspanError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{path}: the description of its stages is damaged: {error!r}.") from error


def functions_needed(path: str | Path) -> dict[str, str]:
    """By stage what must be handed in for a pipeline's file; empty for other model files.

    Functions are named with their module (`module.name`), scikit-learn's estimators by their class (`LinearSVC`).

    Raises:
        ModelFileError: cut short, damaged, or not ours.
    """
    _, described = read_tensors(Path(path))
    if described.get("format") != PIPELINE_FORMAT["format"]:
        return {}
    try:
        needed = {}
        for fields in described["stages"]:
            if fields["model"]["kind"] == "function":
                needed[str(fields["name"])] = str(fields["model"]["name"])
            elif fields["model"]["kind"] == "estimator":
                needed[str(fields["name"])] = str(fields["model"]["state"]["estimator"])
        return needed
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"{path}: the description of its stages is damaged: {error!r}.") from error


def _pipeline(
    tensors: Mapping[str, torch.Tensor], described: dict[str, Any], functions: dict[str, Any], device: str
) -> Pipeline:
    _check_functions(described["stages"], functions)
    stages: list[Stage] = []
    fitted: dict[str, Any] = {}
    notes = [str(note) for note in described["notes"]]
    for number, fields in enumerate(described["stages"]):
        name, what = fields["name"], fields["model"]
        its_tensors = tensors_below(tensors, f"{number}.")
        handed_in = functions.get(name)
        if what["kind"] == "estimator":
            columns = [None if column is None else column_from_json(column) for column in what["columns"]]
            estimator = restore_estimator(handed_in, what["state"], its_tensors)
            fitted[name] = EstimatorModel(estimator, columns, fields.get("method", "predict"))
            notes += _other_version(name, what)
        elif what["kind"] == "features":
            handed_in = FeaturesOf(stage=what["of"], grid=what["grid"])
        elif what["kind"] == "function":
            assert handed_in is not None
            if "options" in what and not isinstance(handed_in, functools.partial):
                handed_in = functools.partial(handed_in, **what["options"])
        else:
            handed_in = _trained(what, its_tensors, handed_in, device)
        stages.append(
            Stage(
                name,
                handed_in,
                reads=fields["reads"],
                adds=fields["adds"],
                columns={name: column_from_json(column) for name, column in fields["columns"].items()},
                each=fields["each"],
                train_on=fields["train_on"] if what["kind"] not in ("function", "features") else "truth",
                size_px=None if fields["size_px"] is None else tuple(fields["size_px"]),
                method=fields.get("method", "predict"),
                views=fields.get("views", 1),
            )
        )
    return Pipeline.restored(stages, fitted, answers=described["answers"], notes=notes)


def _trained(
    what: dict[str, Any], tensors: Mapping[str, torch.Tensor], network: nn.Module | None, device: str
) -> Predictor | Ensemble:
    members = [
        Predictor.from_parts(tensors_below(tensors, f"{i}."), member, model=network, device=device)
        for i, member in enumerate(what["members"])
    ]
    return Ensemble(members) if what["kind"] == "ensemble" else members[0]


def _check_functions(stages: list[dict[str, Any]], functions: Mapping[str, Any]) -> None:
    """ModelFileError for everything that should have been handed in and was not, or the other way round."""
    wanted = {fields["name"]: _wanted(fields["model"]) for fields in stages}
    faults = []
    for name, what in wanted.items():
        if what is not None and name not in functions:
            faults.append(f"stage {name!r} needs {what}: functions={{{name!r}: ...}}")
        elif what is not None and what.endswith("(unfitted)") and not is_estimator(functions[name]):
            faults.append(f"stage {name!r} needs {what}, not {functions[name]!r}")
    for name in functions:
        if wanted.get(name) is None:
            near = nearest(name, [each for each, what in wanted.items() if what is not None])
            hint = f"; did you mean {near!r}?" if near else ""
            why = "it has no such stage" if name not in wanted else "that stage is stored as a whole"
            faults.append(f"functions= names {name!r}, but {why}{hint}")
    if faults:
        raise ModelFileError(f"a file cannot hold code: {'; '.join(faults)}")


def _wanted(model: dict[str, Any]) -> str | None:
    """What must be handed in for a stage, in words; None if nothing."""
    if model["kind"] == "function":
        return f"your function {model['name']}"
    if model["kind"] == "estimator":
        return f"a {model['state']['estimator']} (unfitted)"
    if model["kind"] == "features":
        return None
    own = [member["model"].get("class") for member in model["members"] if member["model"].get("name") is None]
    return f"a new {own[0]}, your network" if own else None


def _other_version(name: str, what: dict[str, Any]) -> list[str]:
    import sklearn

    if what["scikit-learn"] == sklearn.__version__:
        return []
    return [f"{name}: fitted with scikit-learn {what['scikit-learn']}, loaded with {sklearn.__version__}."]

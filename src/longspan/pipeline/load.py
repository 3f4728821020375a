"""A saved model, ensemble or pipeline, as it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from longspan.columns import column_from_json
from longspan.errors import ConfigError, LongspanError, ModelFileError, nearest
from longspan.inference import Ensemble, Predictor
from longspan.inference.estimators.boosted import TREES_FORMAT, BoostedTrees
from longspan.inference.estimators.linear_text import LINEAR_TEXT_FORMAT, LinearText
from longspan.inference.estimators.phrase_translator import PHRASES_FORMAT, PhraseTranslator
from longspan.inference.load import from_file
from longspan.pipeline.components import Component, HandIn, component_kind
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
) -> Predictor | Ensemble | Pipeline | BoostedTrees | LinearText | PhraseTranslator:
    """What `save` wrote: a network, ensemble, pipeline, trees, weights of words, or phrases. Nothing in it is executed.

    Args:
        path: The file.
        model: A new instance of your own network class, where a model is one: a file cannot hold code.
        functions: For a pipeline, by stage: your function (of a `functools.partial` the bare function: the file has its
            options, unless JSON could not hold them), or a new object with `reset()` where state is kept; an unfitted
            scikit-learn estimator of the class that was fitted; a new instance of your own network class.
        device: Where it runs.

    Raises:
        ModelFileError: cut short, damaged, not ours, from a newer longspan, or in need of `model` or `functions`.
        ConfigError: an exported model, `model` for a pipeline, or `functions` for anything else.
    """
    path = Path(path)
    if path.suffix.lower() == ".onnx":
        raise ConfigError(f"{path} is an exported model: OnnxModel.load({str(path)!r}) loads it.")
    tensors, described = read_tensors(path)
    arrays = {TREES_FORMAT["format"]: BoostedTrees, LINEAR_TEXT_FORMAT["format"]: LinearText,
              PHRASES_FORMAT["format"]: PhraseTranslator}  # fmt: skip
    if described.get("format") in arrays:
        if functions or model is not None:
            raise ConfigError(f"{path} holds no network, so model= and functions= are of no use.")
        try:
            return arrays[described["format"]].from_parts(tensors, described)
        except LongspanError as error:
            raise ModelFileError(f"{path}: {error}") from error
    if described.get("format") != PIPELINE_FORMAT["format"]:
        if functions:
            raise ConfigError(f"{path} does not hold a pipeline, so functions= is of no use.")
        return from_file(path, tensors, described, model=model, device=device)
    if model is not None:
        raise ConfigError("In a pipeline a network of yours goes by its stage: functions={'stage': network}.")
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
        needed = {str(fields["name"]): _hand_in(fields) for fields in described["stages"]}
        return {name: each.name for name, each in needed.items() if each is not None and each.name is not None}
    except LongspanError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path}: the description of its stages is damaged: {error!r}.") from error


def _pipeline(
    tensors: Mapping[str, torch.Tensor], described: dict[str, Any], functions: dict[str, Any], device: str
) -> Pipeline:
    _check_functions(described["stages"], functions)
    stages: list[Stage] = []
    fitted: dict[str, Component] = {}
    notes = [str(note) for note in described["notes"]]
    for number, fields in enumerate(described["stages"]):
        name, method = fields["name"], fields.get("method", "predict")
        new_notes: list[str] = []
        component = component_kind(fields["model"]["kind"]).restore(
            fields["model"], tensors_below(tensors, f"{number}."), functions.get(name), method=method, device=device,
            notes=new_notes,
        )  # fmt: skip
        notes += [f"{name}: {note}" for note in new_notes]
        stage = Stage(
            name,
            component.what,
            reads=fields["reads"],
            adds=fields["adds"],
            columns={name: column_from_json(column) for name, column in fields["columns"].items()},
            each=fields["each"],
            train_on=fields["train_on"] if component.traits.learned else "truth",
            size_px=None if fields["size_px"] is None else tuple(fields["size_px"]),
            method=method,
            views=fields.get("views", 1),
        )
        if not stage.component.ready:
            fitted[name] = component
        stages.append(stage)
    return Pipeline.restored(stages, fitted, outputs=described["answers"], notes=notes)


def _check_functions(stages: list[dict[str, Any]], functions: Mapping[str, Any]) -> None:
    """ModelFileError for everything that should have been handed in and was not, or the other way round."""
    wanted = {fields["name"]: _hand_in(fields) for fields in stages}
    faults = []
    for name, needed in wanted.items():
        if needed is not None and name not in functions:
            faults.append(f"stage {name!r} needs {needed.words}: functions={{{name!r}: ...}}")
        elif needed is not None and not needed.fits(functions[name]):
            faults.append(f"stage {name!r} needs {needed.words}, not {functions[name]!r}")
    for name in functions:
        if wanted.get(name) is None:
            near = nearest(name, [each for each, needed in wanted.items() if needed is not None])
            hint = f"; did you mean {near!r}?" if near else ""
            why = "it has no such stage" if name not in wanted else "the file holds that stage whole"
            faults.append(f"functions= names {name!r}, but {why}{hint}")
    if faults:
        raise ModelFileError(f"a file cannot hold code: {'; '.join(faults)}")


def _hand_in(fields: Mapping[str, Any]) -> HandIn | None:
    return component_kind(fields["model"]["kind"]).hand_in(fields["model"])

"""What a pipeline is, as JSON values that do not change from run to run: names, options, and digests of weights."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from typing import Any

import torch

from longspan.inference import Ensemble, Predictor
from longspan.pipeline.estimator_state import is_estimator
from longspan.pipeline.stage import Stage
from longspan.train import Learner

__all__ = ["describe_stage", "qualified_name"]


def describe_stage(stage: Stage) -> dict[str, Any]:
    """A stage and what is in it; a function by its name, so a change within it is not seen."""
    return {
        "name": stage.name,
        "what": _describe_what(stage.what),
        "reads": list(stage.reads),
        "adds": list(stage.adds),
        "columns": {name: _plain(column.to_json()) for name, column in sorted(stage.columns.items())},
        "each": stage.each,
        "train_on": stage.train_on,
        "label": None if stage.label is None else qualified_name(stage.label),
        "size_px": None if stage.size_px is None else list(stage.size_px),
        # Only where it is another than ever: what studies have kept stays comparable.
        **({} if stage.method == "predict" else {"method": stage.method}),
        **({} if stage.views == 1 else {"views": stage.views}),
    }


def qualified_name(what: Any) -> str:
    """`module.name` of a function, a class, or the class of an instance."""
    if isinstance(what, functools.partial):
        options = ", ".join([*map(_short, what.args), *(f"{k}={_short(v)}" for k, v in sorted(what.keywords.items()))])
        return f"{qualified_name(what.func)}({options})"
    named = what if hasattr(what, "__qualname__") else type(what)
    return f"{named.__module__}.{named.__qualname__}"


def _describe_what(what: Any) -> Any:
    if isinstance(what, Learner | Predictor | Ensemble):
        members = what.members if isinstance(what, Ensemble) else [what]
        return {"trained": type(what).__name__, "weights": [_digest(member) for member in members]}
    if callable(getattr(what, "to_json", None)):
        return _plain(what.to_json())
    if is_estimator(what):
        options = what.get_params(deep=False)
        return {"estimator": qualified_name(what), **{name: _option(value) for name, value in sorted(options.items())}}
    if dataclasses.is_dataclass(what) and not isinstance(what, type):
        fields = {field.name: _option(getattr(what, field.name)) for field in dataclasses.fields(what)}
        return {"class": qualified_name(what), **fields}
    return {"function" if callable(what) else "class": qualified_name(what)}


def _option(value: Any) -> Any:
    if is_estimator(value):
        return _describe_what(value)
    if isinstance(value, list | tuple):
        return [_option(part) for part in value]
    if isinstance(value, dict):
        return {str(key): _option(part) for key, part in value.items()}
    return _short(value) if not isinstance(value, bool | int | float | str | None) else value


def _short(value: Any) -> str:
    """As its owner prints it, unless that is a place in memory."""
    return qualified_name(value) if " at 0x" in repr(value) or callable(value) else repr(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _digest(member: Learner | Predictor) -> str:
    found = hashlib.blake2b(digest_size=8)
    for name, tensor in sorted(member.network.state_dict().items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()

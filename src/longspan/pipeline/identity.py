"""What stands in a stage, as JSON values that do not change from run to run: names, options, digests of weights."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from longspan.pipeline.estimator_state import is_estimator

__all__ = ["as_json", "describe_object", "qualified_name", "weights_digest"]


def describe_object(what: Any) -> Any:
    """A strategy, estimator or function: as it describes itself (`to_json`), else by its name and options.

    A function goes by its name, so that a change within it is not seen.
    """
    if callable(getattr(what, "to_json", None)):
        return as_json(what.to_json())
    if is_estimator(what):
        options = what.get_params(deep=False)
        return {"estimator": qualified_name(what), **{name: _option(value) for name, value in sorted(options.items())}}
    if dataclasses.is_dataclass(what) and not isinstance(what, type):
        fields = {field.name: _option(getattr(what, field.name)) for field in dataclasses.fields(what)}
        return {"class": qualified_name(what), **fields}
    return {"function" if callable(what) else "class": qualified_name(what)}


def qualified_name(what: Any) -> str:
    """`module.name` of a function, a class, or the class of an instance."""
    if isinstance(what, functools.partial):
        options = ", ".join([*map(_short, what.args), *(f"{k}={_short(v)}" for k, v in sorted(what.keywords.items()))])
        return f"{qualified_name(what.func)}({options})"
    named = what if hasattr(what, "__qualname__") else type(what)
    return f"{named.__module__}.{named.__qualname__}"


def as_json(value: Any) -> Any:
    """Tuples as lists and keys as strings, as a file gives them back."""
    if isinstance(value, dict):
        return {str(key): as_json(part) for key, part in value.items()}
    return [as_json(part) for part in value] if isinstance(value, list | tuple) else value


def weights_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Fingerprint of a network's weights, 16 hexadecimal digits."""
    found = hashlib.blake2b(digest_size=8)
    for name, tensor in sorted(tensors.items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _option(value: Any) -> Any:
    if is_estimator(value):
        return describe_object(value)
    if isinstance(value, list | tuple):
        return [_option(part) for part in value]
    if isinstance(value, dict):
        return {str(key): _option(part) for key, part in value.items()}
    return _short(value) if not isinstance(value, bool | int | float | str | None) else value


def _short(value: Any) -> str:
    """As its owner prints it, unless that is an address in memory."""
    return qualified_name(value) if " at 0x" in repr(value) or callable(value) else repr(value)

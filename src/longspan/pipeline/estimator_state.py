"""A fitted scikit-learn estimator as JSON and tensors, and back into an unfitted one of the same class.

What an estimator learned stands in its attributes. Arrays become tensors; numbers, words and lists become JSON; an
estimator within an estimator is described in turn. Anything else (a tree, a function) cannot be stored without code,
and is refused by name. No class is looked up by a name that stands in a file: the owner hands the estimator in again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch

from longspan.errors import ModelFileError, PipelineError

__all__ = ["describe_estimator", "is_estimator", "restore_estimator"]


@final
class _Unstorable(Exception):  # noqa: N818 - caught where it can be said better
    """A value that is neither array, number, word, list nor estimator.

    `where` is its attribute; `inside`, whether that belongs to an estimator within the one it was met in.
    """

    def __init__(self, where: str, value: Any) -> None:
        super().__init__(where)
        self.where = where
        self.value = value
        self.inside = False


def is_estimator(value: Any) -> bool:
    """Whether this is an instance with scikit-learn's interface."""
    return not isinstance(value, type) and hasattr(value, "get_params") and hasattr(value, "fit")


def describe_estimator(estimator: Any, stage: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """JSON values and tensors of a fitted estimator.

    Raises:
        PipelineError: it holds something that cannot be stored as either; the message names it.
    """
    tensors: dict[str, torch.Tensor] = {}
    try:
        return _describe(estimator, "", tensors), tensors
    except _Unstorable as error:
        raise PipelineError(
            f"Stage {stage!r}: the fitted {type(estimator).__name__} keeps a {type(error.value).__name__} in "
            f"{error.where!r}, which is neither array, number, word nor list, so a file without code cannot hold it. "
            "Linear models, support vector machines, naive Bayes and scalers can be saved; trees cannot."
        ) from error


def restore_estimator(prototype: Any, described: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Any:
    """A fitted clone of `prototype`, an unfitted estimator of the class that was described.

    Raises:
        ModelFileError: it is of another class, or the description is damaged.
    """
    try:
        return _restore(prototype, described, tensors, _known(prototype))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ModelFileError(
            f"the description of {type(prototype).__name__} is damaged or of another version of scikit-learn: {error}"
        ) from error


# --- writing ---------------------------------------------------------------------------------------------------------


def _describe(estimator: Any, where: str, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    options = estimator.get_params(deep=False)
    state = {}
    for name, value in vars(estimator).items():
        try:
            state[name] = _encoded(value, f"{where}{name}", tensors)
        except _Unstorable as error:
            # An option, such as a function, comes back with the estimator that is handed in; what is learned does not.
            if error.inside or name not in options:
                error.inside = True
                raise
    return {"estimator": type(estimator).__name__, "state": state}


def _encoded(value: Any, where: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, np.ndarray):
        return _encoded_array(value, where, tensors)
    if isinstance(value, np.str_):
        return str(value)
    if isinstance(value, np.generic):  # before float, which np.float64 is
        return {"scalar": _stored(np.asarray(value), where, tensors)}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, list | tuple):
        parts = [_encoded(part, f"{where}.{i}", tensors) for i, part in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": parts}
    if isinstance(value, dict) and all(isinstance(key, str | int) for key in value):
        return {"dict": [[key, _encoded(part, f"{where}.{key}", tensors)] for key, part in value.items()]}
    if isinstance(value, np.dtype) and value.kind in "biufO":
        return {"dtype": value.name}
    if is_estimator(value):
        return _describe(value, f"{where}.", tensors)
    raise _Unstorable(where, value)


def _encoded_array(value: np.ndarray, where: str, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    if value.dtype.kind in "UO":
        plain = value.tolist()
        if value.ndim == 1 and all(part is None or isinstance(part, bool | int | str) for part in plain):
            return {"words" if value.dtype.kind == "U" else "objects": plain}
        raise _Unstorable(where, value)
    return {"tensor": _stored(value, where, tensors)}


def _stored(value: np.ndarray, where: str, tensors: dict[str, torch.Tensor]) -> str:
    try:
        tensors[where] = torch.from_numpy(np.array(value, order="C"))
    except TypeError as error:  # a kind of number that torch does not know
        raise _Unstorable(where, value) from error
    return where


# --- reading ---------------------------------------------------------------------------------------------------------


def _known(prototype: Any) -> dict[str, Any]:
    """Estimators by class: the one handed in, those it is made of, and two that scikit-learn's own classifiers keep."""
    from sklearn.preprocessing import LabelBinarizer, LabelEncoder

    inside = [part for part in prototype.get_params(deep=True).values() if is_estimator(part)]
    return {type(part).__name__: part for part in (LabelBinarizer(), LabelEncoder(), *inside, prototype)}


def _restore(
    prototype: Any, described: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], known: Mapping[str, Any]
) -> Any:
    from sklearn.base import clone

    if described["estimator"] != type(prototype).__name__:
        raise ModelFileError(
            f"it was trained with a {described['estimator']}, but a {type(prototype).__name__} was handed in"
        )
    estimator: Any = clone(prototype)
    for name, value in described["state"].items():
        if name.startswith("__") or callable(getattr(type(estimator), name, None)):
            raise ModelFileError(f"it would replace {name!r}, which is not a learned value")
        setattr(estimator, name, _decoded(value, getattr(estimator, name, None), tensors, known))
    return estimator


def _decoded(value: Any, like: Any, tensors: Mapping[str, torch.Tensor], known: Mapping[str, Any]) -> Any:
    """The value; `like` is what stands in its place in the estimator that was handed in, if anything does."""
    if not isinstance(value, dict):
        return value
    if "estimator" in value:
        name = value["estimator"]
        prototype = like if is_estimator(like) else known.get(name)
        if prototype is None:
            raise ModelFileError(f"it holds a {name}, and the estimator that was handed in has none to take its place")
        return _restore(prototype, value, tensors, known)
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content].numpy().copy()
    if kind == "scalar":
        return tensors[content].numpy()[()]
    if kind == "float":
        return float(content)
    if kind == "dtype":
        return np.dtype(str(content))
    if kind in ("words", "objects"):
        return np.array(content, dtype=str if kind == "words" else object)
    if kind == "dict":
        likes = like if isinstance(like, dict) else {}
        return {key: _decoded(part, likes.get(key), tensors, known) for key, part in content}
    if kind not in ("list", "tuple"):
        raise ModelFileError(f"{kind!r} is not a known kind of value")
    likes = like if isinstance(like, list | tuple) and len(like) == len(content) else [None] * len(content)
    parts = [_decoded(part, one, tensors, known) for part, one in zip(content, likes, strict=True)]
    return tuple(parts) if kind == "tuple" else parts

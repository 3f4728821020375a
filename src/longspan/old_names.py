"""Names of version 1: what each is called now, for one release.

One table per kind of name. Files written by version 1 are read without a word, because nobody can change what stands in
them. In Python and on the command line an old name works and warns (`FutureWarning`) with the new one.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

__all__ = [
    "CLASSES",
    "COLUMN_KINDS",
    "DATASETS",
    "FIELDS",
    "HEAD_KINDS",
    "MEASURES",
    "MODELS",
    "SUBMODULE_NAMES",
    "SYSTEM_OPTIONS",
    "VALUES",
    "accepts_old_keywords",
    "current_fields",
    "current_json",
    "current_value",
    "old_attribute",
    "warn_renamed",
]

COLUMN_KINDS = {"categories": "multi_label", "plain": "raw"}
HEAD_KINDS = {"classify_many": "multi_label_classify"}
MODELS = {"lenet5_slid": "space_displacement_lenet", "unshuffle_cnn": "space_to_depth_cnn"}
MEASURES = {
    "share of wrong": "error rate",
    "fraction of wrong": "error rate",
    "share of wrong pixels": "fraction of wrong pixels",
}
DATASETS = {"oxford-pets": "pets-small", "wider-face-subset": "wider-face-small"}

CLASSES = {
    "Categories": "MultiLabel",
    "ClassifyMany": "MultiLabelClassify",
    "Plain": "Raw",
    "Separate": "SingleTask",
    "SlidLeNet5Config": "SpaceDisplacementLeNetConfig",
    "UnshuffleCNNConfig": "SpaceToDepthCNNConfig",
}
"""Public classes, as `longspan.Categories`."""

FIELDS = {
    "lower_rate": "backbone_lr_mult",
    "memory_gb": "cache_gb",
    "representation": "box_head_dim",
}
"""Keywords in Python, and fields in files."""

SUBMODULE_NAMES = {
    "longspan.columns": {"Categories": "longspan.columns:MultiLabel", "Plain": "longspan.columns:Raw"},
    "longspan.heads": {
        "Answer": "longspan.heads:TargetPrediction",
        "ClassifyMany": "longspan.heads:MultiLabelClassify",
    },
    "longspan.train": {
        "Ensemble": "longspan.inference:Ensemble",
        "Prediction": "longspan.inference:Prediction",
        "Predictor": "longspan.inference:Predictor",
        "load": "longspan.inference:load",
        "predictions_to_frame": "longspan.inference:predictions_to_frame",
    },
    "longspan.heads.coco_metrics": {
        name: f"longspan.metrics.average_precision:{name}"
        for name in ("COCO_AREAS", "box_figures", "coco_figures", "mask_figures", "value_figures")
    },
}
"""Names in modules below `longspan`, and where each is found now."""

VALUES = {"squish": "stretch"}
"""Values of `resize`, in Python, on the command line and in files."""

SYSTEM_OPTIONS = {"--pictures": "--images", "--ways": "--strategies"}
"""Options of ready-made systems."""

_F = TypeVar("_F", bound=Callable[..., Any])
_INTERNAL = 3  # frames from `warnings.warn` to the line that used the old name: warn_renamed, its caller, that line


def warn_renamed(old: str, new: str, *, stacklevel: int = _INTERNAL) -> None:
    """Warn that `old` is called `new` now.

    Args:
        old: As it was written, for example "Phase(lower_rate=...)".
        new: What to write instead.
        stacklevel: As for `warnings.warn`, counted from inside this function.
    """
    warnings.warn(f"{old} is now called {new}; the old name goes in the next release.", FutureWarning, stacklevel)


def old_attribute(module: str, name: str) -> Any:
    """What a name of version 1 in a module below `longspan` is now; for that module's `__getattr__`.

    Raises:
        AttributeError: version 1 had no such name there either.
    """
    if name not in SUBMODULE_NAMES.get(module, {}):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    home, _, present = SUBMODULE_NAMES[module][name].partition(":")
    warn_renamed(f"{module}.{name}", f"{home}.{present}")
    return getattr(importlib.import_module(home), present)


def current_value(owner: str, value: str, *, stacklevel: int = 5) -> str:
    """A value of `resize` by its present name; an old one warns.

    Args:
        owner: What takes the value, for the warning: "Image.resize".
        value: As it was given.
        stacklevel: As for `warnings.warn`; 5 reaches from a dataclass's `__post_init__` to who makes an instance.
    """
    if value in VALUES:
        warn_renamed(f"{owner}: {value!r}", repr(VALUES[value]), stacklevel=stacklevel)
        return VALUES[value]
    return value


def current_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields read from a file, under their present names and with present values of `resize`."""
    renamed = {FIELDS.get(name, name): value for name, value in fields.items()}
    if isinstance(resize := renamed.get("resize"), str):
        renamed["resize"] = VALUES.get(resize, resize)
    return renamed


def current_json(value: Any) -> Any:
    """A whole JSON value from a file under present names: fields, kinds of columns and heads, networks, resizing."""
    if isinstance(value, list):
        return [current_json(each) for each in value]
    if not isinstance(value, dict):
        return value
    renamed = {key: current_json(each) for key, each in current_fields(value).items()}
    if isinstance(kind := renamed.get("kind"), str):
        renamed["kind"] = COLUMN_KINDS.get(kind) or HEAD_KINDS.get(kind) or kind
    for key in ("name", "model"):
        if isinstance(name := renamed.get(key), str):
            renamed[key] = MODELS.get(name, name)
    return renamed


def accepts_old_keywords(**renamed: str) -> Callable[[_F], _F]:
    """Decorator: the function, or a class's constructor, also takes its old keywords, and warns.

    Type checkers and `inspect.signature` see the present signature alone.

    Example:
        >>> import warnings
        >>> @accepts_old_keywords(lower_rate="lr_mult")
        ... def fine_tune(*, lr_mult: float = 1.0) -> float:
        ...     return lr_mult
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     fine_tune(lower_rate=0.1)
        0.1
    """

    def decorate(decorated: _F) -> _F:
        if inspect.isclass(decorated):
            wrapped = _wrap(decorated.__init__, decorated.__name__, renamed)
            decorated.__init__ = wrapped  # a frozen dataclass has no other place to catch an old keyword
            return decorated  # type: ignore[return-value]
        return _wrap(decorated, decorated.__name__, renamed)  # type: ignore[return-value]

    return decorate


def _wrap(function: Callable[..., Any], name: str, renamed: Mapping[str, str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        for old, new in renamed.items():
            if old in kwargs:
                if new in kwargs:
                    raise TypeError(f"{name}() got {new}= and also {old}=, its old name. Leave {old} out.")
                warn_renamed(f"{name}({old}=...)", f"{new}=")
                kwargs[new] = kwargs.pop(old)
        return function(*args, **kwargs)

    return wrapper

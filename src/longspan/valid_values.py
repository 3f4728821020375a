"""Which values the options of a training may have, checked without PyTorch.

The classes that hold these options call the same functions; the command line calls them first, because importing
PyTorch takes seconds and a slip in an option should be reported at once.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Collection, Mapping
from importlib import resources
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from longspan.errors import ConfigError, SplitError, WeightsError, unknown_name

__all__ = [
    "KEPT_EPOCHS",
    "OPTIMIZERS",
    "PRECISIONS",
    "SAMPLINGS",
    "SCHEDULES",
    "WEIGHTS",
    "check_average",
    "check_imagenet",
    "check_patience",
    "check_phase",
    "check_probability",
    "check_train_config",
    "check_weights",
    "checked_fraction",
    "gap_parts",
    "split_model",
    "stored_networks",
]

OPTIMIZERS = ("adamw", "sgd")
PRECISIONS = ("auto", "float32", "bfloat16")
SAMPLINGS = ("shuffled", "balanced", "by_class")
SCHEDULES = ("one_cycle", "cosine", "linear", "step", "constant", "coslog4")
KEPT_EPOCHS = ("best", "last")
WEIGHTS = ("none", "imagenet", "speech", "minilm", "faces")
"""Weights that have a name; others are files."""

_CHOICES = {
    "optimizer": ("optimizer", OPTIMIZERS),
    "precision": ("precision", PRECISIONS),
    "sampling": ("sampling", SAMPLINGS),
    "keep": ("choice of keep", KEPT_EPOCHS),
}


def check_train_config(values: Mapping[str, Any]) -> None:
    """Check fields of a `TrainConfig`; those that are not given are not checked.

    Raises:
        ConfigError: numbers out of range; all of them are named.
        UnknownNameError: no such optimizer, precision, sampling or choice of epoch.
    """
    faults = []
    for name in ("batch_size", "accumulate"):
        value = values.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            faults.append(f"{name} must be a whole number of at least 1, got {value!r}")
    value = values.get("rows_per_class", 4)
    if not isinstance(value, int) or isinstance(value, bool) or value < 2:
        faults.append(f"rows_per_class must be a whole number of at least 2, got {value!r}")
    value = values.get("short_first", 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        faults.append(f"short_first must be a whole number of at least 0, got {value!r}")
    elif value and values.get("sampling") == "by_class":
        faults.append("short_first orders rows by length, and sampling='by_class' by class: leave one of them out")
    value = values.get("virtual_workers")
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        faults.append(f"virtual_workers must be a whole number of at least 1, or None, got {value!r}")
    for name in ("weight_decay", "mixup"):
        if not 0 <= values.get(name, 0) < math.inf:  # NaN is in no range
            faults.append(f"{name} must be at least 0, got {values[name]}")
    if values.get("clip_norm") is not None and not values["clip_norm"] > 0:
        faults.append(f"clip_norm must be above 0, got {values['clip_norm']}")
    for name in ("momentum", "beta2"):
        if not 0 <= values.get(name, 0) < 1:
            faults.append(f"{name} must be at least 0 and below 1, got {values[name]}")
    if faults:
        raise ConfigError("TrainConfig: " + "; ".join(faults) + ".")
    for name, (kind, valid) in _CHOICES.items():
        if name in values and values[name] not in valid:
            raise unknown_name(kind, str(values[name]), valid)


def check_phase(values: Mapping[str, Any]) -> None:
    """Check fields of a `Phase`; those that are not given are not checked.

    Raises:
        ConfigError: a number out of range.
        UnknownNameError: no such schedule.
    """
    epochs = values.get("epochs", 1)
    if not isinstance(epochs, int) or epochs < 1:
        raise ConfigError(f"epochs must be a whole number of at least 1, got {epochs!r}.")
    if not 0 < values.get("lr", 1) < math.inf:
        raise ConfigError(f"lr must be above 0 and finite, got {values['lr']}.")
    if not 0 <= values.get("warmup", 0) < 1:
        raise ConfigError(f"warmup must be at least 0 and below 1, got {values['warmup']}.")
    if not 0 <= values.get("frozen", 0) <= 1:
        raise ConfigError(f"frozen must be at least 0 and at most 1, got {values['frozen']}.")
    if not 0 < values.get("backbone_lr_mult", 1) <= 1:
        raise ConfigError(f"backbone_lr_mult must be above 0 and at most 1, got {values['backbone_lr_mult']}.")
    if "schedule" in values and values["schedule"] not in SCHEDULES:
        raise unknown_name("schedule", str(values["schedule"]), SCHEDULES)


def check_patience(patience: int) -> None:
    """Check the epochs that early stopping waits: ConfigError if there are fewer than none."""
    if patience < 0:
        raise ConfigError(f"EarlyStopping.patience must be at least 0, got {patience}.")


def check_average(decay: float) -> None:
    """Check the decay of averaged weights: ConfigError if it does not lie between 0 and 1."""
    if not 0 < decay < 1:
        raise ConfigError(f"WeightAverage.decay must be above 0 and below 1, got {decay}.")


def check_probability(name: str, value: Any) -> None:
    """Check a dropout probability or a label smoothing: ConfigError if it is not at least 0 and below 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ConfigError(f"{name} must be at least 0 and below 1, got {value!r}.")


def checked_fraction(part: str, fraction: object) -> float:
    """`fraction` of a split as a plain number: below 1 a fraction of the rows, else an int, a number of rows.

    Raises:
        SplitError: neither.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, Real):
        raise SplitError(f"{part}={fraction!r} must be a number: a fraction such as 0.2, or a count such as 500.")
    number = float(fraction)
    if number == 1 and not isinstance(fraction, Integral):
        raise SplitError(f"{part}={fraction} would take every row. Use a fraction below 1; one row is {part}=1.")
    if not 0 <= number < math.inf or (number >= 1 and number != int(number)):
        raise SplitError(
            f"{part}={fraction} must be a fraction of the rows, from 0 to below 1, or a whole number of rows."
        )
    return number if 0 < number < 1 else int(number)


def gap_parts(gap: str) -> tuple[float, str]:
    """The number and the unit of a length of time such as "7d"; no unit is "".

    Raises:
        SplitError: it cannot be read.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([wdhms]?)\s*", gap)
    if match is None:
        raise SplitError(f"gap={gap!r} is not a length of time; write 7d, 36h, 30m, 10s or 2w, or a number.")
    return float(match[1]), match[2]


@functools.cache
def stored_networks() -> list[dict[str, Any]]:
    """Every network of longspan's own, with its size, from the stored catalogue."""
    return json.loads(resources.files("longspan").joinpath("models", "catalogue.json").read_text("utf-8"))


def check_imagenet(network: str, weights: str | None, published: Mapping[str, bool]) -> None:
    """WeightsError where ImageNet's weights are asked for and none are published for the network."""
    if weights == "imagenet" and published.get(network) is False:
        raise WeightsError(
            f"No weights trained on ImageNet are published for {network}. Leave weights out, or give a file."
        )


def check_weights(weights: str) -> None:
    """WeightsError if --weights is neither a name that is known nor a file."""
    if not _is_weights(weights):
        raise WeightsError(
            f"There is no weights file {weights}. Write --weights none, imagenet, or the path of a .safetensors or "
            "longspan model file."
        )


def split_model(model: str, networks: Collection[str], designs: Mapping[str, bool]) -> tuple[str, str | None]:
    """`resnet18:imagenet` or `unet:resnet18:weights.safetensors` as the model and its weights; None if it names none.

    Args:
        model: As --model takes it.
        networks: The names of all networks.
        designs: The names of all designs, and whether another backbone may be named.

    Raises:
        UnknownNameError: no such network, design, backbone or file of weights.
        ConfigError: a design that has a backbone of its own.
    """
    name, _, rest = model.partition(":")
    if name not in designs and name not in networks:
        raise unknown_name("model", name, [*networks, *designs])
    if not rest or _is_weights(rest):
        return name, rest or None
    backbone, _, weights = rest.partition(":")
    if name not in designs:
        raise unknown_name(f"weights (in {model}; none, imagenet, or a file)", rest, WEIGHTS)
    if not designs[name] and backbone in networks:
        raise ConfigError(f"{name} has a backbone of its own; leave {':' + backbone!r} out.")
    if backbone not in networks:
        raise unknown_name(f"backbone or weights file (in {model})", backbone, [*networks, *WEIGHTS])
    if weights and not _is_weights(weights):
        raise unknown_name(f"weights (in {model}; none, imagenet, or a file)", weights, WEIGHTS)
    return f"{name}:{backbone}", weights or None


def _is_weights(words: str) -> bool:
    return words in WEIGHTS or Path(words).expanduser().is_file()

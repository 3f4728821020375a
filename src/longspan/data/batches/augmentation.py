"""Which augmentation each input gets, and what is drawn for the rows of an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longspan.columns import Column
from longspan.columns.augmentation import Augmentation, DrawnParams
from longspan.errors import ConfigError, unknown_name
from longspan.lazy_torch import torch
from longspan.vision.augment import Augment

__all__ = ["augment_from_json", "augment_to_json", "augmentation_by_input", "epoch_augment_params"]


def augmentation_by_input(
    augment: Augmentation | Mapping[str, Augmentation], inputs: Mapping[str, Column]
) -> dict[str, Augmentation]:
    """The augmentation of each input that has an active one.

    Args:
        augment: One config, for all inputs of its kind; or configs by input.
        inputs: The inputs by name.

    Raises:
        UnknownNameError: a name that is not an input.
        ConfigError: a config of another kind than its input.
    """
    if not isinstance(augment, Mapping):
        fitting = {name: augment for name, column in inputs.items() if _fits(augment, column)}
        return fitting if augment.active else {}
    for name, config in augment.items():
        if name not in inputs:
            raise unknown_name("input to augment", name, inputs)
        kind = inputs[name].augmentation
        if not _fits(config, inputs[name]):
            wanted = "cannot be augmented" if kind is None else f"is augmented by {kind.__name__}"
            raise ConfigError(
                f"augment[{name!r}] is {type(config).__name__}, but a column of kind {inputs[name].kind} {wanted}."
            )
    return {name: config for name, config in augment.items() if config.active}


def epoch_augment_params(
    augment: Augmentation | Mapping[str, Augmentation],
    inputs: Mapping[str, Column],
    rows: torch.Tensor,
    epoch: int,
    seed: int,
) -> dict[str, DrawnParams]:
    """By input, what is drawn for all `rows` in one epoch, in their order; empty where nothing is drawn.

    Inputs of one kind with equal configs are changed alike, as befits two images of one scene.
    """
    configs = augmentation_by_input(augment, inputs)
    return {name: inputs[name].draw_params(config, rows, epoch, seed) for name, config in configs.items()}


def augment_to_json(augment: Augmentation | Mapping[str, Augmentation], inputs: Mapping[str, Column]) -> dict[str, Any]:
    """As JSON values: the settings of one `Augment`, or `{"inputs": {name: settings}}`."""
    if isinstance(augment, Augment):
        return augment.to_json()
    configs = augment if isinstance(augment, Mapping) else augmentation_by_input(augment, inputs)
    return {"inputs": {name: config.to_json() for name, config in configs.items()}}


def augment_from_json(fields: Mapping[str, Any], inputs: Mapping[str, Column]) -> Any:
    """What `augment_to_json` described.

    Raises:
        ConfigError: an input that cannot be augmented, or settings that do not exist.
    """
    if "inputs" not in fields:
        return Augment.from_json(dict(fields))
    configs = {}
    for name, settings in fields["inputs"].items():
        kind: Any = inputs[name].augmentation if name in inputs else None
        if kind is None:
            raise ConfigError(f"There is no input {name!r} that can be augmented.")
        configs[name] = kind.from_json(settings)
    return configs


def _fits(config: Augmentation, column: Column) -> bool:
    return column.augmentation is not None and isinstance(config, column.augmentation)

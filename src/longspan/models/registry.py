"""Every network by name: building one, and writing down and rebuilding what was built."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from longspan import old_names
from longspan.errors import ConfigError, ModelFileError
from longspan.models.backbone import Backbone
from longspan.models.entries import MODELS, ModelConfig
from longspan.nn import PoolName

__all__ = ["create", "from_json", "model_names", "to_json"]


def model_names() -> list[str]:
    """Every name that `create` takes: longspan's own, torchvision's by family, then those of plug-ins."""
    return list(MODELS)


def create(
    model: str | ModelConfig,
    *,
    in_channels: int = 3,
    size_px: tuple[int, int] = (224, 224),
    weights: str | Path | None = None,
    pool: PoolName | None = None,
) -> Backbone:
    """Build a network without its class layer.

    Args:
        model: a registered name, or a config object of a network with options.
        in_channels: channels of the images.
        size_px: height and width of the images. Networks of fixed size and those with fully connected layers on the
            maps (lenet5, deep_cnn, vit, maxvit_t) then read this size only.
        weights: None for fresh weights; "imagenet"; or a file (see `load_weights`).
        pool: for networks that end in global pooling: "avg", as they are, or "avg_max", average beside maximum.
            line_cnn gives a sequence without it and one vector with it.

    Raises: UnknownNameError, ConfigError, ShapeError for a size that the network cannot read, WeightsError, FetchError.

    Example:
        >>> create("lenet5", in_channels=1, size_px=(28, 28)).num_features
        84
    """
    if in_channels < 1:
        raise ConfigError(f"in_channels must be at least 1, got {in_channels}.")
    if pool not in (None, "avg", "avg_max"):
        raise ConfigError(f"pool must be 'avg', 'avg_max' or None, got {pool!r}.")
    build = model.build if isinstance(model, ModelConfig) else MODELS.find(model).build
    built = build(in_channels=in_channels, size_px=(int(size_px[0]), int(size_px[1])), pool=pool)
    if weights is not None:
        from longspan.models.weights import load_weights

        load_weights(built, weights)
    return built


def to_json(model: Backbone) -> dict[str, Any]:
    """What `from_json` needs to build the same network again; the weights travel apart."""
    described: dict[str, Any] = {"name": model.name}
    if isinstance(model.config, ModelConfig):
        assert dataclasses.is_dataclass(model.config)
        described = {"name": model.config.family, "options": dataclasses.asdict(model.config)}
    return {**described, "in_channels": model.in_channels, "size_px": list(model.size_px), "pool": model.pool}


def from_json(described: Mapping[str, Any]) -> Backbone:
    """Build the network that `to_json` described, in this version or an earlier one, with fresh weights.

    Raises: ModelFileError if a key is missing or unknown, UnknownNameError for the name, and what `create` raises.
    """
    rest = dict(described)
    try:
        name, in_channels, size_px = rest.pop("name"), rest.pop("in_channels"), rest.pop("size_px")
        pool = rest.pop("pool")
        options: dict[str, Any] | None = rest.pop("options", None)
        name = old_names.MODELS.get(str(name), str(name))
        model = name if options is None else _config_class(name)(**options)
    except (KeyError, TypeError) as error:
        raise ModelFileError(
            f"This description of a network is not complete or not ours: {error}. {described}"
        ) from error
    if rest:
        raise ModelFileError(f"This description of a network has unknown keys {sorted(rest)}. {described}")
    return create(model, in_channels=in_channels, size_px=(size_px[0], size_px[1]), pool=pool)


def _config_class(family: str) -> type[ModelConfig]:
    """The class of the options of a family; KeyError if there is none."""
    return {entry.config.family: entry.config for entry in MODELS.values() if entry.config is not None}[family]

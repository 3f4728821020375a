"""Every network by name: building one, and writing down and rebuilding what was built."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from longspan import old_names
from longspan.columns.spec import FeaturesSpec, ImageSpec, SequenceSpec, Spec, TokensSpec, spec_from_json
from longspan.errors import ConfigError, ModelFileError
from longspan.models.backbone import Backbone
from longspan.models.entries import MODELS, ModelConfig
from longspan.models.fused import FUSED, SMALL_ENCODERS, FusedBackbone, build_fused
from longspan.models.narrowed import narrow
from longspan.models.tabular.tabular_config import TabularConfig
from longspan.models.text.text_config import TextConfig
from longspan.nn import PoolName

__all__ = ["as_sequence", "create", "from_json", "model_names", "to_json"]

_BY_SPEC = {"features": "the features of a table", "tokens": "texts"}
"""Kinds of input of networks that are built from the whole spec, in words."""


def model_names() -> list[str]:
    """Every name that `create` takes: longspan's own, torchvision's by family, then those of plug-ins."""
    return list(MODELS)


def create(
    model: str | ModelConfig,
    *,
    in_channels: int = 3,
    size_px: tuple[int, int] = (224, 224),
    inputs: Mapping[str, Spec] | None = None,
    weights: str | Path | None = None,
    pool: PoolName | None = None,
) -> Backbone:
    """Build a network without its class layer.

    Args:
        model: a registered name, or a config object of a network with options.
        in_channels: channels of the images.
        size_px: height and width of the images. Networks of fixed size and those with fully connected layers on the
            maps (lenet5, deep_cnn, vit, maxvit_t) then read this size only.
        inputs: instead of channels and size: what the network reads, by name in its order. One image, as above; or
            several inputs, each with an encoder of its own: `model` for every image, a small encoder for numbers,
            categories, tokens and sequences (see `FusedBackbone`). Without an image, `model` is "encoders".
        weights: None for fresh weights; "imagenet"; or a file (see `load_weights`).
        pool: for networks that end in global pooling: "avg", as they are, or "avg_max", average beside maximum.
            line_cnn gives a sequence without it and one vector with it.

    Raises: UnknownNameError, ConfigError, ShapeError for a size that the network cannot read, WeightsError, FetchError.

    Example:
        >>> create("lenet5", in_channels=1, size_px=(28, 28)).num_features
        84
        >>> from longspan.columns import ImageSpec, VectorSpec
        >>> create("lenet5", inputs={"scan": ImageSpec(1, (28, 28)), "age": VectorSpec(1)}).num_features
        148
    """
    if inputs is not None:
        return _for_inputs(model, inputs, weights, pool)
    if in_channels < 1:
        raise ConfigError(f"in_channels must be at least 1, got {in_channels}.")
    if pool not in (None, "avg", "avg_max"):
        raise ConfigError(f"pool must be 'avg', 'avg_max' or None, got {pool!r}.")
    if not isinstance(model, ModelConfig) and (reads := MODELS.find(model).reads) in _BY_SPEC:
        raise ConfigError(
            f"{model} reads {_BY_SPEC[reads]}, not images: give its spec with inputs=, or let a Learner do it."
        )
    build = model.build if isinstance(model, ModelConfig) else MODELS.find(model).build
    built = build(in_channels=in_channels, size_px=(int(size_px[0]), int(size_px[1])), pool=pool)
    if weights is not None:
        from longspan.models.weights import load_weights

        load_weights(built, weights)
    return built


def _for_inputs(
    model: str | ModelConfig, inputs: Mapping[str, Spec], weights: str | Path | None, pool: PoolName | None
) -> Backbone:
    """See `create`."""
    kinds = ", ".join(f"{name} ({spec.kind})" for name, spec in inputs.items())
    if model == SMALL_ENCODERS:
        if any(isinstance(spec, ImageSpec) for spec in inputs.values()):
            raise ConfigError(f"The inputs are {kinds}: choose a network by name for the images.")
        return build_fused({}, inputs, pool)
    reads = model.reads if isinstance(model, ModelConfig) else MODELS.find(model).reads
    read = {name: spec for name, spec in inputs.items() if spec.kind == reads}
    if not read:
        name = model.family if isinstance(model, ModelConfig) else model
        raise ConfigError(
            f"{name} reads {'an image' if reads == 'image' else reads}, but the inputs are {kinds}: choose "
            f"{SMALL_ENCODERS!r}, a network that reads {next(iter(inputs.values())).kind}, or a module of yours."
        )
    images = [name for name, spec in inputs.items() if isinstance(spec, ImageSpec)]
    if reads != "image" and images:
        raise ConfigError(
            f"The inputs are {kinds}: choose a network by name for the images; a small encoder reads the {reads}."
        )
    built = {name: _for_input(model, spec, weights, pool) for name, spec in read.items()}
    return next(iter(built.values())) if len(inputs) == len(built) == 1 else build_fused(built, inputs, pool)


def _for_input(model: str | ModelConfig, spec: Spec, weights: str | Path | None, pool: PoolName | None) -> Backbone:
    """A network for one input of the kind that it reads."""
    if isinstance(spec, ImageSpec):
        return create(model, in_channels=spec.channels, size_px=spec.size_px, weights=weights, pool=pool)
    if isinstance(spec, SequenceSpec):
        return create(model, in_channels=spec.features, size_px=(1, 1), weights=weights, pool=pool)
    if pool is not None or weights == "imagenet":
        raise ConfigError("pool= and weights='imagenet' are for networks that read images.")
    built = _from_spec(model, spec)
    if weights is not None:
        from longspan.models.weights import load_weights

        load_weights(built, weights)
    return built


def as_sequence(model: str, spec: Spec) -> str | ModelConfig:
    """A registered network of texts with options that make it give a vector for each token; others as they are."""
    if model not in MODELS or MODELS.find(model).reads != "tokens" or not isinstance(spec, TokensSpec):
        return model
    options = getattr(_from_spec(model, spec), "options", None)
    return dataclasses.replace(options, pool="none") if hasattr(options, "pool") else model  # type: ignore[type-var]


def _from_spec(model: str | ModelConfig, spec: Spec) -> Backbone:
    """A network of tables or of texts, which is built from the whole spec."""
    if isinstance(model, TabularConfig):
        assert isinstance(spec, FeaturesSpec)
        return model.build_for(spec)
    if isinstance(model, TextConfig):
        assert isinstance(spec, TokensSpec)
        return model.build_for(spec)
    return MODELS.find(str(model)).build(spec=spec)


def to_json(model: Backbone) -> dict[str, Any]:
    """What `from_json` needs to build the same network again; the weights travel apart."""
    if isinstance(model, FusedBackbone):
        main = model.networks
        specs = {name: spec.to_json() for name, spec in model.specs.items()}
        return {"name": FUSED, "images": to_json(main[0]) if main else None, "inputs": specs, "pool": model.pool}
    described: dict[str, Any] = {"name": model.name}
    if isinstance(model.config, ModelConfig):
        assert dataclasses.is_dataclass(model.config)
        described = {"name": model.config.family, "options": dataclasses.asdict(model.config)}
    if model.narrowed:
        described["narrowed"] = dict(model.narrowed)
    if model.spec is not None:
        return {**described, "reads": model.spec.to_json()}
    return {**described, "in_channels": model.in_channels, "size_px": list(model.size_px), "pool": model.pool}


def from_json(described: Mapping[str, Any]) -> Backbone:
    """Build the network that `to_json` described, in this version or an earlier one, with fresh weights.

    Raises: ModelFileError if a key is missing or unknown, UnknownNameError for the name, and what `create` raises.
    """
    if described.get("name") == FUSED:
        return _fused_from_json(described)
    rest = dict(described)
    try:
        name = rest.pop("name")
        spec = spec_from_json(rest.pop("reads")) if "reads" in rest else None
        if spec is None:
            spec = ImageSpec(rest.pop("in_channels"), tuple(rest.pop("size_px")))
            pool = rest.pop("pool")
        else:
            pool = None
        options: dict[str, Any] | None = rest.pop("options", None)
        narrowed = dict(rest.pop("narrowed", {}))
        name = old_names.MODELS.get(str(name), str(name))
        model = name if options is None else _config_class(name)(**options)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"This description of a network is not complete or not ours: {error}. {described}"
        ) from error
    if rest:
        raise ModelFileError(f"This description of a network has unknown keys {sorted(rest)}. {described}")
    built = _for_input(model, spec, None, pool)
    return narrow(built, narrowed) if narrowed else built


def _fused_from_json(described: Mapping[str, Any]) -> Backbone:
    try:
        specs = {name: spec_from_json(fields) for name, fields in described["inputs"].items()}
        main, pool = described["images"], described["pool"]
        built = {}
        main = main or {}
        for name, spec in specs.items():
            if "reads" in main and spec.kind == main["reads"]["kind"]:
                built[name] = from_json({**main, "reads": spec.to_json()})
            elif isinstance(spec, ImageSpec):
                built[name] = from_json({**main, "in_channels": spec.channels, "size_px": spec.size_px})
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(
            f"This description of a network is not complete or not ours: {error}. {described}"
        ) from error
    return build_fused(built, specs, pool)


def _config_class(family: str) -> type[ModelConfig]:
    """The class of the options of a family; KeyError if there is none."""
    return {entry.config.family: entry.config for entry in MODELS.values() if entry.config is not None}[family]

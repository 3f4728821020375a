"""The backbone of a task by its name, and the images as its weights expect them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from longspan.columns import Column, ImageSpec
from longspan.errors import ConfigError
from longspan.models import ModelConfig, create

__all__ = ["make_backbone", "normalised_for"]


def make_backbone(
    model: str | ModelConfig, inputs: Mapping[str, Column], weights: str | Path | None, pool: Any
) -> nn.Module:
    """A registered network for the one image of a task; ConfigError for other inputs."""
    specs = [column.spec() for column in inputs.values()]
    if len(specs) != 1 or not isinstance(spec := specs[0], ImageSpec):
        raise ConfigError(
            f"The named networks read one image, the task gives {', '.join(inputs)}; pass a module of your own."
        )
    return create(model, in_channels=spec.channels, size_px=spec.size_px, weights=weights, pool=pool)


def normalised_for(weights: str | Path | None, inputs: Mapping[str, Column]) -> dict[str, Column]:
    """Pretrained layers expect the mean and spread of the images they were trained on."""
    return {name: column if weights is None else column.for_weights(str(weights)) for name, column in inputs.items()}

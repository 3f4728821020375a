"""The backbone of a task by its name, and the images as its weights expect them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from longspan.columns import Column, Image
from longspan.errors import ConfigError
from longspan.models import ModelConfig, create

__all__ = ["make_backbone", "normalised_for"]

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def make_backbone(
    model: str | ModelConfig, inputs: Mapping[str, Column], weights: str | Path | None, pool: Any
) -> nn.Module:
    """A registered network for the one image of a task; ConfigError for other inputs."""
    images = [column for column in inputs.values() if isinstance(column, Image)]
    if len(inputs) != 1 or not images:
        raise ConfigError(
            f"The named networks read one image, the task gives {', '.join(inputs)}; pass a module of your own."
        )
    assert images[0].size_px is not None
    assert images[0].channels is not None
    return create(model, in_channels=images[0].channels, size_px=images[0].size_px, weights=weights, pool=pool)


def normalised_for(weights: str | Path | None, inputs: Mapping[str, Column]) -> dict[str, Column]:
    """Pretrained layers expect the mean and spread of the images they were trained on."""
    if weights != "imagenet":
        return dict(inputs)
    normalised = {}
    for name, column in inputs.items():
        if isinstance(column, Image):
            grey = column.channels == 1
            mean = (sum(_IMAGENET_MEAN) / 3,) if grey else _IMAGENET_MEAN
            std = (sum(_IMAGENET_STD) / 3,) if grey else _IMAGENET_STD
            column = replace(column, mean=mean, std=std)
        normalised[name] = column
    return normalised

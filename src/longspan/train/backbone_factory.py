"""The backbone of a task by its name, and the images as its weights expect them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from longspan.columns import Column
from longspan.heads import Head
from longspan.models import ModelConfig, create
from longspan.models.registry import as_sequence

__all__ = ["make_backbone", "normalised_for"]


def make_backbone(
    model: str | ModelConfig,
    inputs: Mapping[str, Column],
    weights: str | Path | None,
    pool: Any,
    heads: Mapping[str, Head],
) -> nn.Module:
    """A registered network for the inputs of a task; see `models.create`.

    Networks of texts by name give a vector for each token where every head can read a sequence.
    """
    specs = {name: column.spec() for name, column in inputs.items()}
    if isinstance(model, str) and len(specs) == 1 and all(head.reads in ("sequence", "any") for head in heads.values()):
        model = as_sequence(model, next(iter(specs.values())))
    return create(model, inputs=specs, weights=weights, pool=pool)


def normalised_for(weights: str | Path | None, inputs: Mapping[str, Column]) -> dict[str, Column]:
    """Pretrained layers expect the mean and spread of the images they were trained on."""
    return {name: column if weights is None else column.for_weights(str(weights)) for name, column in inputs.items()}

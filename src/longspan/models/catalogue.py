"""What there is to choose from: every registered network with its size and its cost, from a stored table."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from longspan.models.entries import MODELS

__all__ = ["TABLE_NAME", "ModelInfo", "catalogue"]

TABLE_NAME = "catalogue.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelInfo:
    """One network: what it is called, how large it is, what one image costs.

    Parameters and multiply-adds are of the whole published network: with its class layer, without auxiliary heads, for
    one image of `size_px` with `channels_in` channels.
    """

    name: str
    """As `create` takes it."""
    parameters: int
    multiply_adds: int
    """Multiplications with addition of convolutions, linear layers, attention: half the floating-point operations."""
    size_px: tuple[int, int]
    """Height and width: of the published evaluation for torchvision's networks."""
    channels_in: int
    classes: int
    """Outputs of the class layer that is counted in."""
    source: str
    """Paper or book."""
    imagenet: bool
    """Whether weights="imagenet" exist."""


def catalogue() -> list[ModelInfo]:
    """Every registered network: longspan's own, torchvision's by family, then those of plug-ins."""
    stored = {info.name: info for info in _read()}
    return [stored.get(name) or _measure(name) for name in MODELS]


@functools.cache
def _read() -> tuple[ModelInfo, ...]:
    rows: list[dict[str, Any]] = json.loads(resources.files("longspan.models").joinpath(TABLE_NAME).read_text("utf-8"))
    return tuple(ModelInfo(**{**row, "size_px": (row["size_px"][0], row["size_px"][1])}) for row in rows)


@functools.cache
def _measure(name: str) -> ModelInfo:
    """A network that is not in the table, because it was registered from outside the package."""
    from longspan.models.measure import measure_own

    return measure_own(name)

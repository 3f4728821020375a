"""What the catalogue records of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__ = ["TABLE_NAME", "ModelInfo"]

TABLE_NAME = "catalogue.json"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ModelInfo:
    """One network: its name, its size, and what one image costs.

    Parameters and multiply-adds are of the whole published network: with its class layer, without auxiliary heads, for
    one image of `size_px` with `channels_in` channels. Networks of tables have neither: they are measured on a row of 8
    numbers and 4 categories of 10 classes.
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

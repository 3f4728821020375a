"""Every registered network with its size and its cost, from a stored table."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from longspan.models.entries import MODELS
from longspan.models.measure import measure_own
from longspan.models.model_info import TABLE_NAME, ModelInfo

__all__ = ["catalogue"]


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
    return measure_own(name)

"""Raw values on their way through a pipeline: copied for functions, shortened for messages."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["brief", "copied"]


def copied(value: Any) -> Any:
    """An array or list of its own, for a function that may change what it gets."""
    if isinstance(value, np.ndarray):
        return value.copy()
    return [copied(part) for part in value] if isinstance(value, list) else value


def brief(value: Any) -> str:
    """A value in a message: the shape of an array, at most 80 characters of anything else."""
    if isinstance(value, np.ndarray):
        return f"an array {value.shape}"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

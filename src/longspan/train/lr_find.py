"""The learning-rate range test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LRFind", "suggest"]


@final
@dataclass(frozen=True, slots=True, repr=False)
class LRFind:
    """Loss over the learning rate, and the rate that the curve suggests."""

    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    """Smoothed, up to where the loss blows up."""
    suggestion: float

    def __repr__(self) -> str:
        return f"LRFind(suggestion={self.suggestion:.2g}; {self.lrs[0]:.1g}..{self.lrs[-1]:.1g})"

    def plot(self) -> Figure:
        """The curve, with the suggestion marked."""
        from longspan.report import lr_curve

        return lr_curve(self.lrs, self.losses, suggested=self.suggestion)


def suggest(lrs: np.ndarray, losses: np.ndarray) -> float:
    """The rate at the middle of the longest falling stretch of the smoothed loss.

    Source: the "valley" rule of ESRI, fastai's default: the longest run of falling loss, two thirds of the way in.
    """
    longest = np.ones(len(losses), int)
    for i in range(1, len(losses)):
        below = longest[:i][losses[:i] > losses[i]]
        longest[i] = 1 + (below.max() if below.size else 0)
    end = int(longest.argmax())
    start = max(end - int(longest[end]) + 1, 0)
    return float(lrs[start + (end - start) * 2 // 3])

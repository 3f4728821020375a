"""How much training a strategy may spend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, final

from longspan.errors import ConfigError
from longspan.train.config import Phase

__all__ = ["Budget"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Steps or seconds of training, so that strategies are compared at equal expense."""

    steps: int | None = None
    """Batches, whatever a batch costs."""
    seconds: float | None = None
    """Time, whatever is done in it; measured at the start of a training, so figures differ from run to run."""

    def __post_init__(self) -> None:
        """Check that it is one of the two."""
        if (self.steps is None) == (self.seconds is None):
            raise ConfigError("A Budget is either steps= or seconds=.")
        if self.steps is not None and (not isinstance(self.steps, int) or self.steps < 1):
            raise ConfigError(f"Budget(steps=) must be a whole number of at least 1, got {self.steps!r}.")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise ConfigError(f"Budget(seconds=) must be above 0 and finite, got {self.seconds!r}.")

    def fraction(self, part: float) -> Budget:
        """This part of it, 0 < part <= 1: at least one step."""
        if self.steps is not None:
            return Budget(steps=max(1, round(self.steps * part)))
        assert self.seconds is not None
        return Budget(seconds=self.seconds * part)

    def describe(self) -> str:
        """In words: "1,000 steps", "30 seconds"."""
        return f"{self.steps:,} steps" if self.steps is not None else f"{self.seconds:g} seconds"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def fit_phases(phases: Sequence[Phase], steps: int, num_batches: int) -> list[Phase]:
    """The same phases, stretched or shortened in proportion until they take about `steps` batches together.

    Phases last whole epochs, at least one each, so the sum is off by at most half an epoch a phase, where `steps`
    allows one epoch a phase at all.
    """
    total = sum(phase.epochs for phase in phases)
    return [replace(phase, epochs=max(1, round(steps * phase.epochs / total / num_batches))) for phase in phases]

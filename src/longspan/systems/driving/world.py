"""A world in which drivers learn and are measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

import longspan as ls

__all__ = ["DAGGER", "DIRECT", "END_TO_END", "FUSED", "KINDS", "MAIN", "RECOVERY", "STAGED", "DrivingWorld"]

STAGED, END_TO_END, DAGGER, DIRECT = "in stages", "end to end", "DAgger", "direct perception"
RECOVERY, FUSED = "recovery", "three sensors"
KINDS = (STAGED, END_TO_END, DAGGER, DIRECT, RECOVERY, FUSED)
"""Of drivers."""
MAIN = (STAGED, END_TO_END, DAGGER, DIRECT)
"""Those that are compared unless others are named."""

Policy = Callable[[dict[str, np.ndarray]], np.ndarray]
"""What sensors see to an action."""


class DrivingWorld(ABC):
    """What a driver of each kind reads and learns, how frames are recorded, and how its network drives."""

    reads: ClassVar[Mapping[str, tuple[str, ...]]]
    """Columns that a driver of each kind sees; the kinds that there are."""
    says: ClassVar[Mapping[str, tuple[str, ...]]]
    """Columns that its network learns."""
    size_px: ClassVar[tuple[int, int]]
    """Of the images that networks read."""
    most_steps: ClassVar[int]
    """Of an episode."""
    about: ClassVar[str]
    """What it is, for reports."""

    @abstractmethod
    def make(self, *, render: bool = False) -> Any:
        """An environment of an evaluation."""

    @abstractmethod
    def record(self, count: int, *, seed: int, driver: Policy | None = None, disturbed: bool = False) -> ls.Table:
        """Frames of the expert, none of them of a place where drivers are measured.

        Args:
            count: How many.
            seed: Of the drives.
            driver: Who drives; the expert says what it would have done. None: the expert.
            disturbed: Whether the car is pushed aside now and then.
        """

    @abstractmethod
    def policy(self, kind: str, model: Any) -> Any:
        """How a network of a kind drives."""

    @abstractmethod
    def expert(self, environment: Any) -> Any:
        """The expert as a policy of an environment, whose ground truth it sees."""

    @abstractmethod
    def replaced(self, model: Any) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        """The staged driver with stages replaced by the ground truth: in words, and from an environment to a policy."""

    @abstractmethod
    def steering(self, kind: str, predictions: Sequence[Any], frames: ls.Table) -> list[float]:
        """What a driver would steer in recorded frames, on an empty road."""

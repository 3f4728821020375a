"""How much data a wanted error takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, final

from longspan.study.formatting import percent, say_size

__all__ = ["FARTHEST", "NotReached", "SizeFor"]

FARTHEST = 1000.0
"""Sizes beyond this many times the largest one tried are not given: no curve of a few points reaches that far."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SizeFor:
    """The training rows that a wanted error takes."""

    error: float
    size: int
    """Three significant digits, as both ends of the interval."""
    low: int | None
    """None with a single seed, or if even the fewest rows looked at may do."""
    high: int | None
    """None with a single seed, or if the error may never be reached."""
    extrapolated: bool
    level: float
    seeds: int

    def __str__(self) -> str:
        """In words: "about 5,200 (95 %: 3,900 to 8,800), extrapolated"."""
        tail = ", extrapolated" if self.extrapolated else ""
        return f"about {say_size(self.size)} ({self.interval()}){tail}"

    def interval(self) -> str:
        """The interval in words: "95 %: 3,900 to 8,800", "95 %: 3,900 or more"."""
        if self.seeds < 2:
            return "a single seed: no interval"
        if self.low is not None and self.high is not None:
            ends = f"{say_size(self.low)} to {say_size(self.high)}"
        elif self.low is not None:
            ends = f"{say_size(self.low)} or more"
        else:
            ends = "any size" if self.high is None else f"up to {say_size(self.high)}"
        return f"{percent(self.level)}: {ends}"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class NotReached:
    """A wanted error that the fitted law never comes down to, or only absurdly far from the sizes tried."""

    error: float
    floor: float
    """What the law comes down to with ever more data."""
    reason: Literal["floor", "flat", "too far"]
    """Flat: the error did not fall with more data in the sizes tried."""
    low: int | None
    """The fewest rows at which the interval of the law leaves room for it all the same; None if it leaves none."""
    level: float

    def __str__(self) -> str:
        """In words."""
        if self.reason == "flat":
            text = f"not reached: the error stays at {self.floor:.3g}, however much data there is"
        elif self.reason == "floor":
            text = f"not reached: the floor, {self.floor:.3g}, is above {self.error:.3g}"
        else:
            text = f"not within {FARTHEST:,.0f} times the largest size tried"
        return text if self.low is None else f"{text} ({percent(self.level)}: from {say_size(self.low)} on)"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}

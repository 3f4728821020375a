"""Whether a strategy has learned at all."""

from __future__ import annotations

__all__ = ["not_learned"]

_NEAR = 0.9
"""A mean error of less than this fraction of the guessing error has learned something, whatever its interval."""


def not_learned(mean: float, high: float | None, guess: float | None) -> bool:
    """Whether a mean error cannot be distinguished from guessing.

    Args:
        mean: Over seeds.
        high: Upper end of its interval; None with a single seed.
        guess: The error of guessing; None where it is not known.
    """
    if guess is None or not guess > 0 or mean < _NEAR * guess:
        return False
    return high is None or high >= guess

"""Priorities of prioritised replay: a tree of sums."""

from __future__ import annotations

from typing import final

import numpy as np

__all__ = ["Priorities"]

_SMALLEST = 1e-3


@final
class Priorities:
    """A priority for each place of a buffer; places are drawn in proportion to priority ** alpha.

    Source: Schaul et al. 2016, "Prioritized experience replay", sections 3.3 and 3.4, the proportional variant.
    Differs: all batches between two steps of the environments are drawn before their updates; sums are of children,
    never running, so a tree that is built again from its leaves is equal to the bit.
    """

    def __init__(self, places: int, alpha: float) -> None:
        """No place has a priority yet."""
        self.alpha = alpha
        self.size = 1 << max(1, (places - 1).bit_length())
        self.tree = np.zeros(2 * self.size)
        self.places = places
        self.largest = 1.0
        """Of all errors so far; new places get it, so that each is drawn soon."""

    def add(self, places: np.ndarray) -> None:
        """New ones."""
        self._set(places, np.full(len(places), self.largest**self.alpha))

    def remove(self, places: np.ndarray) -> None:
        """Never to be drawn again."""
        self._set(places, np.zeros(len(places)))

    def update(self, places: np.ndarray, errors: np.ndarray) -> None:
        """Absolute errors of the places that were just learned from; of a place that comes twice, the later counts."""
        errors = np.abs(errors).astype(np.float64) + _SMALLEST
        self.largest = max(self.largest, float(errors.max()))
        there = self.tree[self.size + places] > 0  # one may have left the buffer since it was drawn
        self._set(places[there], errors[there] ** self.alpha)

    def draw(self, numbers: np.ndarray, importance: float, drawable: int) -> tuple[np.ndarray, np.ndarray]:
        """Places for numbers in [0, 1), and their importance weights, of which the largest is 1."""
        left = numbers * self.tree[1]
        at = np.ones(len(numbers), np.int64)
        while at[0] < self.size:
            at *= 2
            # Never into a branch without priorities, which rounding could lead to.
            right = (left >= self.tree[at]) & (self.tree[at + 1] > 0)
            left = np.where(right, left - self.tree[at], left)
            at += right
        chances = self.tree[at] / self.tree[1]
        weights = (drawable * np.maximum(chances, 1e-12)) ** -importance
        return at - self.size, (weights / weights.max()).astype(np.float32)

    def leaves(self) -> np.ndarray:
        """`(places,)`: what `restore` takes."""
        return self.tree[self.size : self.size + self.places].copy()

    def restore(self, leaves: np.ndarray, largest: float) -> None:
        """Be as the tree that gave these."""
        self.largest = largest
        self.tree[:] = 0
        self.tree[self.size : self.size + self.places] = leaves
        level = self.size
        while level > 1:
            half = level // 2
            self.tree[half:level] = self.tree[level : 2 * level : 2] + self.tree[level + 1 : 2 * level : 2]
            level = half

    def _set(self, places: np.ndarray, values: np.ndarray) -> None:
        if not len(places):
            return
        at = self.size + places
        self.tree[at] = values
        while at[0] > 1:
            at = np.unique(at // 2)
            self.tree[at] = self.tree[2 * at] + self.tree[2 * at + 1]

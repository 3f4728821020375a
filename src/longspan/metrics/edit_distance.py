"""How far one text is from another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

__all__ = ["EditCounts", "edit_counts", "edit_distance"]


def edit_distance(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Fewest insertions, deletions and substitutions that turn `one` into `other`.

    Source: Wagner and Fischer 1974, "The string-to-string correction problem", with one row of their table kept.

    Example:
        >>> edit_distance("kitten", "sitting")
        3
    """
    if one == other:
        return 0
    row = list(range(len(other) + 1))  # from nothing to each beginning of `other`
    for done, each in enumerate(one, start=1):
        left, diagonal = done, done - 1
        for place, theirs in enumerate(other, start=1):
            left, diagonal = min(row[place] + 1, left + 1, diagonal + (each != theirs)), row[place]
            row[place] = left
        row[0] = done
    return row[-1]


@final
@dataclass(frozen=True, slots=True)
class EditCounts:
    """How texts differ from what is right, in words or characters."""

    substitutions: int
    deletions: int
    """Of what is right and was not found."""
    insertions: int
    """Of what was found and is not there."""
    length: int
    """Words or characters of what is right."""

    @property
    def rate(self) -> float:
        """Edits by length: word or character error rate. Above 1 where more is found than is there."""
        return (self.substitutions + self.deletions + self.insertions) / self.length if self.length else 0.0

    def __add__(self, other: EditCounts) -> EditCounts:
        """The counts of both."""
        return EditCounts(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.length + other.length,
        )


def edit_counts(targets: Sequence[Sequence[Any]], predictions: Sequence[Sequence[Any]]) -> EditCounts:
    """Substitutions, deletions and insertions over all texts, each by one shortest way from its target.

    Args:
        targets: What is right: lists of words, or strings for characters.
        predictions: What was found, as many.

    Example:
        >>> edit_counts([["the", "cat", "sat"]], [["the", "hat", "sat", "on"]])
        EditCounts(substitutions=1, deletions=0, insertions=1, length=3)
    """
    total = EditCounts(0, 0, 0, 0)
    for target, prediction in zip(targets, predictions, strict=True):
        total += _counts_of_one(target, prediction)
    return total


def _counts_of_one(target: Sequence[Any], prediction: Sequence[Any]) -> EditCounts:
    rows, columns = len(target), len(prediction)
    table = np.zeros((rows + 1, columns + 1), np.int64)
    table[:, 0], table[0] = np.arange(rows + 1), np.arange(columns + 1)
    for i, wanted in enumerate(target, start=1):
        for j, found in enumerate(prediction, start=1):
            table[i, j] = min(table[i - 1, j - 1] + (wanted != found), table[i - 1, j] + 1, table[i, j - 1] + 1)
    i, j, substitutions, deletions, insertions = rows, columns, 0, 0, 0
    while i or j:
        if i and j and table[i, j] == table[i - 1, j - 1] + (target[i - 1] != prediction[j - 1]):
            substitutions += target[i - 1] != prediction[j - 1]
            i, j = i - 1, j - 1
        elif i and table[i, j] == table[i - 1, j] + 1:
            deletions, i = deletions + 1, i - 1
        else:
            insertions, j = insertions + 1, j - 1
    return EditCounts(int(substitutions), deletions, insertions, rows)

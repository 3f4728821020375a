"""How far one text is from another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["edit_distance"]


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

"""How many rows a part of a split gets: a fraction of them, or a number."""

from __future__ import annotations

import numpy as np

from longspan.errors import SplitError

__all__ = ["checked_fraction", "counts_of"]


def checked_fraction(part: str, fraction: object) -> float:
    """`fraction` as a plain number: below 1 a fraction of the rows, else an int, a number of rows."""
    if isinstance(fraction, (bool, np.bool_)) or not isinstance(fraction, (int, float, np.integer, np.floating)):
        raise SplitError(f"{part}={fraction!r} must be a number: a fraction such as 0.2, or a count such as 500.")
    if fraction == 1 and isinstance(fraction, (float, np.floating)):
        raise SplitError(f"{part}={fraction} would take every row. Use a fraction below 1; one row is {part}=1.")
    if not 0 <= fraction < np.inf or (fraction >= 1 and fraction != int(fraction)):
        raise SplitError(
            f"{part}={fraction} must be a fraction of the rows, from 0 to below 1, or a whole number of rows."
        )
    return float(fraction) if 0 < fraction < 1 else int(fraction)


def counts_of(total: int, valid: float, test: float) -> tuple[int, int]:
    """Rows for valid and test out of `total`; each asked for gets at least one, and one is left to train."""
    counts = []
    for part, fraction in (("valid", valid), ("test", test)):
        count = int(fraction) if fraction >= 1 else int(fraction * total + 0.5)
        if fraction and not count:
            raise SplitError(
                f"{part}={fraction} of {total} rows is less than half a row, so the {part} part would be empty. "
                f"Use a larger fraction or a number of rows, such as {part}=1."
            )
        counts.append(count)
    if sum(counts) >= total:
        raise SplitError(
            f"valid={valid} and test={test} take {sum(counts)} of {total} rows and leave none to train on. "
            "Make them smaller; fractions must sum to less than 1."
        )
    return counts[0], counts[1]

"""How many rows a part of a split gets: a share of them, or a number."""

from __future__ import annotations

import numpy as np

from longspan.errors import SplitError

__all__ = ["checked_share", "counts_of"]


def checked_share(part: str, share: object) -> float:
    """`share` as a plain number: below 1 a share of the rows, else an int, a number of rows."""
    if isinstance(share, (bool, np.bool_)) or not isinstance(share, (int, float, np.integer, np.floating)):
        raise SplitError(f"{part}={share!r} must be a number: a share such as 0.2, or a count such as 500.")
    if share == 1 and isinstance(share, (float, np.floating)):
        raise SplitError(f"{part}={share} would take every row. Use a share below 1; one row is {part}=1.")
    if not 0 <= share < np.inf or (share >= 1 and share != int(share)):
        raise SplitError(f"{part}={share} must be a share of the rows, from 0 to below 1, or a whole number of rows.")
    return float(share) if 0 < share < 1 else int(share)


def counts_of(total: int, valid: float, test: float) -> tuple[int, int]:
    """Rows for valid and test out of `total`; each asked for gets at least one, and one is left to train."""
    counts = []
    for part, share in (("valid", valid), ("test", test)):
        count = int(share) if share >= 1 else int(share * total + 0.5)
        if share and not count:
            raise SplitError(
                f"{part}={share} of {total} rows is no row, so the {part} part would be empty. "
                f"Use a larger share or a number of rows, such as {part}=1."
            )
        counts.append(count)
    if sum(counts) >= total:
        raise SplitError(
            f"valid={valid} and test={test} take {sum(counts)} of {total} rows and leave none to train on. "
            "Make them smaller; shares must sum to less than 1."
        )
    return counts[0], counts[1]

"""How many rows a part of a split gets: a fraction of them, or a number."""

from __future__ import annotations

from longspan.errors import SplitError

__all__ = ["counts_of"]


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

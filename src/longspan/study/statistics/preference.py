"""Which of two strategies is better at some amount of data, by more than matters."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from longspan.errors import StudyError
from longspan.study.formatting import say_chance, say_error, say_size
from longspan.study.run_grid import cells_of
from longspan.study.statistics.decide import FARTHEST_DECISION
from longspan.study.statistics.held_out_rows import HeldOutRows
from longspan.study.statistics.paired_difference import paired_difference, rows_covariance

__all__ = ["Preference", "preference"]


@final
@dataclass(frozen=True, kw_only=True)
class Preference:
    """Three probabilities that sum to 1, for other trainings on these held-out rows; and three for rows like these."""

    first: str
    second: str
    size: float
    """Training rows."""
    worth: float
    """A difference of errors that does not matter, in their unit."""
    first_better: float
    """The probability that the first strategy is better by more than `worth`."""
    no_difference: float
    """That neither is."""
    second_better: float
    extrapolated: bool
    """Whether `size` lies beyond the sizes tried."""
    rows_first_better: float | None = None
    """The same on other rows like these; None where errors of rows are not known."""
    rows_no_difference: float | None = None
    rows_second_better: float | None = None

    def sentence(self, unit: str = "") -> str:
        """In words; the unit "%" shows a proportion as percent."""
        by = f" by more than {say_error(self.worth, unit)}" if self.worth else ""
        parts = [f"{self.first} is better{by} with probability {say_chance(self.first_better)}"]
        if self.worth:
            parts.append(f"the difference does not matter with {say_chance(self.no_difference)}")
        parts.append(f"{self.second} is better{by} with {say_chance(self.second_better)}")
        text = f"With {say_size(self.size)} training rows, {', '.join(parts[:-1])} and {parts[-1]}"
        if self.rows_first_better is not None and self.rows_second_better is not None:
            known = [self.rows_first_better, self.rows_no_difference or 0.0, self.rows_second_better]
            there = [say_chance(each) for each in (known if self.worth else known[::2])]
            text += f" on these rows; on rows like these the probabilities are {', '.join(there[:-1])} and {there[-1]}"
        return text + (" (extrapolated)." if self.extrapolated else ".")

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def preference(
    frame: Any, first: str, second: str, *, size: float, worth: float = 0.0, target: str | None = None,
    held_out: HeldOutRows | None = None,
) -> Preference:  # fmt: skip
    """How probable it is that each of two strategies is better by more than `worth`.

    Args:
        frame: the runs; see `longspan.study.run_grid.cells_of`, whose errors are raised here too.
        first: a strategy.
        second: another.
        size: training rows: within the sizes that both were tried at, or up to four times the largest.
        worth: a difference of errors that does not matter, in their unit, from 0 on.
        target: whose error; may be left out where there is only one.
        held_out: the rows that were measured on; None where errors of rows are not known.

    Raises:
        StudyError: too few runs of the same seeds, a size too far from those tried, or a negative `worth`.
    """
    if not 0 <= worth < float("inf"):
        raise StudyError(f"worth={worth}: a difference of errors from 0 on (0.01 for one point of an error rate).")
    cells = cells_of(frame, target=target, strategies=(first, second))
    places = np.append(cells.sizes.astype(np.float64), size)
    apart = paired_difference(cells.sizes, cells.of(first), cells.of(second), places=places)
    if apart is None:
        raise StudyError(
            f"{first!r} and {second!r} need runs of the same seed at two sizes, two seeds at one of them, before "
            "their difference can be estimated."
        )
    low, high = float(apart.measured_at[0]), float(apart.measured_at[-1])
    if not low <= size <= FARTHEST_DECISION * high:
        raise StudyError(
            f"size={size:,g} is too far from the sizes tried: give one from {low:,g} to {FARTHEST_DECISION * high:,g}."
        )
    better, same, worse = apart.better_by(size, worth)
    of_rows = rows_covariance(cells, first, second, held_out)
    wider: tuple[float, float, float] | None = None
    if of_rows is not None:
        known = paired_difference(cells.sizes, cells.of(first), cells.of(second), places=places, rows=of_rows)
        wider = None if known is None else known.better_by(size, worth)
    return Preference(
        first=first, second=second, size=size, worth=worth, first_better=better, no_difference=same,
        second_better=worse, extrapolated=size > high,
        rows_first_better=wider and wider[0], rows_no_difference=wider and wider[1],
        rows_second_better=wider and wider[2],
    )  # fmt: skip

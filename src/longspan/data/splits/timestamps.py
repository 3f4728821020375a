"""When something was: values of a column as moments that sort by time."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import numpy as np

from longspan.errors import SplitError

__all__ = ["epoch_units", "moments_of"]

_EPOCHS = {"seconds": 1e9, "milliseconds": 1e12, "microseconds": 1e15, "nanoseconds": 1e18}
"""What moments from 2001 on are at least, by the unit in which they are counted since 1970."""
_EPOCH_MOST = 2.6
"""Times that: until 2052."""


def epoch_units(numbers: Any) -> list[str]:
    """In which units since 1970 these numbers may be counted: several, if some look like seconds and others do not.

    Args:
        numbers: `(N,)` numbers, without missing ones.

    Returns:
        Of seconds, milliseconds, microseconds and nanoseconds those that occur; none if a number fits none of them.
    """
    values = np.asarray(numbers, np.float64)
    fits = {unit: (values >= least) & (values <= least * _EPOCH_MOST) for unit, least in _EPOCHS.items()}
    if not len(values) or not np.logical_or.reduce(list(fits.values())).all():
        return []
    return [unit for unit, these in fits.items() if these.any()]


def moments_of(values: list[object], name: str) -> list[object]:
    """Text as datetimes, or as numbers if all of it is digits; anything else as it is.

    Raises:
        SplitError: text that would sort wrongly as time, or moments of which some are counted in another unit.
    """
    if not any(isinstance(value, str) for value in values):
        return _in_one_unit(values, name)
    if all(isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,19}\s*", value) for value in values):
        return _in_one_unit([int(str(value)) for value in values], name)  # numbers of frames, as file names have them
    parsed: dict[object, object] = {}
    for value in dict.fromkeys(values):
        text = str(value).strip()
        if re.fullmatch(r"\d{4}(-\d{2})?", text):
            text = f"{text}-01" if "-" in text else f"{text}-01-01"
        try:
            parsed[value] = datetime.fromisoformat(text)
        except ValueError as error:
            day = "not in the calendar" if re.match(r"\d{4}-\d{2}-\d{2}", text) else "not a date that sorts by time"
            raise SplitError(
                f"Column {name!r}: {value!r} is {day}. "
                "Write dates as 2026-01-31 or 2026-01-31T12:00 (ISO 8601), or as numbers."
            ) from error
    return [parsed[value] for value in values]


def _in_one_unit(values: list[object], name: str) -> list[object]:
    """The values as they are.

    Raises:
        SplitError: seconds and milliseconds, which would sort wrongly among each other.
    """
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        units = epoch_units(values)
        if len(units) > 1:
            raise SplitError(
                f"Column {name!r} counts moments since 1970 in {' and in '.join(units)}, so that they would sort "
                "wrongly. Write all of them in one unit."
            )
    return values

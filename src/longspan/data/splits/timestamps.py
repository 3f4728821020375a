"""When something was: values of a column as moments that sort by time."""

from __future__ import annotations

import re
from datetime import datetime

from longspan.errors import SplitError

__all__ = ["moments_of"]


def moments_of(values: list[object], name: str) -> list[object]:
    """Text as datetimes, or as numbers if all of it is digits; anything else as it is.

    Raises:
        SplitError: text that would sort wrongly as time.
    """
    if not any(isinstance(value, str) for value in values):
        return values
    if all(isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,18}\s*", value) for value in values):
        return [int(str(value)) for value in values]  # the numbers of frames, as file names have them
    parsed: dict[object, object] = {}
    for value in dict.fromkeys(values):
        text = str(value).strip()
        if re.fullmatch(r"\d{4}(-\d{2})?", text):
            text = f"{text}-01" if "-" in text else f"{text}-01-01"
        try:
            parsed[value] = datetime.fromisoformat(text)
        except ValueError as error:
            raise SplitError(
                f"Column {name!r}: {value!r} is not a date that sorts by time. "
                "Write dates as 2026-01-31 or 2026-01-31T12:00 (ISO 8601), or as numbers."
            ) from error
    return [parsed[value] for value in values]

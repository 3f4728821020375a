"""What `--split-by` says: by which column, or columns, rows are divided."""

from __future__ import annotations

import re
from typing import Any

from longspan.errors import ConfigError

__all__ = ["split_columns"]

_WAYS = ("time", "group", "column")


def split_columns(words: str | None) -> dict[str, Any]:
    """Columns by what they split, as `Table.split` takes them; a column's name may hold colons and commas.

    Raises:
        ConfigError: the words cannot be read, or split in ways that exclude each other.

    Example:
        >>> split_columns("time:date,group:store")
        {'time': 'date', 'group': 'store'}
    """
    if words is None:
        return {}
    found: dict[str, Any] = {}
    for part in re.split(rf",(?=(?:{'|'.join(_WAYS)}):)", words):
        how, _, name = part.partition(":")
        if how not in _WAYS or not name or how in found:
            raise ConfigError(
                f"--split-by {words}: write time:COLUMN, group:COLUMN or column:COLUMN, such as group:patient; or "
                "time:COLUMN,group:COLUMN for both."
            )
        found[how] = name
    if len(found) > 1 and "column" in found:
        raise ConfigError(f"--split-by {words}: a column that names the parts cannot be combined with another way.")
    return found

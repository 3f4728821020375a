"""What is remarked while images are read, such as transparent parts: once for each table, with how many images."""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Remark", "counted_remarks", "remark"]

Remark = tuple[str, str]
"""What an image has, and what that means: "some images have" comes before the first."""

_LOCK = threading.Lock()
_counting: list[Counter[Remark]] = []


def remark(has: str, means: str) -> None:
    """Count a remark about an image, or give a warning where nobody counts."""
    with _LOCK:
        if _counting:
            _counting[-1][has, means] += 1
            return
    warnings.warn(f"Some images have {has}. {means}", stacklevel=2)


@contextmanager
def counted_remarks(name: str, images: int) -> Iterator[None]:
    """Collect the remarks about the images of a column, whatever threads read them, and give one warning for each.

    Args:
        name: The column.
        images: How many there are.
    """
    found: Counter[Remark] = Counter()
    with _LOCK:
        _counting.append(found)
    try:
        yield
    finally:
        with _LOCK:
            _counting.remove(found)
    for (has, means), count in sorted(found.items()):
        warnings.warn(f"Column {name!r}: {count:,} of {images:,} images have {has}. {means}", stacklevel=3)

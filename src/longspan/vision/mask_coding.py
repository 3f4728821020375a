"""Whether the numbers in training masks can be what a column takes them for."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from longspan.errors import DataError
from longspan.vision.mask_files import read_stored

__all__ = ["check_classes_occur", "warn_of_guesses"]

_MANY_CLASSES = 40
_FEW_CLASSES, _GREY_LEVEL = 10, 64


def check_classes_occur(
    vocab: Sequence[Any], numbers: Sequence[int], ignored: Collection[int], masks: Iterable[Any]
) -> None:
    """See that every named class occurs in the training masks; reading stops as soon as all have been seen.

    A mask of 0 and 255 read with the classes ("background", "crack") has no crack: 255 is ignored.

    Args:
        vocab: Labels of the classes.
        numbers: The stored number of each.
        ignored: Stored numbers that do not count.
        masks: Raw values of the training rows; masks of colours and damaged ones are passed over.

    Raises:
        DataError: at most one class occurs, and ignored numbers do.
    """
    wanted, seen, left_out, read = set(numbers), set(), {}, 0
    for value in masks:
        try:
            stored = read_stored(value)
        except ValueError:  # reported with its row when the rows are read
            continue
        if stored.ndim != 2:
            return
        read += 1
        found, counts = np.unique(stored, return_counts=True)
        for number, count in zip(found.tolist(), counts.tolist(), strict=True):
            if number in ignored:
                left_out[number] = left_out.get(number, 0) + count
        seen.update(found.tolist())
        if wanted <= seen:
            return
    lacking = [f"{label!r} (number {n})" for label, n in zip(vocab, numbers, strict=True) if n not in seen]
    if not read or not lacking:
        return
    what = f"Of the classes, {', '.join(lacking[:5])} never occur{'s' if len(lacking) == 1 else ''} in a training mask"
    if not left_out:
        if seen <= wanted:
            warnings.warn(f"{what}: nothing can be learned about them.", stacklevel=4)
        return  # otherwise there are numbers of no class, which are faults of their rows
    odd = ", ".join(map(str, sorted(left_out)))
    cure = f"If {odd} is a class, say so: codes={{0: ..., {max(left_out)}: ...}}, or Mask(values=..., ignored=())."
    if len(wanted & seen) <= 1:
        raise DataError(f"{what}, but the masks hold {odd}, which is ignored. {cure}")
    warnings.warn(f"{what}. The masks also hold {odd}, which is ignored. {cure}", stacklevel=4)


def warn_of_guesses(
    classes: Sequence[int], left_out: Collection[int], codings: Mapping[tuple[int, ...], int] | None = None
) -> None:
    """Warn where classes that were learned from the masks are probably not what was meant.

    Args:
        classes: The numbers that are taken as classes.
        left_out: Numbers that occur and are ignored.
        codings: How many masks hold these one or two numbers and no others.
    """
    two = (codings or {}).get((0, 255), 0)
    if 255 in left_out and two:
        warnings.warn(
            f"{two} of the training masks hold only 0 and 255, and 255 is ignored, while others hold the classes "
            f"{', '.join(map(str, classes[:10]))}. If 255 is the object in these files, write all masks with the same "
            "numbers.",
            stacklevel=4,
        )
    if 255 in left_out and max(classes) >= _GREY_LEVEL and len(classes) < _FEW_CLASSES:  # 0, 128, 255: grey levels
        warnings.warn(
            f"The training masks hold the classes {', '.join(map(str, classes[:10]))}, and {max(left_out)}, which is "
            f"ignored. If {max(left_out)} is a class, say Mask(ignored=()), or name the classes with codes=.",
            stacklevel=4,
        )
    if len(classes) > _MANY_CLASSES:
        warnings.warn(
            f"The training masks hold {len(classes)} different numbers, and each is taken as a class. Were the masks "
            "resized or stored with loss, which blurs numbers? Name the classes: codes=, or Mask(values=...).",
            stacklevel=4,
        )

"""The options of networks are checked alike: one function for all families, which names every fault at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from longspan.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["check_options"]


def check_options(
    config: DataclassInstance,
    *,
    least: Mapping[str, int] | None = None,
    odd: Sequence[str] = (),
    fractions: Sequence[str] = (),
    one_of: Mapping[str, Sequence[Any]] | None = None,
) -> None:
    """Check the fields of a config; a field that is None by default may be None.

    Args:
        config: The options.
        least: Fields that are whole numbers, or tuples of them that are not empty, and the smallest that they may be.
        odd: Those of `least` that are odd.
        fractions: Fields that are at least 0 and below 1, such as dropout.
        one_of: Fields that have one of a few values, and these.

    Raises:
        ConfigError: one or several fields have another value; the message names them all.
    """
    owner = type(config).__name__
    optional = {each.name for each in fields(config) if each.default is None}
    faults: list[str] = []

    def check(name: str, right: bool, wanted: str) -> None:
        if not right:
            wanted += ", or None" if name in optional else ""
            faults.append(f"{owner}.{name} must be {wanted}, got {getattr(config, name)!r}.")

    for name, smallest in (least or {}).items():
        value = getattr(config, name)
        if value is None and name in optional:
            continue
        several = isinstance(value, tuple)
        numbers: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
        right = bool(numbers) and all(_is_whole(each) and each >= smallest for each in numbers)
        if right and name in odd:
            check(name, all(each % 2 for each in numbers), "odd numbers" if several else "odd")
        else:
            kind = "whole numbers of " if several else "" if _is_whole(value) else "a whole number of "
            check(name, right, f"{kind}at least {smallest}")
    for name in fractions:
        value = getattr(config, name)
        check(name, _is_number(value) and 0 <= value < 1, "at least 0 and below 1")
    for name, values in (one_of or {}).items():
        *some, last = [repr(each) for each in values]
        check(name, getattr(config, name) in values, f"{', '.join(some)} or {last}" if some else last)
    if faults:
        raise ConfigError("\n".join(faults))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

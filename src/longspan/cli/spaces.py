"""Search spaces on the command line: NAME=LOW..HIGH and NAME=VALUE,VALUE."""

from __future__ import annotations

import math
from typing import Any

from longspan.errors import ConfigError

__all__ = ["read_space"]

_DECADE = 10
"""Ranges that are wider than this factor are drawn evenly over their logarithm."""


def read_space(words: tuple[str, ...], *, names: bool = False) -> dict[str, list[Any] | dict[str, Any]]:
    """Values by the name of an option, from NAME=A,B,...; or the fields of `Between`, from NAME=LOW..HIGH.

    Args:
        words: As they were given.
        names: Whether values in a list may be names, such as those of networks.

    Raises:
        ConfigError: something else was given, or a range of no width.
    """
    found: dict[str, list[Any] | dict[str, Any]] = {}
    for each in words:
        name, equals, values = (part.strip() for part in each.partition("="))
        low, dots, high = values.partition("..")
        try:
            if not name or not equals or name in found:
                raise ValueError
            if not dots:
                found[name] = [_value(value.strip(), names=names) for value in values.split(",")]
                continue
            ends = _number(low), _number(high)
        except ValueError:
            raise ConfigError(
                f"--space {each}: write NAME=LOW..HIGH or NAME=VALUE,VALUE with numbers, such as lr=1e-4..1e-1 or "
                "config.batch_size=16,64, once for each name."
            ) from None
        if not -math.inf < ends[0] < ends[1] < math.inf:
            raise ConfigError(f"--space {each}: LOW must be below HIGH, and both finite.")
        whole = all(isinstance(end, int) for end in ends)
        log = 0 < _DECADE * ends[0] <= ends[1]
        found[name] = {"low": ends[0], "high": ends[1], "log": log, "whole": whole}
    return found


def _number(text: str) -> int | float:
    """A whole number where it is written as one."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def _value(text: str, *, names: bool) -> Any:
    try:
        return _number(text)
    except ValueError:
        if not names or not text:
            raise
        return text

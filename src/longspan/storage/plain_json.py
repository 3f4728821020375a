"""JSON from a stranger: values only, and none nested so deeply that the programs that walk through it would fail."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

__all__ = ["DEEPEST", "parse_json"]

DEEPEST = 64
"""Lists and objects within each other; what longspan writes has about ten."""

_CHUNK = 1 << 22
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")  # pairs of them are whole characters
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def parse_json(text: str, *, unique_keys: bool = False) -> Any:
    """The value that `text` says.

    Args:
        text: JSON.
        unique_keys: Refuse an object that names a key twice; else the last one counts, as in Python.

    Raises:
        json.JSONDecodeError: it is not JSON, with the place.
        ValueError: it is nested more than `DEEPEST` deep, or holds a number of thousands of digits, or half a
            character, which no file name, table or terminal takes.

    Example:
        >>> parse_json('{"a": [1, null]}')
        {'a': [1, None]}
        >>> parse_json("[" * 100 + "]" * 100)
        Traceback (most recent call last):
        ValueError: lists and objects stand more than 64 deep within each other
    """
    # Brackets within strings count too in the quick look; only where there are many of them are strings taken out.
    if _depth(text) > DEEPEST and _depth(_STRING.sub('""', text)) > DEEPEST:
        raise ValueError(f"lists and objects stand more than {DEEPEST} deep within each other")
    value = json.loads(text, object_pairs_hook=_unique if unique_keys else None)
    if _SURROGATE.search(text) is not None:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("a text in it holds half of a character (an unpaired surrogate)") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} occurs twice")
    return found


def _depth(text: str) -> int:
    """The most brackets that are open at once."""
    deepest = level = 0
    for start in range(0, len(text), _CHUNK):
        raw = np.frombuffer(text[start : start + _CHUNK].encode("utf-8", "surrogatepass"), np.uint8)
        steps = ((raw == ord("[")) | (raw == ord("{"))).astype(np.int32) - ((raw == ord("]")) | (raw == ord("}")))
        levels = level + steps.cumsum(dtype=np.int32)
        if len(levels):
            deepest, level = max(deepest, int(levels.max())), int(levels[-1])
    return deepest

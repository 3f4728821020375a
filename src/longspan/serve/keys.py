"""Keys that clients show, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from pathlib import Path

from longspan.errors import ConfigError

__all__ = ["is_known", "read_keys"]

_SHORTEST = 16


def read_keys(path: str | Path) -> tuple[bytes, ...]:
    """Keys from a file: one in each line; empty lines and those that begin with # are left out.

    Raises:
        ConfigError: no such file, no key in it, or one that is short enough to guess.
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--key-file {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        raise ConfigError(f"--key-file {path} holds no key. Write one in a line: openssl rand -hex 24")
    if any(len(key) < _SHORTEST for key in keys):
        raise ConfigError(f"--key-file {path}: keys have at least {_SHORTEST} characters. openssl rand -hex 24")
    return tuple(key.encode() for key in keys)


def is_known(given: bytes, keys: Sequence[bytes]) -> bool:
    """Whether one of the keys is the given one; takes as long whichever it is."""
    found = False
    for key in keys:
        found |= hmac.compare_digest(given, key)
    return found

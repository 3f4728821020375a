"""Options of --set, which is given once for each: NAME=VALUE."""

from __future__ import annotations

from collections.abc import Sequence

from longspan.errors import ConfigError

__all__ = ["parse_settings"]


def parse_settings(words: Sequence[str], example: str) -> dict[str, str]:
    """Values by name, both as words.

    Args:
        words: Each NAME=VALUE.
        example: One that could be, for the message.

    Raises:
        ConfigError: a word without a name or a value.
    """
    found = {}
    for word in words:
        name, _, value = word.partition("=")
        if not name.strip() or not value:
            raise ConfigError(f"--set {word}: write NAME=VALUE, as in --set {example}.")
        found[name.strip()] = value
    return found

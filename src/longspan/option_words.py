"""Options of a ready-made system from the words of a command line, checked without importing the system."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from longspan.errors import ConfigError, unknown_name
from longspan.old_names import SYSTEM_OPTIONS

__all__ = ["OptionKind", "flag_of", "parse_words"]

_TYPES: dict[str, tuple[type, str, str]] = {
    "int": (int, "N", "a whole number"),
    "float": (float, "X", "a number"),
    "str": (str, "TEXT", "a text"),
}
_COMMON = ("--out", "--seed", "--force", "--quiet")


@final
@dataclass(frozen=True, slots=True)
class OptionKind:
    """What values an option takes."""

    kind: str
    """"int", "float", "str", "bool" or "choice"."""
    choices: tuple[str, ...] = ()
    """For a choice: all that are valid."""

    @property
    def metavar(self) -> str:
        """How the value is written in help: N, X, TEXT or the choices."""
        return "|".join(self.choices) if self.kind == "choice" else _TYPES[self.kind][1]

    def value(self, flag: str, text: str) -> Any:
        """The value that `text` stands for; ConfigError or UnknownNameError if it does not stand for one."""
        if self.kind == "choice":
            if text not in self.choices:
                raise unknown_name(f"{flag} called", text, self.choices)
            return text
        if self.kind == "bool":
            if text.lower() not in ("true", "false"):
                raise ConfigError(f"{flag} must be true or false, got {text!r}; {flag} alone means true.")
            return text.lower() == "true"
        made, _, what = _TYPES[self.kind]
        try:
            return made(text)
        except ValueError:
            raise ConfigError(f"{flag} must be {what}, got {text!r}.") from None


def flag_of(name: str) -> str:
    """How the option for a field is written: `--train-rows` for train_rows."""
    return f"--{name.replace('_', '-')}"


def parse_words(kinds: Mapping[str, OptionKind], words: Sequence[str]) -> dict[str, Any]:
    """Values by field from `--name value`, `--name=value`, `--flag`, `--no-flag`.

    Args:
        kinds: What values each option takes, by the name of its field.
        words: As they stand on the command line.

    Raises:
        UnknownNameError: there is no such option, or no such choice; with the nearest.
        ConfigError: a value is missing, or not of the option's type.
    """
    by_flag = {flag_of(name): name for name in kinds}
    negated = {f"--no-{flag[2:]}": name for flag, name in by_flag.items() if kinds[name].kind == "bool"}
    values: dict[str, Any] = {}
    rest = list(words)
    while rest:
        flag, equals, value = rest.pop(0).partition("=")
        flag = _current(flag, by_flag)
        if flag in negated and not equals:
            values[negated[flag]] = False
            continue
        if flag not in by_flag:
            what = "option" if flag.startswith("-") else "option (they begin with --)"
            raise unknown_name(what, flag, [*by_flag, *negated, *_COMMON])
        kind = kinds[by_flag[flag]]
        if kind.kind == "bool" and not equals:
            values[by_flag[flag]] = True
            continue
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise ConfigError(f"{flag} needs a value: {flag} {kind.metavar}.")
            value = rest.pop(0)
        values[by_flag[flag]] = kind.value(flag, value)
    return values


def _current(flag: str, known: Collection[str]) -> str:
    """The present name of an option that has been renamed; the old one warns for one release."""
    new = SYSTEM_OPTIONS.get(flag, flag)
    if flag in known or new not in known:
        return flag
    warnings.warn(f"The option {flag} is now called {new}.", FutureWarning, stacklevel=4)
    return new

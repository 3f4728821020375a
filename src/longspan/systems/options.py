"""Options of a system from the words of a command line: the fields of its frozen dataclass."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
import warnings
from collections.abc import Collection, Sequence
from dataclasses import MISSING, fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from longspan.errors import ConfigError, unknown_name
from longspan.old_names import SYSTEM_OPTIONS

__all__ = ["describe_options", "parse_options"]


def parse_options(options: type[Any], words: Sequence[str]) -> Any:
    """An instance of the dataclass `options` from `--name value`, `--name=value`, `--flag`, `--no-flag`.

    Raises:
        UnknownNameError: there is no such option, or no such choice; with the nearest.
        ConfigError: a value is missing, or not of the option's type.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Options:
        ...     epochs: int = 3
        ...     photos: bool = False
        >>> parse_options(Options, ["--epochs", "5", "--photos"])
        Options(epochs=5, photos=True)
    """
    types_by_flag = {_flag(name): (name, kind) for name, kind in get_type_hints(options).items()}
    negated = {f"--no-{flag[2:]}": name for flag, (name, kind) in types_by_flag.items() if kind is bool}
    values: dict[str, Any] = {}
    rest = list(words)
    while rest:
        flag, equals, value = rest.pop(0).partition("=")
        flag = _current(flag, types_by_flag)
        if flag in negated and not equals:
            values[negated[flag]] = False
            continue
        if flag not in types_by_flag:
            kind = "option" if flag.startswith("-") else "option (they begin with --)"
            raise unknown_name(kind, flag, [*types_by_flag, *negated, "--out", "--seed", "--force", "--quiet"])
        name, kind = types_by_flag[flag]
        if kind is bool and not equals:
            values[name] = True
            continue
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise ConfigError(f"{flag} needs a value: {flag} {_metavar(kind)}.")
            value = rest.pop(0)
        values[name] = _value(flag, value, kind)
    return options(**values)


def describe_options(options: type[Any]) -> list[tuple[str, str]]:
    """How each option is written, and its docstring with its default."""
    hints, words = get_type_hints(options), _docstrings(options)
    lines = []
    for field in fields(options):
        kind = hints[field.name]
        written = f"{_flag(field.name)}" + ("" if kind is bool else f" {_metavar(kind)}")
        assert field.default is not MISSING, f"{options.__name__}.{field.name} needs a default"
        default = "" if field.default is None or kind is bool else f"  [default: {field.default}]"
        lines.append((written, words.get(field.name, "") + default))
    return lines


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _current(flag: str, known: Collection[str]) -> str:
    """The present name of an option that has been renamed; the old one warns for one release."""
    new = SYSTEM_OPTIONS.get(flag, flag)
    if flag in known or new not in known:
        return flag
    warnings.warn(f"The option {flag} is now called {new}.", FutureWarning, stacklevel=3)
    return new


def _bare(kind: Any) -> Any:
    """`int` of `int | None`."""
    if get_origin(kind) in (Union, types.UnionType):
        return next(each for each in get_args(kind) if each is not type(None))
    return kind


def _metavar(kind: Any) -> str:
    kind = _bare(kind)
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    return {int: "N", float: "X"}.get(kind, "TEXT")


def _value(flag: str, text: str, kind: Any) -> Any:
    kind = _bare(kind)
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise unknown_name(f"{flag} called", text, get_args(kind))
        return text
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ConfigError(f"{flag} must be true or false, got {text!r}; {flag} alone means true.")
        return text.lower() == "true"
    try:
        return kind(text)
    except ValueError:
        what = {int: "a whole number", float: "a number"}.get(kind, kind.__name__)
        raise ConfigError(f"{flag} must be {what}, got {text!r}.") from None


def _docstrings(options: type[Any]) -> dict[str, str]:
    """The docstring under each field, read from the source file; empty if there is none."""
    found = {}
    for each in reversed(options.__mro__[:-1]):  # a class overrides the docstrings of its base
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        except (OSError, TypeError, SyntaxError):
            continue
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = " ".join(text.split())
    return found

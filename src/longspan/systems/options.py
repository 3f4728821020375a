"""Options of a system from the words of a command line: the fields of its frozen dataclass."""

from __future__ import annotations

import ast
import inspect
import math
import sys
import textwrap
import types
from collections.abc import Collection, Sequence
from dataclasses import MISSING, fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from longspan import old_names
from longspan.errors import ConfigError, unknown_name
from longspan.option_words import OptionKind, flag_of, parse_words
from longspan.registry import plugin_names
from longspan.valid_values import check_imagenet, check_weights, stored_networks

__all__ = [
    "check_above_zero", "check_at_least", "check_network", "describe_options", "option_kinds", "parse_options",
]  # fmt: skip


def check_at_least(**options: tuple[float | None, float]) -> None:
    """Check values against the smallest that they may be; None is not checked.

    Raises:
        ConfigError: a value is too small; the message names its option.
    """
    for name, (value, least) in options.items():
        if value is not None and not value >= least:
            raise ConfigError(f"{flag_of(name)} must be at least {least:g}, got {value}.")


def check_above_zero(**options: float | None) -> None:
    """ConfigError for a value that is not above 0, or not finite; None is not checked."""
    for name, value in options.items():
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"{flag_of(name)} must be above 0, got {value:g}.")


def check_network(name: str, weights: str | None = None, *, others: Collection[str] = ()) -> None:
    """Check that a network exists, and its weights; needs no PyTorch where the network is one of longspan's own.

    Args:
        name: As a `Learner` takes it; weights may stand after a colon.
        weights: Initial weights: a name, a file, or None for none.
        others: What may be chosen instead of a network.

    Raises:
        UnknownNameError: there is no such network.
        WeightsError: there are no such weights, or none for this network.
    """
    if weights is not None:
        check_weights(weights)
    called, _, behind = name.partition(":")
    if called in others or called in old_names.MODELS:
        return
    own = {each["name"]: each["imagenet"] for each in stored_networks()}
    if called in own:
        check_imagenet(called, behind or weights, own)
        return
    known: Collection[str] = own
    if "torch" in sys.modules or plugin_names():
        from longspan.models import model_names

        known = model_names()
    if called not in known:
        raise unknown_name("model", called, [*known, *others])


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
    return options(**parse_words(option_kinds(options), words))


def option_kinds(options: type[Any]) -> dict[str, OptionKind]:
    """What values each field of the dataclass takes."""
    return {name: _kind(hint) for name, hint in get_type_hints(options).items()}


def describe_options(options: type[Any]) -> list[tuple[str, str]]:
    """How each option is written, and its docstring with its default."""
    kinds, words = option_kinds(options), _docstrings(options)
    lines = []
    for field in fields(options):
        kind = kinds[field.name]
        assert field.default is not MISSING, f"{options.__name__}.{field.name} needs a default"
        flag = flag_of(field.name)
        if kind.kind == "bool":
            written = f"{flag} / --no-{flag.removeprefix('--')}" if field.default else flag
            default = "  [default: on]" if field.default else ""
        else:
            written = f"{flag} {kind.metavar}"
            default = "" if field.default is None else f"  [default: {field.default}]"
        lines.append((written, words.get(field.name, "") + default))
    return lines


def _kind(hint: Any) -> OptionKind:
    """`int | None` is an int, a Literal a choice."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(each for each in get_args(hint) if each is not type(None))
    if get_origin(hint) is Literal:
        return OptionKind("choice", tuple(map(str, get_args(hint))))
    return OptionKind(hint.__name__)


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

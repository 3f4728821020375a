"""Registries: what there is of one kind, by name, open to additions from outside the package."""

from __future__ import annotations

import inspect
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, final

from longspan.errors import ConfigError, unknown_name
from longspan.old_names import warn_renamed

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["PLUGIN_GROUP", "Entry", "Registry", "load_plugins", "plugin_names"]

PLUGIN_GROUP = "longspan.plugins"
"""The group of entry points under which installed packages announce modules that register something."""

T = TypeVar("T")
V = TypeVar("V")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Entry(Generic[T]):
    """One registered thing, and what lists, help texts and docs show of it."""

    name: str
    value: T
    summary: str
    """One line; the first line of the docstring where nothing else was given."""
    usage: str
    """How the name is written on a command line: "number[:UNIT]"."""


@final
class Registry(Mapping[str, T]):
    """What there is of one kind, by name, in the order of registration.

    Installed packages add to it: their modules are imported the first time that the registry is listed or a name is
    not found, so that importing longspan stays cheap. See "Plug-ins" in CONTRIBUTING.

    Example:
        >>> kinds = Registry[type]("kind of value")
        >>> @kinds.register("colour")
        ... class Colour:
        ...     '''A colour in sRGB.'''
        >>> kinds.find("colour").__name__, kinds.entry("colour").summary
        ('Colour', 'A colour in sRGB')
    """

    def __init__(
        self,
        kind: str,
        *,
        name_of: Callable[[T], str] | None = None,
        summary_of: Callable[[T], str] | None = None,
        old_names: Mapping[str, str] | None = None,
    ) -> None:
        """Make an empty registry.

        Args:
            kind: What it holds, for messages: "column kind", "model".
            name_of: The name that a value has in itself, where it has one; `register` then needs none.
            summary_of: One line about a value; None: the first line of its docstring.
            old_names: Former names and the present ones.
        """
        self.kind = kind
        self._name_of = name_of
        self._summary_of = summary_of or _first_line
        self._old_names = dict(old_names or {})
        self._entries: dict[str, Entry[T]] = {}

    def register(self, name: str | None = None, *, summary: str | None = None, usage: str = "") -> Callable[[V], V]:
        """Decorator that adds what it stands before; it can also be called: `register("name")(value)`.

        Args:
            name: The name; may be left out where the value has one.
            summary: One line for lists and help. None: taken from the value.
            usage: How the name is written on a command line, where that is more than the name.

        Raises:
            ConfigError: the name is empty, contradicts the value's own, was given up for another, or is taken.
        """

        def add(value: V) -> V:
            own = self._name_of(value) if self._name_of is not None else None  # type: ignore[arg-type]
            self._add(name, own, value, summary, usage)  # type: ignore[arg-type]
            return value

        return add

    def _add(self, name: str | None, own: str | None, value: T, summary: str | None, usage: str) -> None:
        if name is not None and own is not None and name != own:
            raise ConfigError(f"This {self.kind} calls itself {own!r} and is registered as {name!r}. Use one name.")
        called = name or own
        if not called:
            raise ConfigError(f"A {self.kind} needs a name: register(NAME).")
        if called in self._old_names:
            raise ConfigError(
                f"{called!r} is the old name of the {self.kind} {self._old_names[called]!r}. Use another."
            )
        there = self._entries.get(called)
        if there is not None and not _same(there.value, value):
            raise ConfigError(f"There is already a {self.kind} called {called!r}. Choose another name.")
        self._entries[called] = Entry(
            name=called,
            value=value,
            summary=self._summary_of(value) if summary is None else summary,
            usage=usage or called,
        )

    def unregister(self, name: str) -> None:
        """Take a name away again; for tests and notebooks that register more than once."""
        self._entries.pop(name, None)

    def find(self, name: str, *, in_file: bool = False) -> T:
        """The value called `name`.

        Args:
            name: A present name, or an old one.
            in_file: The name comes from a file, where an old name needs no warning.

        Raises:
            UnknownNameError: there is none; the message gives the nearest name.
        """
        return self.entry(name, in_file=in_file).value

    def entry(self, name: str, *, in_file: bool = False) -> Entry[T]:
        """The same, with what lists and help show; arguments and errors as for `find`."""
        name = str(name)  # what a file gives may be anything
        if name not in self._entries and name in self._old_names:
            new = self._old_names[name]
            if not in_file:
                warn_renamed(f"The {self.kind} {name!r}", repr(new), stacklevel=4)
            name = new
        if name not in self._entries:
            load_plugins()
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries)
        return self._entries[name]

    def entries(self) -> list[Entry[T]]:
        """Everything there is, plug-ins included, in the order of registration."""
        load_plugins()
        return list(self._entries.values())

    def __getitem__(self, name: str) -> T:
        """The value of a present name; KeyError if there is none, as for any mapping. `find` says more."""
        if name not in self._entries:
            load_plugins()
        return self._entries[name].value

    def __iter__(self) -> Iterator[str]:
        load_plugins()
        return iter(list(self._entries))

    def __len__(self) -> int:
        load_plugins()
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Registry({self.kind!r}: {', '.join(self._entries)})"


_lock = threading.RLock()
_loaded: set[str] = set()


def plugin_names() -> list[str]:
    """The installed plug-ins by the names of their entry points; imports none of them."""
    return [point.name for point in _entry_points()]


def load_plugins() -> None:
    """Import the modules that installed packages announce, each once.

    One that fails is left out with a warning that names it: a faulty plug-in must not take longspan down.
    """
    with _lock:  # another thread waits until everything is registered; this one may come here again from an import
        if PLUGIN_GROUP in _loaded:
            return
        _loaded.add(PLUGIN_GROUP)
        _import_plugins()


def _entry_points() -> Iterable[EntryPoint]:
    from importlib import metadata  # takes as long as the rest of `longspan --help`

    return metadata.entry_points(group=PLUGIN_GROUP)


def _import_plugins() -> None:
    for point in _entry_points():
        try:
            point.load()
        except Exception as error:
            package = f" of the package {point.dist.name}" if point.dist is not None else ""
            warnings.warn(
                f"The longspan plug-in {point.name!r}{package} could not be loaded and is left out: "
                f"{type(error).__name__}: {error}. Fix {point.value} or uninstall it.",
                RuntimeWarning,
                stacklevel=4,
            )


def _same(one: object, other: object) -> bool:
    """Whether it is the same value; a class whose module was imported anew is taken for the same."""
    names = [(getattr(each, "__module__", None), getattr(each, "__qualname__", None)) for each in (one, other)]
    return one is other or (None not in names[0] and names[0] == names[1])


def _first_line(value: object) -> str:
    """The first line of the docstring, without its full stop."""
    text = inspect.getdoc(value) or ""
    return text.partition("\n")[0].rstrip(".")

"""What a ready-made system is: a name, options, and a function that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from longspan.systems.result import SystemRun

__all__ = ["System"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """A complete application of longspan to one problem.

    A new system is a file here, its test, its page in `docs/systems/`, and one line in `systems/registry.py`.
    """

    name: str
    """The name that `longspan run` takes."""
    summary: str
    """What it shows, in a sentence."""
    needs: str
    """Data, weights and time; completes the sentence "Needs ..."."""
    options: type[Any]
    """A frozen, keyword-only dataclass; each field with a default and a docstring."""
    extras: tuple[str, ...] = ()
    """Extras that it needs whatever its options are; see `longspan.extras`."""
    run: Callable[[Any, SystemRun], None]
    """Trains with these options and passes the result to `SystemRun.finish`."""

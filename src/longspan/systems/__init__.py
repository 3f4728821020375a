"""Ready-made systems: one command runs each on bundled or named data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from longspan.systems.registry import SYSTEMS, find_system

__all__ = ["SYSTEMS", "System", "SystemRun", "find_system"]


if not TYPE_CHECKING:  # a module with `__getattr__` would have every name for a type checker

    def __getattr__(name: str) -> Any:
        """The registry, loaded on first use: a command that checks the options of one system imports that one alone."""
        if name not in ("SYSTEMS", "find_system"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from longspan.systems import registry

        return getattr(registry, name)

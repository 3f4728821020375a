"""Where version 1 kept average precision; `longspan.metrics.average_precision` has it now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longspan import old_names

__all__: list[str] = []


if not TYPE_CHECKING:  # a module with `__getattr__` would have every name for a type checker

    def __getattr__(name: str) -> Any:
        """The names of version 1 work and warn."""
        return old_names.old_attribute(__name__, name)

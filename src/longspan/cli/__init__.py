"""The command line: one file per group of commands, thin over the library.

Nothing here imports PyTorch, polars or matplotlib before a command needs it, so that help and usage errors answer at
once.
"""

from __future__ import annotations

from longspan.cli.app import app, main

__all__ = ["app", "main"]

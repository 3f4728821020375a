"""The folder where longspan keeps what it can get or make again: downloads, unpacked data sets, decoded images."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["cache_dir"]


def cache_dir() -> Path:
    """The cache folder; it need not exist yet, and deleting it loses nothing.

    `LONGSPAN_CACHE` if set; else the platform's place: `$XDG_CACHE_HOME/longspan` or `~/.cache/longspan`,
    `~/Library/Caches/longspan` on macOS, `%LOCALAPPDATA%/longspan` on Windows.
    """
    named = os.environ.get("LONGSPAN_CACHE")
    if named:
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "longspan"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "longspan"
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "longspan"

"""Folds that a run has finished, kept in its folder: a run of hours that was stopped goes on with the next one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from longspan.storage.files import write_whole
from longspan.systems.result import SystemRun
from longspan.version import __version__

__all__ = ["FOLDS", "FinishedFolds"]

FOLDS = "folds.json"


@final
class FinishedFolds:
    """What was found in each fold, by its number; that of a run with other settings or another seed does not count."""

    def __init__(self, run: SystemRun, settings: Mapping[str, Any]) -> None:
        """Read what is in the folder, unless the run starts over (`--force`).

        Args:
            run: Its folder and its seed.
            settings: All that changes what a fold finds, as JSON values.
        """
        self._path = run.folder / FOLDS
        self._settings = {**settings, "seed": run.seed, "longspan": __version__}
        self._found: dict[str, Any] = {} if run.force else self._read()
        run.when_stopped = f"Finished folds are kept in {self._path}; the same command continues from there."

    def get(self, number: int) -> Any:
        """What was found in a fold, or None where it has not been finished."""
        return self._found.get(str(number))

    def add(self, number: int, found: Any) -> None:
        """Keep what was found in a fold: JSON values."""
        self._found[str(number)] = found

        def write(part: Path) -> None:
            part.write_text(json.dumps({"settings": self._settings, "folds": self._found}) + "\n", encoding="utf-8")

        write_whole(self._path, write)

    def _read(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            return kept["folds"] if kept["settings"] == self._settings else {}
        except (OSError, ValueError, LookupError, TypeError):
            return {}

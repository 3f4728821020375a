"""The trials of a search and the file that keeps them: a line of JSON for each, written as it happens."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from longspan.errors import StudyError
from longspan.storage.files import plain
from longspan.storage.plain_json import parse_json

__all__ = ["SearchTrial", "TrialFile"]

_FORMAT = "longspan search"
_ATTEMPTS = 2


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SearchTrial:
    """One training of a search."""

    number: int
    """From 0, which has the strategy's own settings."""
    drawn: dict[str, float]
    """What Optuna has drawn: numbers, and of a list of values the place of one."""
    params: dict[str, Any]
    """The settings, as JSON values; empty for the strategy's own."""
    error: float | None
    """On the validation rows; None where it failed."""
    seconds: float
    message: str = ""
    """Why it failed."""


@final
class TrialFile:
    """Appends to a file and syncs it, so that a kill at any moment loses the trial that was running and no more."""

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        """Read what is there; nothing is written yet.

        Raises:
            StudyError: the file is of another search, or is none.
        """
        self.path = path
        self.identity = json.loads(json.dumps(plain(dict(identity)), default=str))
        self.trials: list[SearchTrial] = []
        self._begun: dict[int, int] = {}
        self._whole = 0
        if path.is_file():
            self._read()

    def begin(self, number: int) -> bool:
        """Note that a trial starts; False where it has ended this program as often as it may."""
        if self._begun.get(number, 0) >= _ATTEMPTS:
            return False
        self._begun[number] = self._begun.get(number, 0) + 1
        self._append({"begun": number})
        return True

    def add(self, trial: SearchTrial) -> None:
        """Keep a trial."""
        self.trials.append(trial)
        self._append(
            {"trial": trial.number, "drawn": trial.drawn, "params": trial.params, "error": trial.error,
             "seconds": round(trial.seconds, 3), "message": trial.message}
        )  # fmt: skip

    def _append(self, values: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        head = [] if self._whole else [{"format": _FORMAT, "of": self.identity}]
        text = "".join(json.dumps(plain(each), default=str) + "\n" for each in [*head, values]).encode()
        with self.path.open("r+b" if self.path.exists() else "wb") as file:
            file.truncate(self._whole)  # a line that a kill cut off
            file.seek(self._whole)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self._whole += len(text)

    def _read(self) -> None:
        text = self.path.read_bytes()
        self._whole = text.rfind(b"\n") + 1
        try:
            lines = [parse_json(line.decode()) for line in text[: self._whole].splitlines()]
        except ValueError as error:
            raise StudyError(f"{self.path} is damaged ({error}). Search into another folder.") from error
        if not lines:
            return
        if not isinstance(lines[0], dict) or lines[0].get("format") != _FORMAT:
            raise StudyError(f"{self.path} is not a file of a search. Name another folder.")
        if lines[0]["of"] != self.identity:
            changed = [name for name, value in self.identity.items() if lines[0]["of"].get(name) != value]
            raise StudyError(
                f"{self.path} is of another search: {', '.join(changed) or 'its settings'} differ. Search into "
                "another folder, or give the same data, settings and space."
            )
        for line in lines[1:]:
            if "begun" in line:
                self._begun[line["begun"]] = self._begun.get(line["begun"], 0) + 1
            else:
                self.trials.append(
                    SearchTrial(number=line["trial"], **{k: line[k] for k in ("drawn", "params", "error", "seconds",
                                                                              "message")})
                )  # fmt: skip

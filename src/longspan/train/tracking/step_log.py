"""Every step of a training as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from longspan.errors import ConfigError
from longspan.storage.files import plain
from longspan.train.tracking.tracking import Step

__all__ = ["StepLog"]


@final
class StepLog:
    """A JSONL file: `{"step": 0, "epoch": 1, "time": ..., "lr": ..., "loss": ...}`, and a line for each epoch.

    Lines of an epoch have "metrics" in place of a loss. A resumed training takes back the lines of steps that it takes
    again, so each step stands once.
    """

    def __init__(self, path: str | Path) -> None:
        """Write to `path`; its folder is made."""
        self.path = Path(path).expanduser()

    def open(self, first_step: int, settings: Mapping[str, Any]) -> None:
        """Keep the lines of the steps before, and no others."""
        del settings
        kept: list[str] = []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if first_step and self.path.is_file():
                for line in self.path.read_text(encoding="utf-8").splitlines():
                    try:
                        step = json.loads(line)["step"]
                    except (ValueError, KeyError, TypeError):  # cut off by a kill
                        continue
                    if step < first_step or ("metrics" in line and step == first_step):
                        kept.append(line)
            self.path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"The step log {self.path} cannot be written: {error.strerror or error}.") from error

    def steps(self, steps: Sequence[Step]) -> None:
        """A line for each step."""
        self._append(steps)

    def epoch(self, step: int, record: Mapping[str, float]) -> None:
        """A line for the epoch."""
        self._append([{"step": step, "epoch": record["epoch"], "metrics": dict(record)}])

    def close(self) -> None:
        """Every line is written already."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the file has it all."""
        return {}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Nothing to restore."""

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(plain(line)) + "\n" for line in lines)

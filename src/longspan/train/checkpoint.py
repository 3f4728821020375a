"""Where a training stands, written now and then, so that a killed one goes on as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch

from longspan.errors import CheckpointError, ConfigError, ModelFileError
from longspan.train.callbacks import Callback, TrainState
from longspan.train.files import read_tensors, write_tensors

__all__ = ["CheckpointWriter", "latest_steps", "read_latest"]

_PREFIX = "step-"
_NAME = re.compile(_PREFIX + r"\d{8,}-\d+-\d+")
_STATE = "state.safetensors"


@final
class CheckpointWriter(Callback):
    """Writes folders `step-00000123` below one folder, at the end of epochs and every so many minutes or steps.

    Each is written under another name, synced and renamed; a kill at any moment leaves the ones before it whole.
    """

    def __init__(
        self,
        folder: str | Path,
        collect: Callable[[TrainState], tuple[dict[str, torch.Tensor], dict[str, Any]]],
        *,
        minutes: float = 5.0,
        steps: int | None = None,
        keep: int = 2,
    ) -> None:
        """Write below `folder` what `collect` gives.

        Args:
            folder: Made if it does not exist.
            collect: Tensors and JSON values of the whole training.
            minutes: Within an epoch, at least this long after the last one.
            steps: Within an epoch, every so many steps instead.
            keep: How many of the last ones stay.
        """
        self.folder = Path(folder)
        self.collect = collect
        self.minutes = minutes
        self.steps = steps
        self.keep = keep
        self.written_at = time.monotonic()
        self.steps_since = 0
        if keep < 1:
            raise ConfigError(f"CheckpointWriter.keep must be at least 1, got {keep}.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"The checkpoint folder {folder} cannot be made: {error}.") from error

    def step_end(self, state: TrainState) -> None:
        """Write if it is time."""
        self.steps_since += 1
        late = (time.monotonic() - self.written_at) / 60 >= self.minutes
        if self.steps_since == self.steps or (self.steps is None and late):
            self._write(state)

    def epoch_end(self, state: TrainState) -> None:
        """Write always."""
        self._write(state)

    def _write(self, state: TrainState) -> None:
        tensors, values = self.collect(state)
        name = f"{_PREFIX}{values['steps']:08d}-{values['phase_index']}-{state.epoch:05d}"
        target, part = self.folder / name, self.folder / f".{name}.part"
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            write_tensors(part / _STATE, tensors, {"format": "longspan checkpoint", **values})
            shutil.rmtree(target, ignore_errors=True)
            os.replace(part, target)
            _sync(self.folder)
        except (OSError, ModelFileError) as error:
            raise CheckpointError(
                f"The checkpoint {target} cannot be written: {error}. Free space or choose another folder; the earlier "
                "checkpoints are whole, and --resume goes on from the last of them."
            ) from error
        finally:  # of this one, and of any that was killed while it was written
            for left in self.folder.glob(f".{_PREFIX}*.part"):
                shutil.rmtree(left, ignore_errors=True)
        names = _names(self.folder)
        # Later ones were damaged, or this training would have gone on from there.
        before = names[: names.index(name) + 1]
        for old in [*before[: -self.keep], *names[len(before) :]]:
            shutil.rmtree(self.folder / old, ignore_errors=True)
        self.written_at, self.steps_since = time.monotonic(), 0


def read_latest(folder: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any], list[str]]:
    """Tensors and values of the last whole checkpoint below `folder`, and what was wrong with any later ones.

    Raises:
        CheckpointError: there is none.
    """
    folder = Path(folder)
    damaged = []
    for name in reversed(_names(folder)):
        try:
            tensors, values = read_tensors(folder / name / _STATE)
        except ModelFileError as error:
            damaged.append(f"{name}: {error}")
            continue
        if values.get("format") == "longspan checkpoint":
            return tensors, values, damaged
        damaged.append(f"{name}: not a longspan checkpoint")
    found = " Those there are damaged: " + "; ".join(damaged) if damaged else ""
    raise CheckpointError(f"There is no checkpoint to go on from in {folder}.{found}")


def latest_steps(folder: str | Path) -> int:
    """Steps of the last checkpoint below `folder` by its name; 0 where there is none."""
    names = _names(Path(folder))
    return int(names[-1].removeprefix(_PREFIX).split("-")[0]) if names else 0


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and _NAME.fullmatch(path.name))


def _sync(folder: Path) -> None:
    """Make renames durable; not every system can sync a folder."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

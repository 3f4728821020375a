"""Checkpoints: the state of a training, written now and then, so that a killed one resumes exactly."""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch

from longspan.errors import CheckpointError, ConfigError, ModelFileError
from longspan.storage.files import read_tensors, write_tensors
from longspan.storage.lock import FolderLock
from longspan.train.callbacks import Callback
from longspan.train.checkpoints.best_epoch import BestEpoch
from longspan.train.state import TrainState

__all__ = ["CheckpointWriter", "Checkpoints", "latest_steps", "name_of", "read_latest"]

_PREFIX = "step-"
_NAME = re.compile(_PREFIX + r"\d{8,}-\d+-\d+")
_STATE = "state.safetensors"
_RARER = 200  # times as long as writing one took: at most about 0.5 % of the time goes into them


@final
@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where checkpoints of a training go, how often, and how many stay."""

    folder: str | Path
    """Made if it does not exist."""
    steps: int | None = field(default=None, kw_only=True)
    """Every so many steps and at the end of every epoch, whatever it costs, in place of `minutes`."""
    minutes: float = field(default=5.0, kw_only=True)
    """Every so many minutes and at the end of every epoch; left out where they would take more than about 1 % of the
    time, as for epochs of a second."""
    keep: int = field(default=2, kw_only=True)
    """How many of the last ones stay."""

    def __post_init__(self) -> None:
        """Check every value."""
        object.__setattr__(self, "folder", Path(self.folder).expanduser())
        if self.steps is not None and (not isinstance(self.steps, int) or self.steps < 1):
            raise ConfigError(f"Checkpoints.steps must be a whole number of at least 1, got {self.steps!r}.")
        if not 0 < self.minutes < math.inf:
            raise ConfigError(f"Checkpoints.minutes must be above 0 and finite, got {self.minutes}.")
        if not isinstance(self.keep, int) or self.keep < 1:
            raise ConfigError(f"Checkpoints.keep must be a whole number of at least 1, got {self.keep!r}.")

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder)

    def locked(self) -> FolderLock:
        """For `with`: only one training at a time writes here."""
        what = f"The checkpoint folder {self.folder}"
        return FolderLock(self.path, ".checkpoints.lock", what=what, error=CheckpointError)

    @classmethod
    def of(cls, where: str | Path | Checkpoints) -> Checkpoints:
        """The settings, with the usual ones for a folder alone."""
        return where if isinstance(where, Checkpoints) else cls(where)


@final
class CheckpointWriter(Callback):
    """Writes folders `step-00000123-0-00004` below one folder: steps, phase, and epochs of the phase.

    Each is written under another name, synced and renamed; a kill at any moment leaves the ones before it whole. When
    it is written changes nothing in what is learned, so the clock may decide.
    """

    def __init__(
        self,
        settings: Checkpoints,
        collect: Callable[[TrainState], tuple[dict[str, torch.Tensor], dict[str, Any]]],
        *,
        best: BestEpoch | None = None,
        last: str | None = None,
    ) -> None:
        """Write what `collect` gives.

        Args:
            settings: Where and how often.
            collect: Tensors and JSON values of the whole training.
            best: The model of the best epoch, written at the same moments.
            last: Name of the checkpoint that this training goes on from.
        """
        self.settings = settings
        self.folder = settings.path
        self.collect = collect
        self.best = best
        self.last = last
        self.interrupted: Callable[[], bool] = lambda: False
        """Asked after each step: whether to write and then stop, by KeyboardInterrupt."""
        self._cost = 0.0
        self._written_at = time.monotonic()
        self._steps_since = 0
        self._failing = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"The checkpoint folder {self.folder} cannot be made: {error}.") from error

    def step_end(self, state: TrainState) -> None:
        """Write if it is time."""
        self._steps_since += 1
        steps, minutes = self.settings.steps, self.settings.minutes
        if self._steps_since >= steps if steps is not None else self._is_late(60 * minutes):
            self._write(state)
        self._stop_if_asked(state)

    def epoch_end(self, state: TrainState) -> None:
        """Write, unless that would be too often."""
        if self.best is not None:
            self.best.look(state)
        if self.settings.steps is not None or self._is_late(0.0):
            self._write(state)
        self._stop_if_asked(state)

    def close(self) -> None:
        """Write the best model if it is not yet, however the training ended."""
        if self.best is not None:
            try:
                self.best.write()
            except (OSError, ModelFileError) as error:
                print(f"The model of the best epoch cannot be written: {error}", file=sys.stderr)

    def _is_late(self, seconds: float) -> bool:
        return time.monotonic() - self._written_at >= max(seconds, _RARER * self._cost)

    def _stop_if_asked(self, state: TrainState) -> None:
        if self.interrupted():
            if self._steps_since or self.last is None:
                self._write(state)
            raise KeyboardInterrupt

    def _write(self, state: TrainState) -> None:
        started = time.monotonic()
        tensors, values = self.collect(state)
        name = name_of(values)
        target, part = self.folder / name, self.folder / f".{name}.part"
        try:
            if self.best is not None:
                self.best.write()
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            write_tensors(part / _STATE, tensors, {"format": "longspan checkpoint", **values})
            shutil.rmtree(target, ignore_errors=True)
            os.replace(part, target)
            _sync(self.folder)
        except (OSError, ModelFileError) as error:
            self._tell(target, error)
        else:
            self.last, self._failing = name, False
            self._sweep(name)
        finally:  # of this one, and of any that was killed while it was written
            for left in self.folder.glob(f".{_PREFIX}*.part"):
                shutil.rmtree(left, ignore_errors=True)
        self._written_at, self._steps_since = time.monotonic(), 0
        self._cost = self._written_at - started

    def _sweep(self, name: str) -> None:
        """Remove what is older than is wanted, and what is later than this one.

        Later ones were damaged, or this training would have gone on from there.
        """
        names = _names(self.folder)
        before = names[: names.index(name) + 1]
        for old in [*before[: -self.settings.keep], *names[len(before) :]]:
            shutil.rmtree(self.folder / old, ignore_errors=True)

    def _tell(self, target: Path, error: Exception) -> None:
        """A training without any checkpoint stops; one that has some is worth more than the next of them."""
        what = f"The checkpoint {target} cannot be written: {error.__cause__ or error}."
        if self.last is None:
            raise CheckpointError(
                f"{what} Free some space or choose another folder; there is no earlier checkpoint to resume from."
            )
        if not self._failing:
            print(
                f"{what} The training continues and tries again later; {self.last} before it is whole, and resuming "
                "would continue from there. Free some space.",
                file=sys.stderr,
                flush=True,
            )
        self._failing = True


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
    raise CheckpointError(f"There is no checkpoint to resume from in {folder}.{found}")


def latest_steps(folder: str | Path) -> int:
    """Steps of the last checkpoint below `folder` by its name; 0 where there is none."""
    names = _names(Path(folder))
    return int(names[-1].removeprefix(_PREFIX).split("-")[0]) if names else 0


def name_of(values: Mapping[str, Any]) -> str:
    """What the folder of a checkpoint with these values is called."""
    return f"{_PREFIX}{values['steps']:08d}-{values['phase_index']}-{values['epoch']:05d}"


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

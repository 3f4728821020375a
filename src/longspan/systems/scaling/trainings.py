"""Trainings as commands of their own, timed, compared, and killed."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from longspan.errors import TrainingError

__all__ = ["Trained", "can_kill", "same_weights", "trained", "trained_apart"]

_POLL_S = 0.02


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What one command left."""

    folder: Path
    loss: float
    """Of the validation rows after the last epoch."""
    seconds: float
    """Of an epoch, the median without the first."""
    killed: bool
    """Whether one of its processes was killed before it ended."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"loss": self.loss, "epoch_seconds": round(self.seconds, 4), "killed": self.killed}


def can_kill() -> bool:
    """Whether the processes of a training can be found here, to kill one of them."""
    return Path(f"/proc/{os.getpid()}/task").is_dir()


def trained(
    words: list[str], folder: Path, *, seed: int, processes: int, workers: int | None = None,
    kill_after: float | None = None,
) -> Trained:  # fmt: skip
    """Run `longspan train` with one thread for each process.

    Args:
        words: SOURCE and options.
        folder: A run folder that does not exist yet.
        seed: Of the training.
        processes: How many.
        workers: Virtual workers; None: gradients are averaged.
        kill_after: Kill one process, drawn at random, so many seconds after the first checkpoint; all are then started
            again by the command itself.

    Raises:
        TrainingError: the command has failed; with what it said.
    """
    started = _started(
        [
            *_command(words, folder, seed),
            *(["--processes", str(processes)] if processes > 1 else []),
            *(["--virtual-workers", str(workers)] if workers is not None else []),
            *([] if kill_after is None else ["--restarts", "1", "--checkpoint-every", "3"]),
        ]
    )
    killed = False
    try:
        if kill_after is not None:
            killed = _kill_one(started, folder, kill_after, seed)
        return _ended(started, folder, killed)
    finally:
        _stop(started)


def trained_apart(words: list[str], folders: Sequence[Path], *, seed: int) -> list[Trained]:
    """As many trainings as folders at the same time, each in one process of one thread.

    Args:
        words: SOURCE and options, the same for all.
        folders: A run folder for each, none of which exists yet.
        seed: Of all.

    Raises:
        TrainingError: one of them has failed; with what it said.
    """
    started = [_started(_command(words, folder, seed)) for folder in folders]
    try:
        return [_ended(each, folder) for each, folder in zip(started, folders, strict=True)]
    finally:
        for each in started:
            _stop(each)


def _command(words: list[str], folder: Path, seed: int) -> list[str]:
    train = [sys.executable, "-m", "longspan", "train", *words]
    return [*train, "--seed", str(seed), "--out", str(folder), "--quiet"]


def _started(command: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)


def _ended(started: subprocess.Popen[str], folder: Path, killed: bool = False) -> Trained:
    """Wait for a training, and read what it left."""
    said = started.communicate()[1]
    if started.returncode:
        lines = said.strip().splitlines() or [f"exit code {started.returncode}"]
        command = [str(each) for each in started.args]  # type: ignore[union-attr]
        raise TrainingError(f"{shlex.join(['longspan', *command[3:]])} has failed: {lines[-1]}")
    history = json.loads((folder / "result.json").read_text("utf-8"))["history"]
    later = [epoch["seconds"] for epoch in history[1:]] or [history[0]["seconds"]]
    return Trained(folder=folder, loss=history[-1]["valid_loss"], seconds=statistics.median(later), killed=killed)


def _stop(started: subprocess.Popen[str]) -> None:
    """End a training that an error or Ctrl-C has left running."""
    if started.poll() is None:
        started.send_signal(signal.SIGINT)
    if started.stderr is not None and not started.stderr.closed:
        started.communicate()


def same_weights(one: Path, other: Path) -> bool:
    """Whether two runs ended with the same bits."""
    from longspan.storage.files import read_tensors

    first, second = (read_tensors(each / "model.safetensors")[0] for each in (one, other))
    return first.keys() == second.keys() and all(_bits(first[name]) == _bits(second[name]) for name in first)


def _bits(tensor: Any) -> bytes:
    return tensor.contiguous().numpy().tobytes()


def _kill_one(started: subprocess.Popen[str], folder: Path, seconds: float, seed: int) -> bool:
    while started.poll() is None and not any(folder.glob("checkpoints/step-*")):
        time.sleep(_POLL_S)
    drawn = random.Random(seed)
    time.sleep(seconds)
    if started.poll() is not None:
        return False
    below = _below(started.pid) or [started.pid]
    victim = drawn.choice(below)
    try:
        os.kill(victim, signal.SIGKILL)
    except ProcessLookupError:  # it has just ended
        return False
    return True


def _below(pid: int) -> list[int]:
    """The processes of the training: those that its launcher has started."""
    try:
        own = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    trains = [each for each in own if b"longspan" in _words(each)]
    return trains


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""

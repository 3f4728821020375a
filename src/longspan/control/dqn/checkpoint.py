"""Checkpoints of a DQN training: networks, optimizer, environments; the buffer's rows stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from longspan.control.dqn.replay_buffer import ReplayBuffer
from longspan.errors import CheckpointError, ModelFileError
from longspan.storage.files import plain, read_tensors, write_tensors

__all__ = ["SETTINGS", "STATE", "check_same", "newest_checkpoint", "read_settings", "write_checkpoint"]

STATE = "checkpoint/state.safetensors"
"""Where a checkpoint lies in the folder of a training; without this file there is none, whatever a kill has left."""
_FORMAT = {"format": "longspan dqn checkpoint", "format_version": 1}
SETTINGS = (
    "environment", "options", "config", "seed", "kind", "checkpoint_every", "evaluate_every", "evaluation_episodes",
    "total",
)  # fmt: skip
"""What a resumed training must have in common with the one before."""


class _Running(Protocol):
    """Protocol: what a checkpoint reads of a training."""

    buffer: ReplayBuffer
    folder: Path | None

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON values."""
        ...


def write_checkpoint(folder: Path, training: _Running) -> None:
    """Flush the buffer, then write the rest as one file, whole or not at all; an older one stays until then."""
    training.buffer.flush()
    tensors, values = training.state()
    try:
        write_tensors(folder / STATE, tensors, {**_FORMAT, **values})
    except (OSError, ModelFileError) as error:
        raise CheckpointError(
            f"The checkpoint of {folder} cannot be written: {error}. The one before it is whole; free some space and "
            "resume."
        ) from error
    training.buffer.forget_older_checksums(int(values["head"]))


def newest_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_checkpoint` wrote.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    path = folder / STATE
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint to resume from in {folder}: {path} does not exist.")
    try:
        tensors, values = read_tensors(path)
    except ModelFileError as error:
        raise CheckpointError(
            f"The checkpoint is damaged: {error} The model of that moment is in {folder / 'model.safetensors'}."
        ) from error
    if values.get("format") != _FORMAT["format"] or values.get("format_version") != _FORMAT["format_version"]:
        raise CheckpointError(f"{path} is not a checkpoint of a DQN training that this version of longspan reads.")
    return tensors, values


def read_settings(folder: Path) -> dict[str, Any]:
    """What the training in `folder` was started with."""
    _, values = newest_checkpoint(folder)
    return {name: values[name] for name in SETTINGS}


def check_same(values: Mapping[str, Any], settings: Mapping[str, Any], folder: Path | None) -> None:
    """Raise CheckpointError if a training is not the one of a checkpoint, naming everything that differs."""
    now = plain(settings)
    differing = [name for name in SETTINGS if now[name] != values.get(name)]
    if "config" in differing:
        before = values.get("config") or {}
        parts = [name for name, value in now["config"].items() if before.get(name) != value]
        differing[differing.index("config")] = "config (" + ", ".join(parts) + ")"
    if differing:
        raise CheckpointError(
            f"The training in {folder} was started with another {', '.join(differing)}. Resume it with the settings it "
            "was started with, or start a new one in another folder."
        )

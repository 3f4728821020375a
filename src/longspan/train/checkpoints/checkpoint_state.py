"""Where a learner stands, as tensors and JSON values, and the way back: what checkpoints hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from longspan.errors import CheckpointError
from longspan.storage.files import tensors_below
from longspan.train.callbacks import TrainState
from longspan.train.checkpoints.checkpoint_values import check_values, misfit_named
from longspan.train.config import Phase
from longspan.version import __version__

if TYPE_CHECKING:
    from longspan.train.learner import Learner

__all__ = ["check_same_training", "collect", "go_back", "identity", "restore"]


def identity(learner: Learner) -> dict[str, Any]:
    """What must be the same for a training to go on."""
    return {
        "seed": learner.seed,
        "config": _round_trip(learner.config.to_json()),
        "model": learner.model_name,
        "weights": learner.weights,
        "parameters": sum(parameter.numel() for parameter in learner.network.parameters()),
        "rows": {"train": _digest(learner.task.train), "valid": _digest(learner.task.valid)},
        "inputs": _round_trip({name: column.to_json() for name, column in learner.inputs.items()}),
        "heads": _round_trip({name: head.to_json() for name, head in learner.heads.items()}),
        "callbacks": [type(callback).__name__ for callback in learner.callbacks],
    }


def check_same_training(learner: Learner, values: dict[str, Any], folder: str | Path) -> None:
    """CheckpointError if `values` are of another training than this learner's; it names every difference."""
    check_values(values)
    changes = list(_changes("", values["identity"], identity(learner)))
    if changes:
        raise CheckpointError(f"The checkpoint in {folder} is of another training: {'; '.join(changes[:10])}.")


def collect(
    learner: Learner, state: TrainState, phases: Sequence[Phase]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and JSON values from which `restore` goes on."""
    tensors = {f"network.{name}": tensor for name, tensor in learner.network.state_dict().items()}
    for index, entry in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": tensor for key, tensor in entry.items() if tensor is not None}
    for name, parameter in learner.network.named_parameters():
        if parameter.grad is not None:  # between the batches of one step
            tensors[f"gradient.{name}"] = parameter.grad
    of_callbacks = []
    for index, callback in enumerate(learner.callbacks):
        its_tensors, its_values = callback.state_dict()
        tensors |= {f"callback.{index}.{name}": tensor for name, tensor in its_tensors.items()}
        of_callbacks.append(its_values)
    values = {
        "library_version": __version__,
        "identity": identity(learner),
        "phases": [phase.to_json() for phase in phases],
        "phase_index": state.phase_index,
        "epoch": state.epoch,
        "batch": state.batch,
        "losses": state.losses,
        "float32_steps": state.float32_steps,
        "lr": state.lr,
        "stop": state.stop,
        "history": learner.history,
        "evaluations": learner.evaluations,
        "openings": learner.task.split.vault.openings,
        "phases_before": [phase.to_json() for phase in learner.phases],
        "epochs_before": learner.epochs_done,
        "steps_before": learner.steps_done,
        "steps": learner.steps_done + state.epoch * state.num_batches + state.batch,
        "callbacks": of_callbacks,
    }
    return tensors, values


@misfit_named()
def go_back(learner: Learner, values: dict[str, Any], tensors: dict[str, torch.Tensor]) -> list[Phase]:
    """Weights, history and openings of the vault as `collect` found them; gives all phases of the training."""
    task = learner.task
    vault = task.split.vault
    if len(values["openings"]) > len(vault.openings):  # what was opened before the kill stays on record
        task.split = replace(task.split, vault=vault.continued(values["openings"]))
    learner.evaluations = values["evaluations"]
    learner.history = values["history"]
    learner.epochs_done, learner.steps_done = values["epochs_before"], values["steps_before"]
    learner.network.load_state_dict(tensors_below(tensors, "network."))
    learner.phases = [Phase(**phase) for phase in values["phases_before"]]
    return [Phase(**phase) for phase in values["phases"]]


@misfit_named()
def restore(learner: Learner, state: TrainState, values: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """Put a phase that has just been set up where `collect` found it; weights and history are the learner's part."""
    state.epoch, state.batch = values["epoch"], values["batch"]
    state.losses, state.lr, state.stop = values["losses"], values["lr"], values["stop"]
    state.float32_steps = values.get("float32_steps", 0)  # checkpoints of the first versions do not count them
    learning = [parameter for group in state.optimizer.param_groups for parameter in group["params"]]
    optimizer_state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors_below(tensors, "optimizer.").items():
        index, key = name.split(".", 1)
        optimizer_state.setdefault(int(index), {})[key] = _laid_out(tensor, learning[int(index)])
    _check_optimizer_state(state.optimizer, optimizer_state, learning)
    state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": optimizer_state})
    parameters = dict(learner.network.named_parameters())
    for name, tensor in tensors_below(tensors, "gradient.").items():
        parameters[name].grad = _laid_out(tensor, parameters[name])
    for index, (callback, its_values) in enumerate(zip(learner.callbacks, values["callbacks"], strict=True)):
        callback.load_state_dict(tensors_below(tensors, f"callback.{index}."), its_values)


def _check_optimizer_state(
    optimizer: torch.optim.Optimizer, entries: Mapping[int, Mapping[str, torch.Tensor]], learning: Sequence[Any]
) -> None:
    """ValueError for what the optimizer would stumble over in its first step."""
    wanted = {"step", "exp_avg", "exp_avg_sq"} if isinstance(optimizer, torch.optim.AdamW) else {"momentum_buffer"}
    for index, entry in entries.items():
        shapes = {name: () if name == "step" else learning[index].shape for name in wanted}
        if set(entry) != wanted or any(tensor.shape != shapes[name] for name, tensor in entry.items()):
            found = {name: list(tensor.shape) for name, tensor in entry.items()}
            raise ValueError(f"the optimizer knows {found} of parameter {index}")


def _changes(name: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*now, *before]):
            yield from _changes(f"{name}.{key}" if name else str(key), before.get(key), now.get(key))
    elif isinstance(before, dict) or isinstance(now, dict):
        yield f"{name} is {'new' if before is None else 'gone'}"
    elif before != now:
        yield f"{name} was {before!r}, is {now!r}"


def _laid_out(tensor: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """A copy with the memory layout of its parameter: fused optimizers pair values by their place in memory."""
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor


def _digest(rows: torch.Tensor) -> str:
    return hashlib.blake2b(rows.numpy().tobytes(), digest_size=8).hexdigest()


def _round_trip(values: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives it back: tuples are lists."""
    return json.loads(json.dumps(values))

"""The state of a training as tensors and JSON values, as checkpoints hold it, and its restoration."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from longspan.columns import column_from_json
from longspan.errors import CheckpointError, LongspanError
from longspan.heads import head_from_json
from longspan.old_names import current_fields, current_json
from longspan.storage.files import tensors_below
from longspan.train.checkpoints.best_epoch import BestEpoch
from longspan.train.checkpoints.checkpoint_values import check_values, misfit_named
from longspan.train.config import Phase, TrainConfig
from longspan.train.state import TrainState
from longspan.train.training import Training
from longspan.version import __version__
from longspan.vision.augment import Augment

__all__ = ["changes", "check_same_training", "collect", "go_back", "identity", "restore"]


def identity(training: Training) -> dict[str, Any]:
    """What must be the same for a training to be resumed."""
    return {
        "seed": training.seed,
        "config": _round_trip(training.config.to_json()),
        "model": training.model_name,
        "weights": training.weights,
        "parameters": sum(parameter.numel() for parameter in training.network.parameters()),
        "rows": {"train": _digest(training.task.train), "valid": _digest(training.task.valid)},
        "inputs": _round_trip({name: column.to_json() for name, column in training.inputs.items()}),
        "heads": _round_trip({name: head.to_json() for name, head in training.heads.items()}),
        "callbacks": [type(callback).__name__ for callback in training.callbacks],
    }


def check_same_training(training: Training, values: dict[str, Any], folder: str | Path) -> None:
    """CheckpointError if `values` are of another training; it names every difference."""
    check_values(values)
    former = values["identity"].setdefault("config", {})
    former.setdefault(
        "keep", training.config.keep
    )  # unknown to version 1, like other fields, which are at their defaults
    values["identity"]["config"] = _with_resampling({**TrainConfig().to_json(), **former})
    found = list(changes("", _in_this_version(values["identity"]), identity(training)))
    if found:
        raise CheckpointError(f"The checkpoint in {folder} is of another training: {'; '.join(found[:10])}.")


def _with_resampling(config: dict[str, Any]) -> dict[str, Any]:
    """A config that names how warped images were read between pixels: bilinear, before there was a choice.

    Where nothing was warped it is what an `Augment` says today, for it made no difference.
    """

    def named(settings: Any) -> Any:
        if not isinstance(settings, dict):
            return settings
        if "rotate_deg" not in settings:  # by input, or of another kind
            return {name: named(each) for name, each in settings.items()}
        former = Augment().resample
        with contextlib.suppress(LongspanError, TypeError):  # what cannot be made again is compared as it stands
            if Augment.from_json({"resample": "bilinear", **settings}).geometry == "affine":
                former = "bilinear"
        return {"resample": former, **settings}

    return {**config, "augment": named(config["augment"])}


def _in_this_version(identity: dict[str, Any]) -> dict[str, Any]:
    """An identity under present names; options that its version did not have are at their defaults."""
    present = current_json(identity)
    for part, make in (("inputs", column_from_json), ("heads", head_from_json)):
        # What cannot be made again is compared as it stands, and named as a difference.
        with contextlib.suppress(LongspanError, TypeError, KeyError, ValueError, AttributeError):
            present[part] = _round_trip({name: make(each).to_json() for name, each in present[part].items()})
    return present


def collect(
    training: Training, state: TrainState, phases: Sequence[Phase], best: BestEpoch
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and JSON values from which `restore` continues."""
    tensors: dict[str, torch.Tensor] = {}
    for name, network in state.step.networks.items():
        tensors |= {f"{name}.{key}": tensor for key, tensor in network.state_dict().items()}
        tensors |= {  # between the batches of one step
            f"{_gradients_of(name)}{key}": each.grad
            for key, each in network.named_parameters()
            if each.grad is not None
        }
    for name, optimizer in state.step.optimizers.items():
        places = _places(optimizer)
        for index, entry in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}.{places[index]}.{key}": tensor for key, tensor in entry.items() if tensor is not None}
    of_callbacks = []
    for index, callback in enumerate(training.callbacks):
        its_tensors, its_values = callback.state_dict()
        tensors |= {f"callback.{index}.{name}": tensor for name, tensor in its_tensors.items()}
        of_callbacks.append(its_values)
    best_tensors, best_values = best.state_dict()
    tensors |= {f"best.{name}": tensor for name, tensor in best_tensors.items()}
    losses = state.losses_so_far()
    values = {
        "library_version": __version__,
        "identity": identity(training),
        "phases": [phase.to_json() for phase in phases],
        "phase_index": state.phase_index,
        "epoch": state.epoch,
        "batch": state.batch,
        "losses": losses.get("loss", []),
        "other_losses": {name: values for name, values in losses.items() if name != "loss"},
        "float32_steps": state.float32_steps,
        "skipped_steps": state.skipped_steps,
        "lr": state.lr,
        "stop": state.stop,
        "history": training.history,
        "evaluations": training.evaluations,
        "openings": training.task.split.vault.openings,
        "phases_before": [phase.to_json() for phase in training.phases],
        "epochs_before": training.epochs_done,
        "steps_before": training.steps_done,
        "steps": training.steps_done + state.epoch * state.num_batches + state.batch,
        "callbacks": of_callbacks,
        "best": best_values,
    }
    return tensors, values


@misfit_named()
def go_back(training: Training, values: dict[str, Any], tensors: dict[str, torch.Tensor]) -> list[Phase]:
    """Weights, history and openings of the vault as `collect` found them; gives all phases of the training."""
    task = training.task
    vault = task.split.vault
    if len(values["openings"]) > len(vault.openings):  # what was opened before the kill stays on record
        task.split = replace(task.split, vault=vault.continued(values["openings"]))
    training.evaluations.clear()
    training.evaluations.update(values["evaluations"])
    training.history[:] = values["history"]
    training.epochs_done, training.steps_done = values["epochs_before"], values["steps_before"]
    training.network.load_state_dict(tensors_below(tensors, "network."))
    training.phases[:] = [Phase(**current_fields(phase)) for phase in values["phases_before"]]
    return [Phase(**current_fields(phase)) for phase in values["phases"]]


@misfit_named()
def restore(
    training: Training, state: TrainState, values: dict[str, Any], tensors: dict[str, torch.Tensor], best: BestEpoch
) -> None:
    """Put a phase that has just been set up where `collect` found it; `go_back` has restored weights and history."""
    state.epoch, state.batch = values["epoch"], values["batch"]
    state.lr, state.stop = values["lr"], values["stop"]
    # Checkpoints of the first versions lack some of these.
    state.float32_steps, state.skipped_steps = values.get("float32_steps", 0), values.get("skipped_steps", 0)
    for name, losses in {"loss": values["losses"], **values.get("other_losses", {})}.items():
        if losses:
            state.losses[name] = torch.full((state.num_batches,), float("nan"), device=training.device)
            state.losses[name][: len(losses)] = torch.tensor(losses)
    for name, network in state.step.networks.items():
        if name != "network":
            network.load_state_dict(tensors_below(tensors, f"{name}."))
        _restore_gradients(network, tensors_below(tensors, _gradients_of(name)))
    for name, optimizer in state.step.optimizers.items():
        _restore_optimizer(optimizer, tensors_below(tensors, f"{name}."))
    for index, (callback, its_values) in enumerate(zip(training.callbacks, values["callbacks"], strict=True)):
        callback.load_state_dict(tensors_below(tensors, f"callback.{index}."), its_values)
    if "best" in values:
        best.load_state_dict(tensors_below(tensors, "best."), values["best"])


def _gradients_of(name: str) -> str:
    """Prefix of the gradients of a network."""
    return "gradient." if name == "network" else f"gradient of {name}."


def _restore_gradients(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    parameters = dict(network.named_parameters())
    for name, tensor in tensors.items():
        parameters[name].grad = _laid_out(tensor, parameters[name])


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    learning = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    index_of = {place: index for index, place in enumerate(_places(optimizer))}
    entries: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        place, key = name.split(".", 1)
        index = index_of[int(place)]
        entries.setdefault(index, {})[key] = _laid_out(tensor, learning[index])
    _check_optimizer_state(optimizer, entries, learning)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": entries})


def _places(optimizer: torch.optim.Optimizer) -> list[int]:
    """By index of a parameter in the optimizer, the number that a checkpoint has it under: its own without `places`."""
    given = [place for group in optimizer.param_groups for place in group.get("places", ())]
    return given or list(range(sum(len(group["params"]) for group in optimizer.param_groups)))


def _check_optimizer_state(
    optimizer: torch.optim.Optimizer, entries: Mapping[int, Mapping[str, torch.Tensor]], learning: Sequence[Any]
) -> None:
    """ValueError for a state that the optimizer cannot step from."""
    if isinstance(optimizer, torch.optim.Adam):  # AdamW is one
        wanted = {"step", "exp_avg", "exp_avg_sq"}
    elif isinstance(optimizer, torch.optim.SGD):
        wanted = {"momentum_buffer"}
    else:
        return
    for index, entry in entries.items():
        shapes = {name: () if name == "step" else learning[index].shape for name in wanted}
        if set(entry) != wanted or any(tensor.shape != shapes[name] for name, tensor in entry.items()):
            found = {name: list(tensor.shape) for name, tensor in entry.items()}
            raise ValueError(f"the optimizer has {found} for parameter {index}")


def changes(name: str, before: Any, now: Any) -> Iterator[str]:
    """In words every difference between two JSON values, at any depth."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*now, *before]):
            yield from changes(f"{name}.{key}" if name else str(key), before.get(key), now.get(key))
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

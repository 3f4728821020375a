"""The callback that tells destinations of every step and every epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, final

import torch

from longspan.train.callbacks import Callback
from longspan.train.distributed.processes import this_rank
from longspan.train.state import TrainState

__all__ = ["Destination", "Step", "Tracking"]

_AT_ONCE = 50  # steps after which losses are read from the device

Step = dict[str, float]
"""Of one step: "step", "epoch", "time" (seconds since 1970), "lr", and the losses by name."""


class Destination(Protocol):
    """Where steps and epochs are told: `StepLog`, `TensorBoard`, `MLflow`, or a class of yours."""

    def open(self, first_step: int, settings: Mapping[str, Any]) -> None:
        """Before the first step of a phase, which is number `first_step`; later ones of an earlier call go.

        Args:
            first_step: Number of the next step in the whole training.
            settings: What was chosen, by name.
        """
        ...

    def steps(self, steps: Sequence[Step]) -> None:
        """Some steps, in order."""
        ...

    def epoch(self, step: int, record: Mapping[str, float]) -> None:
        """The numbers of an epoch that ends before step number `step`: "epoch", losses, metrics, "seconds"."""
        ...

    def close(self) -> None:
        """After the last step of a phase; the next phase opens again."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """JSON values that a resumed training gives back."""
        ...

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Take them back."""
        ...


@final
class Tracking(Callback):
    """Tells one or several destinations of every step and every epoch.

    Losses are read from the device every 50 steps, so that no step waits for it. A resumed training tells each step
    once. Of several processes the first tells.

    Example:
        >>> Tracking(StepLog("steps.jsonl"), TensorBoard("runs/a"))  # doctest: +SKIP
    """

    def __init__(self, *destinations: Destination, settings: Mapping[str, Any] | None = None) -> None:
        """Tell these.

        Args:
            destinations: In this order.
            settings: What was chosen, such as options of a command; the settings of phases come by themselves.
        """
        self.destinations = destinations
        self.settings = dict(settings or {})
        self.done = 0
        """Steps so far, over all phases."""
        self._waiting: list[tuple[int, float, float]] = []
        """Steps that were not told yet: batch, time, learning rate."""

    def fit_start(self, state: TrainState) -> None:
        """Open the destinations."""
        phase = {f"phase {state.phase_index + 1}.{name}": value for name, value in state.phase.to_json().items()}
        self._waiting = []
        for each in self._told():
            each.open(self.done, {**self.settings, **phase})

    def step_end(self, state: TrainState) -> None:
        """Note a step; tell of the last ones now and then."""
        self._waiting.append((state.batch - 1, time.time(), state.lr))
        self.done += 1
        if len(self._waiting) >= _AT_ONCE or state.batch == state.num_batches or state.stop:
            self._tell(state)

    def epoch_end(self, state: TrainState) -> None:
        """Tell of the epoch."""
        self._waiting = []  # of an epoch that was ended early by a callback after this one
        record = {
            name: value for name, value in state.history[-1].items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }  # fmt: skip
        for each in self._told():
            each.epoch(self.done, record)

    def fit_end(self, state: TrainState) -> None:
        """Close the destinations."""
        del state
        for each in self._told():
            each.close()

    def state_dict(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Steps so far, and what the destinations keep."""
        return {}, {"done": self.done, "destinations": [each.state_dict() for each in self.destinations]}

    def load_state_dict(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        del tensors
        self.done = values["done"]
        for each, kept in zip(self.destinations, values["destinations"], strict=False):
            each.load_state_dict(kept)

    def _told(self) -> Sequence[Destination]:
        return self.destinations if this_rank() == 0 else ()

    def _tell(self, state: TrainState) -> None:
        losses = state.losses_so_far()
        epoch, before = state.epoch + 1, self.done - len(self._waiting)
        steps = [
            {"step": before + place, "epoch": epoch, "time": round(moment, 3), "lr": lr,
             **{name: values[batch] for name, values in losses.items()}}
            for place, (batch, moment, lr) in enumerate(self._waiting)
        ]  # fmt: skip
        self._waiting = []
        for each in self._told():
            each.steps(steps)

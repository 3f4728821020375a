"""Callbacks, which watch a training and may stop it: five events, run in list order."""

# ruff: noqa: B024, B027 -- every event is optional

from __future__ import annotations

import copy
import math
from abc import ABC
from typing import Any, Literal, final

import torch

from longspan.errors import ConfigError, unknown_name
from longspan.inference.network import Network
from longspan.metrics import direction_of
from longspan.train.state import TrainState
from longspan.valid_values import check_average, check_patience

__all__ = ["Callback", "EarlyStopping", "WeightAverage"]


class Callback(ABC):
    """Abstract. Override the events you need.

    `state_dict` and `load_state_dict` make a resumed training continue exactly.
    """

    def fit_start(self, state: TrainState) -> None:
        """Before the first epoch of a phase, also after resuming."""

    def epoch_start(self, state: TrainState) -> None:
        """Before the first batch of an epoch."""

    def step_end(self, state: TrainState) -> None:
        """After a batch."""

    def epoch_end(self, state: TrainState) -> None:
        """After validation; the epoch's record is the last of `state.history`."""

    def fit_end(self, state: TrainState) -> None:
        """After the last epoch of a phase."""

    def state_dict(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """The state that a checkpoint stores: tensors, and JSON values."""
        return {}, {}

    def load_state_dict(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""


@final
class EarlyStopping(Callback):
    """Stops when a metric has not improved for some epochs, and restores the best weights at the end."""

    def __init__(
        self, monitor: str = "valid_loss", *, patience: int = 5, better: Literal["lower", "higher"] | None = None
    ) -> None:
        """Watch one metric of the history.

        Args:
            monitor: Its name in the history: "valid_loss", "accuracy", "breed.accuracy".
            patience: Epochs without a new best that are allowed.
            better: The direction of the metric; None: its own (see `direction_of`).
        """
        check_patience(patience)
        if better not in (None, "lower", "higher"):
            raise ConfigError(f"EarlyStopping.better must be 'lower' or 'higher', got {better!r}.")
        self.monitor = monitor
        self.patience = patience
        self.sign = 1.0 if (better or direction_of(monitor)) == "lower" else -1.0
        self.best = math.inf
        self.epochs_since = 0
        self.best_weights: dict[str, torch.Tensor] | None = None
        self.resumed = False

    def fit_start(self, state: TrainState) -> None:
        """Start afresh, whatever an interrupted phase left behind, unless a checkpoint restored it."""
        if not self.resumed:
            self.best, self.epochs_since, self.best_weights = math.inf, 0, None
        self.resumed = False

    def epoch_end(self, state: TrainState) -> None:
        """Keep the best weights; stop when patience runs out."""
        record = state.history[-1]
        if self.monitor not in record:
            raise unknown_name(
                "metric to monitor", self.monitor, [k for k, v in record.items() if isinstance(v, float)]
            )
        value = self.sign * record[self.monitor]
        if value < self.best or self.best_weights is None:
            self.best, self.epochs_since = value, 0
            self.best_weights = copy.deepcopy(state.evaluated.state_dict())
        else:
            self.epochs_since += 1
            state.stop = state.stop or self.epochs_since > self.patience

    def fit_end(self, state: TrainState) -> None:
        """Restore the best weights and forget them: another phase starts afresh."""
        if self.best_weights is not None:
            state.network.load_state_dict(self.best_weights)
            # A running average later in the list replaces the network's weights by its own.
            state.evaluated.load_state_dict(self.best_weights)
        self.best, self.epochs_since, self.best_weights = math.inf, 0, None

    def state_dict(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """The best weights, and how long ago they were."""
        best = None if math.isinf(self.best) else self.best
        return dict(self.best_weights or {}), {"best": best, "epochs_since": self.epochs_since}

    def load_state_dict(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        self.best_weights = dict(tensors) or None
        self.best = math.inf if values["best"] is None else values["best"]
        self.epochs_since = values["epochs_since"]
        self.resumed = True


@final
class WeightAverage(Callback):
    """Evaluates and keeps a running average of the weights, which is better than the last ones of a short training.

    Source: Polyak and Juditsky 1992; exponential as in Szegedy et al. 2016, section 8, and started as in TensorFlow's
    ExponentialMovingAverage: the decay is at most (1 + t) / (10 + t) at step t. Batch statistics are averaged too.
    """

    def __init__(self, decay: float = 0.99) -> None:
        """Average over about the last `1 / (1 - decay)` steps."""
        check_average(decay)
        self.decay = decay
        self.steps = 0
        self.network: Network | None = None
        self.trained: Network | None = None
        self.loaded: dict[str, torch.Tensor] = {}

    def fit_start(self, state: TrainState) -> None:
        """Start with a copy of the weights, or with the average of the training that is resumed."""
        self.trained = state.evaluated
        self.network = copy.deepcopy(state.evaluated)
        if self.loaded:
            self.network.load_state_dict(self.loaded)
            self.loaded = {}
        else:
            self.steps = 0
        state.evaluated = self.network

    def step_end(self, state: TrainState) -> None:
        """Move the average towards the weights."""
        assert self.network is not None
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        averages, values = [], []
        for average, value in zip(self.network.state_dict().values(), state.network.state_dict().values(), strict=True):
            if average.is_floating_point():
                averages.append(average)
                values.append(value)
            else:
                average.copy_(value)
        torch._foreach_lerp_(averages, values, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]

    def fit_end(self, state: TrainState) -> None:
        """The average becomes the network."""
        assert self.network is not None
        assert self.trained is not None
        state.network.load_state_dict(self.network.state_dict())
        state.evaluated = self.trained
        self.network, self.trained, self.steps = None, None, 0

    def state_dict(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """The average, and the number of its steps."""
        return {} if self.network is None else dict(self.network.state_dict()), {"steps": self.steps}

    def load_state_dict(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        self.loaded, self.steps = dict(tensors), values["steps"]

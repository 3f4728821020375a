"""How one network is trained, without the data: what stages, strategies and studies train again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, final

import torch
from torch import nn

from longspan.columns import Column
from longspan.data import Task
from longspan.data.batches.order import split_evenly
from longspan.errors import ConfigError
from longspan.heads import Head
from longspan.models import Backbone, ModelConfig
from longspan.randomness import step_seed
from longspan.train.budget import Budget, fit_phases
from longspan.train.callbacks import Callback, WeightAverage
from longspan.train.config import Phase, TrainConfig
from longspan.train.learner import Learner
from longspan.train.optimization.schedules import Schedule
from longspan.train.state import TrainState

__all__ = ["Recipe"]

_TIMED_STEPS = 6
_WARM_STEPS = 2  # the first ones also fill caches and choose kernels


@final
@dataclass(frozen=True)
class Recipe:
    """One network from inputs to targets, and how it is trained: the strategy "end to end".

    On a task of several targets it is multitask: one network that learns them all, each row teaching what it knows.

    Example:
        >>> recipe = Recipe("lenet5", epochs=5)
        >>> recipe.phases
        (Phase(epochs=5, lr=0.003, schedule='one_cycle', warmup=0.25, frozen=0.0, backbone_lr_mult=1.0),)
    """

    model: str | ModelConfig | Callable[[], nn.Module]
    """A registered name, a network with options, or a function that makes a module of yours."""
    epochs: int = field(default=10, kw_only=True)
    """Passes over the training rows, in one phase, where `phases` does not say it; a budget replaces their number."""
    lr: float = field(default=3e-3, kw_only=True)
    """Peak learning rate of that phase."""
    schedule: Schedule = field(default="one_cycle", kw_only=True)
    """How the learning rate of that phase moves."""
    phases: tuple[Phase, ...] = field(default=(), kw_only=True)
    """Several phases, as of fine-tuning, in place of the one; a budget keeps their proportions."""
    weights: str | Path | None = field(default=None, kw_only=True)
    """What the backbone starts from; see `Learner`."""
    pool: Literal["avg", "avg_max"] | None = field(default=None, kw_only=True)
    """Global pooling of the backbone, where it ends in one."""
    heads: Mapping[str, Head] = field(default_factory=dict, kw_only=True)
    """By target, where the default head will not do; other targets' entries are of no effect."""
    config: TrainConfig = field(default_factory=TrainConfig, kw_only=True)
    """Batch size, optimizer, augmentation and the like."""
    average: float | None = field(default=None, kw_only=True)
    """Decay of a running average of the weights, which is kept in their place; see `WeightAverage`."""
    min_steps: int = field(default=0, kw_only=True)
    """Steps that the phases take together at least, with more epochs where rows are few; a budget replaces it."""
    columns: Mapping[str, Column] = field(default_factory=dict, kw_only=True)
    """Inputs that the network reads otherwise than the task says, such as `{"text": Text.for_encoder("minilm")}`; see
    `Task.reading`."""

    def __post_init__(self) -> None:
        """Make the one phase where none are given."""
        if isinstance(self.model, nn.Module):
            raise ConfigError(
                "A Recipe trains again and again from fresh weights: give it a function that makes your module, "
                f"such as `lambda: {type(self.model).__name__}(...)`, not a module."
            )
        if not self.phases:
            phase = Phase(epochs=self.epochs, lr=self.lr, schedule=self.schedule)
            object.__setattr__(self, "phases", (phase,))
        object.__setattr__(self, "phases", tuple(self.phases))

    @classmethod
    def of(cls, learner: Learner) -> Recipe:
        """How a learner was trained, to do it again on other rows.

        Raises:
            ConfigError: it has not been trained yet, or its network or callbacks cannot be made again.
        """
        backbone = learner.network.backbone
        if not learner.phases:
            raise ConfigError(
                "This learner has not been trained yet, so there is no training to repeat: fit it, or give a Recipe."
            )
        if not isinstance(backbone, Backbone):
            raise ConfigError(
                f"The network {type(backbone).__name__} is a module of yours, which cannot be made again from itself. "
                "Give a Recipe with a function that makes it."
            )
        averages = [callback for callback in learner.callbacks if isinstance(callback, WeightAverage)]
        if len(averages) != len(learner.callbacks):
            names = ", ".join(type(callback).__name__ for callback in learner.callbacks)
            raise ConfigError(f"A recipe cannot repeat the callbacks {names}; give a Recipe without them.")
        return cls(
            backbone.name if backbone.config is None else cast("ModelConfig", backbone.config),
            phases=tuple(learner.phases),
            weights=learner.weights,
            pool=backbone.pool,
            heads={name: replace(head, column=None) for name, head in learner.heads.items()},  # type: ignore[type-var]
            config=learner.config,
            average=averages[0].decay if averages else None,
        )

    def learner(self, task: Task, *, seed: int = 0, progress: bool = False) -> Learner:
        """A fresh learner of this network on a task, not yet trained; `progress` prints a line per epoch."""
        if self.columns:
            task = task.reading(self.columns)
        model = self.model
        if callable(model):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(step_seed(seed, "weights", 0))
                model = model()
        return Learner(
            task,
            model,
            weights=self.weights,
            pool=self.pool,
            heads={name: head for name, head in self.heads.items() if name in task.target_names},
            config=self.config,
            callbacks=[] if self.average is None else [WeightAverage(self.average)],
            seed=seed,
            progress=progress,
        )

    def check(self, task: Task) -> None:
        """Make the network once: its weights can be loaded, and it fits the task's inputs and targets.

        Raises:
            LongspanError: it does not.
        """
        self.learner(task)

    def train(self, task: Task, *, seed: int = 0, budget: Budget | None = None, progress: bool = False) -> Learner:
        """A learner trained on the task's training rows.

        Args:
            task: What is to be learned.
            seed: Random seed.
            budget: Steps or seconds that all phases together may take; None: the recipe's own epochs. Epochs stay
                whole, and every phase has at least one.
            progress: Print a line per epoch.
        """
        learner = self.learner(task, seed=seed, progress=progress)
        return learner.run(self.phases_for(learner, budget))

    def phases_for(self, learner: Learner, budget: Budget | None) -> list[Phase]:
        """This recipe's phases with as many epochs as the budget pays for with this learner's rows."""
        num_batches = len(split_evenly(learner.task.train, self.config.batch_size))
        if budget is None:
            enough = num_batches * sum(phase.epochs for phase in self.phases) >= self.min_steps
            return list(self.phases) if enough else fit_phases(self.phases, self.min_steps, num_batches)
        steps = budget.steps
        if steps is None:
            assert budget.seconds is not None
            trial = self.learner(learner.task, seed=learner.seed)
            steps = max(1, int(budget.seconds / _seconds_per_step(trial, self.phases, num_batches)))
        return fit_phases(self.phases, steps, num_batches)

    def to_json(self) -> dict[str, Any]:
        """As JSON values: what a study compares to know whether a strategy is still the same.

        Without later options that are not used, so that older studies can go on.
        """
        model = self.model
        later: dict[str, Any] = {"min_steps": self.min_steps} if self.min_steps else {}
        if self.columns:
            later["columns"] = {name: column.to_json() for name, column in sorted(self.columns.items())}
        return {
            "strategy": "recipe",
            "model": asdict(model) if is_dataclass(model) and not isinstance(model, type) else _name_of(model),
            "phases": [phase.to_json() for phase in self.phases],
            "weights": None if self.weights is None else str(self.weights),
            "pool": self.pool,
            "heads": {name: repr(head) for name, head in sorted(self.heads.items())},
            "config": self.config.to_json(),
            "average": self.average,
            **later,
        }


def _name_of(model: Any) -> str:
    return model if isinstance(model, str) else f"{model.__module__}.{model.__qualname__}"


@final
class _Stopwatch(Callback):
    """Times some steps and then ends the training."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.times: list[float] = []

    def step_end(self, state: TrainState) -> None:
        self.times.append(time.perf_counter())
        if len(self.times) >= self.steps:
            state.stop = True


def _seconds_per_step(trial: Learner, phases: Sequence[Phase], num_batches: int) -> float:
    """Mean over phases, weighted by their epochs, each timed over a few steps of a learner that is thrown away."""
    spent = 0.0
    for phase in phases:
        watch = _Stopwatch(_TIMED_STEPS + _WARM_STEPS)
        trial.callbacks[:] = [watch]
        trial.run([replace(phase, epochs=max(1, -(-watch.steps // num_batches)))])
        spent += phase.epochs * (watch.times[-1] - watch.times[_WARM_STEPS - 1]) / (len(watch.times) - _WARM_STEPS)
    return spent / sum(phase.epochs for phase in phases)

"""Q-learning with a table: a value for every state and action that was met."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from longspan.control.environments import Environments
from longspan.errors import ConfigError
from longspan.lazy_torch import torch
from longspan.randomness import uniform

if TYPE_CHECKING:
    from gymnasium import Env

__all__ = ["QTable", "QTableConfig"]

_CHUNK = 4096


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class QTableConfig:
    """Settings of `QTable`."""

    rate: float = 0.1
    """How far a value moves towards its target."""
    discount: float = 0.99
    """Of rewards, per step."""
    exploration_steps: int = 100_000
    """Over so many steps the probability of a random action falls from 1 to `exploration_final`."""
    exploration_final: float = 0.05
    """Probability of a random action from then on; a policy is greedy."""
    most_states: int = 2_000_000
    """States that the table holds; more are an error, as they would fill the memory and none would come twice."""

    def __post_init__(self) -> None:
        """Check every value."""
        if not 0 < self.rate <= 1 or not 0 <= self.discount <= 1 or not 0 <= self.exploration_final <= 1:
            raise ConfigError(
                f"QTableConfig: rate={self.rate} must be above 0 and at most 1, discount={self.discount} and "
                f"exploration_final={self.exploration_final} from 0 to 1."
            )
        if self.exploration_steps < 1 or self.most_states < 1:
            raise ConfigError("QTableConfig: exploration_steps and most_states must be at least 1.")


@final
class QTable:
    """Values of actions in a table by state.

    Source: Watkins and Dayan 1992, "Q-learning", equation 1. States that were never met have the value 0.
    """

    def __init__(
        self,
        make: str | Callable[[], Env],
        config: QTableConfig | None = None,
        *,
        seed: int = 0,
        state: Callable[[Any], Hashable] | None = None,
        max_steps: int = 10_000,
    ) -> None:
        """An empty table.

        Args:
            make: Name of an environment with discrete actions, or a function that makes one.
            config: How it learns.
            seed: Of exploration and episodes.
            state: From an observation to a key of the table; None: the observation itself, all its numbers.
            max_steps: Truncate episodes after so many steps.
        """
        self.config = config or QTableConfig()
        self.environments = Environments(make, seed=seed, max_steps=max_steps)
        from gymnasium import spaces

        if not isinstance(self.environments.action_space, spaces.Discrete):
            raise ConfigError(
                f"QTable chooses among a few actions; {self.environments.name!r} takes "
                f"{self.environments.action_space}. Choose an environment with discrete actions."
            )
        self.num_actions = int(self.environments.action_space.n)
        self.seed = seed
        self.state = state or _as_key
        self.values: dict[Hashable, np.ndarray] = {}
        self.steps = 0

    def fit(self, steps: int) -> QTable:
        """Play and learn.

        Raises:
            ConfigError: more states than `most_states`.
        """
        config = self.config
        key = self.state(self.environments.reset()[0])
        drawn = np.zeros((0, 2))
        for number in range(steps):
            if number % _CHUNK == 0 or not len(drawn):
                drawn = uniform(self.seed, "table", self.steps, torch.arange(_CHUNK), 2).numpy()
            values = self._row(key)
            done = min(1.0, self.steps / config.exploration_steps)
            explore, which = drawn[number % _CHUNK]
            random = explore < 1.0 + done * (config.exploration_final - 1.0)
            action = int(which * self.num_actions) if random else int(values.argmax())
            step = self.environments.step(np.array([action]))
            after = self.state(step.last_observations[0] if 0 in step.last_observations else step.observations[0])
            future = 0.0 if step.terminated[0] else config.discount * float(self._row(after).max())
            values[action] += config.rate * (float(step.rewards[0]) + future - values[action])
            key = self.state(step.observations[0]) if 0 in step.last_observations else after
            self.steps += 1
        return self

    def __call__(self, observation: Any) -> int:
        """The best action: a table is a policy for `run_episodes`."""
        values = self.values.get(self.state(observation))
        return 0 if values is None else int(values.argmax())

    def _row(self, key: Hashable) -> np.ndarray:
        values = self.values.get(key)
        if values is None:
            if len(self.values) >= self.config.most_states:
                raise ConfigError(
                    f"QTable met {len(self.values):,} states in {self.steps:,} steps, more than most_states: a table "
                    "learns nothing of states that do not come again. Give a coarser state=, or use DQN."
                )
            values = self.values[key] = np.zeros(self.num_actions)
        return values


def _as_key(observation: Any) -> Hashable:
    return np.ascontiguousarray(observation).tobytes()

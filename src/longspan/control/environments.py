"""Environments by name, several at a time, each episode with a seed of its own."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, final

import numpy as np

from longspan.control.families import FAMILIES, family_of
from longspan.errors import ConfigError, LongspanError, TrainingError, UnknownNameError, nearest
from longspan.extras import EXTRAS, require_extra
from longspan.randomness import step_seed

if TYPE_CHECKING:
    from gymnasium import Env, Space

__all__ = ["Environments", "Purpose", "Steps", "episode_seed", "forget_last_action", "make_environment"]

Purpose = Literal["training", "evaluation"]


def make_environment(name: str, *, render: bool = False, max_steps: int | None = None, **options: Any) -> Env:
    """An environment of gymnasium, MinAtar, the Atari games (ale-py) or highway-env.

    Args:
        name: As in the library: "MinAtar/Breakout-v1", "ALE/Pong-v5", "CartPole-v1", "racetrack-v0".
        render: Whether `render()` gives images.
        max_steps: Truncate episodes after so many steps; None: as the library does.
        options: Of the environment, as in the library: `sticky_action_prob=0.0`.

    Raises:
        UnknownNameError: there is no such environment; the message has the nearest name and the extra that holds it.
        DependencyError: its library is not installed; the message is the command that installs it.
        ConfigError: an option that the environment does not have.
    """
    family = family_of(name)
    if _missing(family.modules):
        require_extra(family.extra, f"The environment {name!r}")
    import gymnasium

    known = set()
    for each in FAMILIES:
        if not _missing(each.modules):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                each.register()
        known |= set(each.names)
    known |= set(gymnasium.registry)
    if name not in gymnasium.registry:
        raise _unknown(name, known)
    if render:
        options["render_mode"] = "rgb_array"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return gymnasium.make(name, max_episode_steps=max_steps, disable_env_checker=True, **options)
    except gymnasium.error.DependencyNotInstalled as error:
        raise ConfigError(f"The environment {name!r} cannot be made: {error}") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"The environment {name!r} cannot be made with the options {options}: {error}") from error


def _missing(modules: Sequence[str]) -> list[str]:
    return [module for module in modules if importlib.util.find_spec(module) is None]


def _unknown(name: str, known: set[str]) -> UnknownNameError:
    near = nearest(name, known)
    hint = "gymnasium knows: " + ", ".join(sorted(known)[:8]) + " ..."
    if near is not None:
        extra = EXTRAS[family_of(near).extra]
        hint = f"Did you mean {near!r}? It comes with the extra {extra.name!r} ({extra.install})."
    return UnknownNameError(f"There is no environment {name!r:.200}. {hint}")


def episode_seed(seed: int, purpose: Purpose, number: int, episode: int) -> int:
    """The seed of an episode, in 0..2^31-1: a function of the run's seed, the environment's number and the episode's.

    Seeds of training are even and seeds of evaluation odd: no episode of one is ever an episode of the other.
    """
    bits = step_seed(step_seed(seed, f"environment {number}", 0), "episode", episode) % (1 << 30)
    return 2 * bits + (purpose == "evaluation")


@final
class Steps(NamedTuple):
    """What N environments answered to one action each."""

    observations: np.ndarray
    """`(N, ...)`: what each sees now; after the end of an episode the first one of the next."""
    rewards: np.ndarray
    """`(N,)` float32."""
    terminated: np.ndarray
    """`(N,)` bool: the episode ended by itself, so nothing after it has a value."""
    truncated: np.ndarray
    """`(N,)` bool: the episode was cut by a time limit: the future is worth what `last_observations` promise."""
    last_observations: dict[int, np.ndarray]
    """By number of the environment: the last observation of each episode that ended."""
    infos: list[dict[str, Any]]
    """What else each said."""


@final
class Environments:
    """N environments that step together; all randomness of an episode comes from its seed.

    An episode that ends is followed by the next one at once. `state()` says where each environment is: its episode's
    number and the actions since; `restore()` plays those actions again, which works with every deterministic
    environment, whatever it keeps inside.
    """

    def __init__(
        self,
        make: str | Callable[[], Env],
        *,
        number: int = 1,
        seed: int = 0,
        purpose: Purpose = "training",
        max_steps: int | None = None,
    ) -> None:
        """Make them.

        Args:
            make: The name of an environment, or a function that makes one.
            number: How many.
            seed: Of the run; see `episode_seed`.
            purpose: Episodes of an evaluation are never episodes of a training.
            max_steps: Truncate episodes after so many steps.
        """
        if number < 1:
            raise ConfigError(f"Environments.number must be at least 1, got {number}.")
        self.name = make if isinstance(make, str) else getattr(make, "__name__", type(make).__name__)
        self.environments = [make_environment(make) if isinstance(make, str) else make() for _ in range(number)]
        self.seed = seed
        self.purpose: Purpose = purpose
        self.max_steps = max_steps
        self.observation_space: Space = self.environments[0].observation_space
        self.action_space: Space = self.environments[0].action_space
        self.episodes = [0] * number
        self.actions: list[list[Any]] = [[] for _ in range(number)]
        self._shape: tuple[int, ...] | None = self.observation_space.shape
        self._dtype = self.observation_space.dtype

    def __len__(self) -> int:
        """How many there are."""
        return len(self.environments)

    def reset(self) -> np.ndarray:
        """`(N, ...)`: the first observations of the episodes that are next."""
        return np.stack([self._begin(number) for number in range(len(self))])

    def step(self, actions: np.ndarray) -> Steps:
        """One step of each.

        Raises:
            TrainingError: an environment fails, its reward or observation is not finite, or an observation has another
                shape than those before.
        """
        n = len(self)
        rewards = np.zeros(n, np.float32)
        terminated, truncated = np.zeros(n, bool), np.zeros(n, bool)
        seen: list[np.ndarray] = []
        last: dict[int, np.ndarray] = {}
        infos: list[dict[str, Any]] = []
        for number, environment in enumerate(self.environments):
            action = actions[number]
            self.actions[number].append(action.tolist() if isinstance(action, np.generic | np.ndarray) else action)
            try:
                found, reward, over, cut, info = environment.step(action)
            except LongspanError:
                raise
            except Exception as error:
                raise self._error(number, f"failed: {type(error).__name__}: {error}") from error
            found = self._checked(number, found, float(reward))
            if self.max_steps is not None and len(self.actions[number]) >= self.max_steps and not over:
                cut = True
            rewards[number], terminated[number], truncated[number] = reward, over, cut and not over
            if over or cut:
                last[number] = found
                self.episodes[number] += 1
                found = self._begin(number)
            seen.append(found)
            infos.append(info)
        return Steps(np.stack(seen), rewards, terminated, truncated, last, infos)

    def state(self) -> dict[str, Any]:
        """Where each is: JSON values."""
        return {"episodes": list(self.episodes), "actions": [list(each) for each in self.actions]}

    def restore(self, state: dict[str, Any]) -> np.ndarray:
        """Bring each to where `state()` was taken; gives what they see there.

        Raises:
            TrainingError: an episode ends earlier than it did: the environment has randomness that no seed sets.
        """
        self.episodes = [int(each) for each in state["episodes"]]
        seen = []
        for number, actions in enumerate(state["actions"]):
            found = self._begin(number)
            for action in actions:
                played = np.asarray(action) if isinstance(action, list) else action
                found, _, over, cut, _ = self.environments[number].step(played)
                self.actions[number].append(action)
                if over or cut:
                    raise self._error(number, "does not play the same episode again from its seed and actions")
            seen.append(np.asarray(found))
        return np.stack(seen)

    def close(self) -> None:
        """Let go of what they hold."""
        for environment in self.environments:
            environment.close()

    def _begin(self, number: int) -> np.ndarray:
        self.actions[number] = []
        environment = self.environments[number]
        forget_last_action(environment)
        seed = episode_seed(self.seed, self.purpose, number, self.episodes[number])
        try:
            found, _ = environment.reset(seed=seed)
        except LongspanError:
            raise
        except Exception as error:
            raise self._error(number, f"cannot be reset: {type(error).__name__}: {error}") from error
        return self._checked(number, found, 0.0)

    def _checked(self, number: int, found: Any, reward: float) -> np.ndarray:
        seen = np.asarray(found)
        if self._shape is None:
            self._shape = seen.shape
        if seen.shape != self._shape:
            raise self._error(number, f"gave an observation of shape {seen.shape}; those before have {self._shape}")
        if not np.isfinite(reward):
            raise self._error(number, f"gave the reward {reward}")
        if seen.dtype.kind == "f" and not np.isfinite(seen).all():
            raise self._error(number, "gave an observation with values that are not finite (NaN or infinity)")
        return seen

    def _error(self, number: int, what: str) -> TrainingError:
        return TrainingError(
            f"The environment {self.name!r} (number {number}, episode {self.episodes[number]}, step "
            f"{len(self.actions[number])}) {what}."
        )


def forget_last_action(environment: Env) -> None:
    """MinAtar keeps the last action, which may stick, over a reset: an episode would depend on the one before."""
    game = getattr(environment.unwrapped, "game", None)
    if game is not None and hasattr(game, "last_action"):
        game.last_action = 0

"""Episodes played by a policy, and what they came to: returns, lengths, faults, with an interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy as np

from longspan.control.environments import Purpose, episode_seed, forget_last_action, make_environment
from longspan.errors import ConfigError, LongspanError, TrainingError

if TYPE_CHECKING:
    from gymnasium import Env

    from longspan.control.recording import Recording

__all__ = ["Episode", "Episodes", "Policy", "interquartile_mean", "run_episodes", "seed_interval"]

Policy = Callable[[Any], Any]
"""An observation to an action. One with a method `reset()` is told when an episode begins."""


@final
@dataclass(frozen=True, kw_only=True)
class Episode:
    """One episode."""

    number: int
    """Its number in the evaluation."""
    seed: int
    """What the environment was reset with."""
    total_reward: float
    """The sum of all rewards, without discount: the return."""
    length: int
    """Steps."""
    faults: tuple[str, ...] = ()
    """What went wrong in it, in order: each `info["fault"]` that an environment told, True as "fault"."""
    truncated: bool = False
    """Whether a time limit ended it."""
    measures: dict[str, float] = field(default_factory=dict)
    """What else was measured."""


@final
@dataclass(frozen=True)
class Episodes(Sequence[Episode]):
    """Several episodes of one policy."""

    episodes: tuple[Episode, ...]

    def __len__(self) -> int:
        """How many."""
        return len(self.episodes)

    def __getitem__(self, index: Any) -> Any:
        """One, or several."""
        return self.episodes[index]

    def __iter__(self) -> Iterator[Episode]:
        """In the order of their numbers."""
        return iter(self.episodes)

    def values(self, measure: str) -> np.ndarray:
        """`(N,)`: "return", "length", "faults", or a measure of your own, by episode."""
        own = {
            "return": lambda each: each.total_reward,
            "length": lambda each: each.length,
            "faults": lambda each: len(each.faults),
        }
        read = own.get(measure, lambda each: each.measures[measure])
        try:
            return np.array([read(each) for each in self.episodes], dtype=np.float64)
        except KeyError:
            names = [*own, *(self.episodes[0].measures if self.episodes else ())]
            raise ConfigError(f"Episodes have no measure {measure!r}; there are {', '.join(names)}.") from None

    def mean(self, measure: str = "return") -> float:
        """Over all episodes."""
        return float(self.values(measure).mean())

    def interval(self, measure: str = "return", *, level: float = 0.95) -> tuple[float, float]:
        """Of the mean of one policy over episodes; see `seed_interval` for several trainings."""
        return seed_interval(self.values(measure)[None], level=level, statistic=np.mean)


def run_episodes(
    make: str | Callable[[], Env] | Env,
    policy: Policy,
    *,
    episodes: int,
    seed: int = 0,
    purpose: Purpose = "evaluation",
    max_steps: int | None = None,
    recording: Recording | None = None,
    measure: Callable[[list[dict[str, Any]]], dict[str, float]] | None = None,
) -> Episodes:
    """Let a policy play episodes, each with a seed that no training episode has.

    Args:
        make: Name of an environment, a function that makes one, or one that is used as it is.
        policy: An observation to an action. Its `reset()`, if it has one, is called before each episode.
        episodes: How many.
        seed: Of the evaluation; see `episode_seed`.
        purpose: "training" plays the episodes a training with this seed would play.
        max_steps: Truncate episodes after so many steps.
        recording: Keeps every step.
        measure: From the `info` of all steps of an episode to more measures by name: metres, jerk, deviation.

    Raises:
        TrainingError: the environment fails or gives NaN; episodes that were finished are in the recording.
    """
    if episodes < 1:
        raise ConfigError(f"run_episodes: episodes must be at least 1, got {episodes}.")
    ours = isinstance(make, str) or callable(make)
    environment: Any = make_environment(make) if isinstance(make, str) else make
    if callable(make):
        environment = make()
    try:
        if recording is not None:
            recording.check(environment)
        played = []
        for number in range(episodes):
            its_seed = episode_seed(seed, purpose, 0, number)
            played.append(_play(environment, policy, number, its_seed, max_steps, recording, measure))
        return Episodes(tuple(played))
    finally:
        if ours:
            environment.close()


def _play(
    environment: Env,
    policy: Policy,
    number: int,
    seed: int,
    max_steps: int | None,
    recording: Recording | None,
    measure: Callable[[list[dict[str, Any]]], dict[str, float]] | None,
) -> Episode:
    told = getattr(policy, "reset", None)
    if callable(told):
        told()
    forget_last_action(environment)
    total, length, faults, infos = 0.0, 0, [], []
    try:
        seen, _ = environment.reset(seed=seed)
        while True:
            action = policy(seen)
            frame = environment.render() if recording is not None and recording.frames else None
            after, reward, over, cut, info = environment.step(action)
            total, length = total + float(reward), length + 1
            if not math.isfinite(total):
                raise TrainingError(f"The environment gave the reward {reward} in episode {number}, step {length}.")
            cut = cut or (max_steps is not None and length >= max_steps)
            fault = info.get("fault")
            word = "" if fault is None or fault is False else "fault" if fault is True else str(fault)
            if word:
                faults.append(word)
            if measure is not None:
                infos.append(info)
            if recording is not None:
                recording.add(
                    episode=number, step=length - 1, frame=frame, observation=seen, action=action,
                    reward=float(reward), terminated=bool(over), truncated=bool(cut and not over), fault=word,
                )  # fmt: skip
            seen = after
            if over or cut:
                break
    except LongspanError:
        raise
    except Exception as error:
        raise TrainingError(
            f"Episode {number} (seed {seed}) failed after {length} steps: {type(error).__name__}: {error}"
        ) from error
    more = {} if measure is None else measure(infos)
    return Episode(
        number=number, seed=seed, total_reward=total, length=length, faults=tuple(faults),
        truncated=bool(cut and not over), measures=more,
    )  # fmt: skip


def interquartile_mean(values: np.ndarray) -> float:
    """The mean of the middle half of all values: less swayed by lucky runs than the mean, steadier than the median.

    Source: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice", section 4.3;
    `scipy.stats.trim_mean(values, 0.25)`.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64).reshape(-1))
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def seed_interval(
    values: np.ndarray,
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    statistic: Callable[[np.ndarray], Any] = interquartile_mean,
) -> tuple[float, float]:
    """A bootstrap interval over trainings and their episodes.

    Each draw takes S trainings out of S with replacement, and for each of them E episodes out of its E.

    Args:
        values: `(S, E)`: a row per training seed, a value per episode.
        level: Of the interval.
        draws: How many.
        seed: Of the draws.
        statistic: What is bounded: the interquartile mean, or `np.mean`.
    """
    values = np.asarray(values, dtype=np.float64)
    seeds, episodes = values.shape
    random = np.random.default_rng(seed)
    found = np.empty(draws)
    for draw in range(draws):
        rows = random.integers(seeds, size=seeds)
        found[draw] = statistic(values[rows[:, None], random.integers(episodes, size=(seeds, episodes))])
    edge = (1 - level) / 2
    low, high = np.quantile(found, [edge, 1 - edge])
    return float(low), float(high)

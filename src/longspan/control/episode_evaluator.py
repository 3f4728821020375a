"""Episodes as what a study compares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

from longspan.control.episodes import Policy, run_episodes
from longspan.data import Table
from longspan.study import Evaluator

if TYPE_CHECKING:
    from gymnasium import Env

__all__ = ["episode_evaluator"]


@final
@dataclass(frozen=True, kw_only=True)
class _PlayEpisodes:
    """Trained predictor to one value per episode; travels to worker processes where its parts are importable."""

    make: str | Callable[[], Env]
    policy: Callable[[Any], Policy]
    measure: str
    episodes: int
    seed: int
    max_steps: int | None
    measures: Callable[[list[dict[str, Any]]], dict[str, float]] | None

    def __call__(self, trained: Any, rows: Table) -> list[float]:
        del rows  # the environment answers, not a table
        played = run_episodes(
            self.make, self.policy(trained), episodes=self.episodes, seed=self.seed, max_steps=self.max_steps,
            measure=self.measures,
        )  # fmt: skip
        return played.values(self.measure).tolist()


def episode_evaluator(
    make: str | Callable[[], Env],
    policy: Callable[[Any], Policy],
    *,
    episodes: int = 20,
    seed: int = 0,
    measure: str = "return",
    name: str | None = None,
    unit: str = "",
    direction: Literal["lower", "higher"] = "lower",
    best: float | None = None,
    largest: float = np.inf,
    max_steps: int | None = None,
    measures: Callable[[list[dict[str, Any]]], dict[str, float]] | None = None,
) -> Evaluator:
    """What `Study(error=...)` takes to compare strategies by episodes: every one plays the same start seeds.

    Args:
        make: Name of an environment, or an importable function that makes one.
        policy: From what a strategy trained to a policy: an observation to an action.
        episodes: How many each trained predictor plays.
        seed: Of the episodes; none of them is ever one of a training.
        measure: "return", "length", "faults", or a name that `measures` gives.
        name: In words, for axes; None: as `measure`.
        unit: Of the value.
        direction: Which way is better.
        best: With "higher", the best value there can be; the error is the distance to it.
        largest: The largest error there can be.
        max_steps: Truncate episodes after so many steps.
        measures: From the `info` of all steps of an episode to measures by name.
    """
    play = _PlayEpisodes(
        make=make, policy=policy, measure=measure, episodes=episodes, seed=seed, max_steps=max_steps, measures=measures
    )
    return Evaluator(
        of=play, name=name or measure, unit=unit, direction=direction, best=best, episodes=episodes, largest=largest
    )

"""What a study is asked to do: which strategies, at which sizes, with which seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.study.runs.runs import Run

__all__ = ["Plan", "make_plan"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Strategies x training sizes x seeds."""

    strategies: tuple[str, ...]
    sizes: tuple[int, ...]
    seeds: tuple[int, ...]

    def runs(self) -> list[Run]:
        """Seed by seed, small sizes first: whole curves early, and what cannot work fails early."""
        return [Run(name, size, seed) for seed in self.seeds for size in self.sizes for name in self.strategies]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"strategies": list(self.strategies), "sizes": list(self.sizes), "seeds": list(self.seeds)}


def make_plan(
    strategies: Mapping[str, Any], sizes: Sequence[int], seeds: int | Sequence[int], num_train: int
) -> tuple[Plan, list[str]]:
    """The plan, and everything that is wrong with it.

    Args:
        strategies: By name.
        sizes: Numbers of training rows, in any order.
        seeds: So many (0, 1, 2 ...), or which.
        num_train: Training rows of the task.
    """
    faults = _name_faults(strategies)
    whole_sizes, wrong = _whole_numbers("sizes", sizes)
    faults += wrong
    too_small = [size for size in whole_sizes if size < 2]
    too_large = [size for size in whole_sizes if size > num_train]
    if too_small:
        faults.append(f"sizes={_listed(too_small)}: nothing is learned from fewer than 2 rows.")
    if too_large:
        faults.append(f"sizes={_listed(too_large)}: the task has {num_train:,} training rows, so {num_train} is most.")
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        if seeds < 1:
            faults.append(f"seeds={seeds}: at least 1, and 3 or more for intervals.")
        whole_seeds = list(range(seeds))
    else:
        whole_seeds, wrong = _whole_numbers("seeds", seeds)
        faults += wrong
    plan = Plan(strategies=tuple(strategies), sizes=tuple(sorted(whole_sizes)), seeds=tuple(whole_seeds))
    return plan, faults


def _name_faults(strategies: Any) -> list[str]:
    if not isinstance(strategies, Mapping) or not strategies:
        return ['strategies: give at least one, by name: {"from scratch": ls.Recipe("resnet20")}.']
    wrong = [name for name in strategies if not isinstance(name, str) or not name.strip()]
    return [f"strategies: {name!r} is not a name; names are words." for name in wrong]


def _whole_numbers(what: str, values: Any) -> tuple[list[int], list[str]]:
    """The values that are whole numbers, and what is wrong with the others."""
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray | range):
        return [], [f"{what}={values!r}: give a list of whole numbers."]
    listed = list(values)
    wrong = [each for each in listed if isinstance(each, bool | np.bool_) or not isinstance(each, int | np.integer)]
    whole = [int(each) for each in listed if not any(each is one for one in wrong)]
    faults = [f"{what}={_listed(wrong)}: whole numbers only."] if wrong else []
    twice = sorted({each for each in whole if whole.count(each) > 1})
    if twice:
        faults.append(f"{what}: {_listed(twice)} occurs more than once.")
    if not listed:
        faults.append(f"{what}=[]: give at least one.")
    return list(dict.fromkeys(whole)), faults


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))

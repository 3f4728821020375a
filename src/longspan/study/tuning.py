"""Equal tuning: every run of every strategy tries the same number of settings, and the trials count as its expense.

Why: with one side tuned and the other not, a crossover shows which was. In machine translation neural systems were
thought to need 100 million words to beat phrase-based ones; tuned for small data they did so at 100,000.

Source: Sennrich and Zhang 2019, "Revisiting low-resource neural machine translation: a case study"; random search as in
Bergstra and Bengio 2012, "Random search for hyper-parameter optimization".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

import numpy as np

from longspan.errors import ConfigError, DependencyError, StudyError, nearest
from longspan.randomness import step_seed
from longspan.study.strategy_options import option_names, with_options

__all__ = [
    "Between", "Tuning", "Values", "default_space", "draw_params", "import_optuna", "optuna_sampler", "plain_space",
    "space_faults", "suggest",
]  # fmt: skip

_OPTUNA = "This search needs Optuna: pip install 'longspan[search]'"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Between:
    """A number between two ends, both allowed."""

    low: float
    high: float
    log: bool = False
    """Whether its logarithm is what is drawn evenly."""
    whole: bool = False
    """Whether it is a whole number."""

    def __post_init__(self) -> None:
        """Check the ends."""
        if not -math.inf < self.low < self.high < math.inf or (self.log and self.low <= 0):
            above = ", both above 0" if self.log else ""
            raise ConfigError(f"Between(low={self.low}, high={self.high}): two numbers, low below high{above}.")

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        ends = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = float(rng.uniform(*ends))
        value = min(self.high, max(self.low, math.exp(value) if self.log else value))
        return round(value) if self.whole else float(f"{value:.6g}")


Values = Between | Sequence[Any]
Space = Mapping[str, Values]


@final
@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Trials inside every run, as many for every strategy at every size.

    The first trial uses the strategy's own options, the others draw theirs. A part of the run's training rows chooses
    the best; the predictor of that trial is the run's. A budget is divided by the number of trials.

    Example:
        >>> Tuning(trials=8, space={"lr": Between(low=1e-4, high=1e-1, log=True), "config.batch_size": [16, 64]}).trials
        8
    """

    trials: int
    """How many; with 1 nothing is tuned."""
    space: Space | Mapping[str, Space] | None = None
    """Options by name, or such a mapping for each strategy; None: the learning rates, from a tenth to ten times their
    own. "lr", "config.batch_size", and for a stage of a pipeline "classify.lr". A list holds the values to choose
    from."""
    search: Literal["random", "optuna"] = "random"
    """"optuna" learns from the trials before (tree-structured Parzen estimator)."""
    valid: float = 0.2
    """The part of a run's training rows that chooses among trials."""
    target: str | None = None
    """Whose error chooses; may be left out where there is only one."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: everything that is wrong, at once.
        """
        faults = []
        if not isinstance(self.trials, int) or isinstance(self.trials, bool) or self.trials < 1:
            faults.append(f"trials={self.trials!r}: how many in each run, at least 1.")
        if self.search not in ("random", "optuna"):
            faults.append(f"search={self.search!r}: 'random' or 'optuna'.")
        if not 0 < self.valid < 1:
            faults.append(f"valid={self.valid}: the part of a run's training rows that chooses, such as 0.2.")
        if self.space is not None and (not isinstance(self.space, Mapping) or not self.space):
            faults.append(f"space={self.space!r}: values by the name of an option, or None.")
        if faults:
            raise ConfigError("This Tuning cannot be used: " + " ".join(faults))

    def spaces(self, strategies: Mapping[str, Any]) -> dict[str, dict[str, Values]]:
        """The space of each strategy, checked: every name is an option, every value one that it takes.

        Raises:
            StudyError: everything that is wrong, at once.
            DependencyError: Optuna is asked for and not installed.
        """
        if self.search == "optuna":
            import_optuna()
        by_strategy = self.space is not None and all(isinstance(each, Mapping) for each in self.space.values())
        faults: list[str] = []
        if by_strategy:
            for name in self.space or {}:
                if name not in strategies:
                    near = nearest(name, strategies)
                    faults.append(f"{name!r} is not a strategy{f'; did you mean {near!r}?' if near else '.'}")
        found: dict[str, dict[str, Values]] = {}
        for name, strategy in strategies.items():
            if self.space is None:
                space: Any = default_space(strategy)
            else:
                space = self.space.get(name, {}) if by_strategy else self.space
            found[name] = dict(space)
            if not space:
                faults.append(
                    f"strategy {name!r} has nothing to tune, while others do: give it a space, "
                    f"space={{{name!r}: {{...}}}}."
                )
            faults += space_faults(name, strategy, found[name])
        if faults:
            raise StudyError(" ".join(faults))
        return found

    def to_json(self) -> dict[str, Any]:
        """As JSON values: what a study file keeps, because results depend on the trials."""
        return {
            "trials": self.trials,
            "search": self.search,
            "valid": self.valid,
            "target": self.target,
            "space": plain_space(self.space),
        }


def default_space(strategy: Any) -> dict[str, Values]:
    """The learning rates of a strategy, from a tenth to ten times their own value; empty where it names none."""
    found: dict[str, Values] = {}
    for name, value in option_names(strategy).items():
        own = name.rsplit(".", 1)[-1] in ("lr", "learning_rate")
        if own and isinstance(value, float) and value > 0 and "phases" not in name:
            found[name] = Between(low=value / 10, high=value * 10, log=True)
    return found


def draw_params(space: Mapping[str, Values], seed: int, trial: int) -> dict[str, Any]:
    """The options of one trial: none for the first, else drawn; the same for every strategy with the same names."""
    if trial == 0:
        return {}
    found: dict[str, Any] = {}
    for name, values in space.items():
        rng = np.random.default_rng(step_seed(seed, f"tuning {name}", trial))
        found[name] = values.draw(rng) if isinstance(values, Between) else values[int(rng.integers(len(values)))]
    return found


def optuna_sampler(space: Mapping[str, Values], seed: int) -> Any:
    """An Optuna study that minimises the error of trials, and a function that asks it for options.

    Returns:
        `ask()` gives a trial of Optuna's and the options; `tell(trial, score)` takes what it gave.
    """
    optuna = import_optuna()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=step_seed(seed, "tuning", 0) & 0xFFFFFFFF, n_startup_trials=4)
    study = optuna.create_study(sampler=sampler, direction="minimize")

    def ask() -> tuple[Any, dict[str, Any]]:
        trial = study.ask()
        return trial, suggest(trial, space)

    def tell(trial: Any, score: float | None) -> None:
        if score is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, score)

    return ask, tell


def suggest(trial: Any, space: Mapping[str, Values]) -> dict[str, Any]:
    """The options that a trial of Optuna's has drawn."""
    found: dict[str, Any] = {}
    for name, values in space.items():
        if not isinstance(values, Between):
            # Optuna takes plain values alone as categories, so it chooses among their places.
            found[name] = values[trial.suggest_categorical(name, list(range(len(values))))]
        elif values.whole:
            found[name] = trial.suggest_int(name, math.ceil(values.low), math.floor(values.high), log=values.log)
        else:
            found[name] = trial.suggest_float(name, values.low, values.high, log=values.log)
    return found


def space_faults(name: str, strategy: Any, space: Mapping[str, Values]) -> list[str]:
    """What is wrong with a strategy's space: names that are no options, values that it refuses."""
    faults = []
    for option, values in space.items():
        where = f"strategy {name!r}, option {option!r}"
        if not isinstance(values, Between) and (isinstance(values, str) or not isinstance(values, Sequence)):
            faults.append(f"{where}: give a list of values or Between(low=, high=), not {values!r}.")
            continue
        tried = [values.low, values.high] if isinstance(values, Between) else list(values)
        if isinstance(values, Between) and values.whole:
            tried = [round(each) for each in tried]
        if not tried:
            faults.append(f"{where}: the list of values is empty.")
        for value in tried:
            try:
                with_options(strategy, {option: value})
            except Exception as error:
                faults.append(f"{where}: {error}")
                break
    return faults


def plain_space(space: Any) -> Any:
    """As JSON values."""
    if isinstance(space, Between):
        return asdict(space)
    if isinstance(space, Mapping):
        return {name: plain_space(values) for name, values in space.items()}
    return None if space is None else [each if isinstance(each, int | float | str) else repr(each) for each in space]


def import_optuna() -> Any:
    """Optuna; DependencyError where it is not installed."""
    import importlib

    try:
        return importlib.import_module("optuna")
    except ImportError as error:
        raise DependencyError(_OPTUNA) from error

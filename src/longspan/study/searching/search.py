"""The search for settings with Optuna: trials on training rows, chosen by validation rows, never by test rows.

Source: Bergstra et al. 2011, "Algorithms for hyper-parameter optimization" (tree-structured Parzen estimator), as
Optuna has it; importance of settings by functional ANOVA (Hutter, Hoos, Leyton-Brown 2014).
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from longspan.data import Task
from longspan.errors import ConfigError, StudyError, unknown_name
from longspan.randomness import step_seed
from longspan.storage.lock import FolderLock
from longspan.study.runs.runs import predictions_for
from longspan.study.scoring import measure_for
from longspan.study.searching.trials import SearchTrial, TrialFile
from longspan.study.strategy_options import with_options
from longspan.study.tuning import Between, Values, default_space, import_optuna, plain_space, space_faults, suggest

if TYPE_CHECKING:
    from longspan.report import Document

__all__ = ["Search"]

_FILE, _MODEL, _REPORT = "search.jsonl", "best.safetensors", "report.html"
_STARTUP = 6  # trials that are drawn at random before Optuna learns from them
_ENOUGH = 8  # finished trials from which on importances are computed


@final
class Search:
    """Trials of one strategy with other settings, within a budget.

    Each trial trains on all training rows and is measured on the validation rows. The best model is kept as a file. A
    search that was stopped or killed goes on: make it again with the same task, strategy, space and folder. Trial n is
    a function of the seed and the trials before it.

    Example:
        >>> search = Search(task, Recipe("lenet5"), {"lr": Between(low=1e-4, high=1e-1, log=True)}, trials=20,
        ...                 folder="search")  # doctest: +SKIP
        >>> search.run().best.params  # doctest: +SKIP
    """

    def __init__(
        self, task: Task, strategy: Any, space: Mapping[str, Values] | None = None, *, folder: str | Path,
        trials: int | None = None, minutes: float | None = None, target: str | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        """Check everything that can be checked before a training.

        Args:
            task: What is to be learned; its validation rows choose.
            strategy: With its own settings, which the first trial has: a `Recipe`, a pipeline, or a class of yours with
                a method `with_options`.
            space: Values by the name of an option, as in `Tuning`; None: the learning rates, from a tenth to ten times
                their own.
            folder: For the trials, the best model and the report.
            trials: How many at most, over all calls.
            minutes: How long at most, over all calls: no trial is started when the time left is less than the quickest
                has taken.
            target: Whose error chooses; may be left out where there is only one.
            seed: Of all trainings, and of what is drawn.

        Raises:
            ConfigError: no budget, nothing to search for, or no validation rows.
            StudyError: a name that is not an option, a value that the strategy refuses, or a folder of another search.
            DependencyError: Optuna is not installed.
        """
        if trials is None and minutes is None:
            raise ConfigError("A search needs a budget: trials= (--trials), minutes= (--minutes), or both.")
        if trials is not None and (not isinstance(trials, int) or isinstance(trials, bool) or trials < 1):
            raise ConfigError(f"trials must be a whole number of at least 1, got {trials!r}.")
        if minutes is not None and not 0 < minutes < math.inf:
            raise ConfigError(f"minutes must be above 0 and finite, got {minutes!r}.")
        self.optuna = import_optuna()
        self.optuna.logging.set_verbosity(self.optuna.logging.ERROR)
        self.space: dict[str, Values] = dict(default_space(strategy) if space is None else space)
        if not self.space:
            raise ConfigError(
                "The search space names nothing, so every trial would be the same. Name an option and its values, such "
                "as space={'lr': Between(low=1e-4, high=1e-1, log=True)} (--space lr=1e-4..1e-1)."
            )
        if faults := space_faults("searched", strategy, self.space):
            raise StudyError(" ".join(each.removeprefix("strategy 'searched', ") for each in faults))
        task.prepare()
        if not len(task.valid):
            raise ConfigError("A search needs validation rows, which choose among trials: split(valid=0.2) (--valid).")
        if target is None and len(task.targets) > 1:
            raise ConfigError(f"Name the target whose error chooses: {' or '.join(task.targets)}.")
        if target is not None and target not in task.targets:
            raise unknown_name("target", target, task.targets)
        self.task = task
        self.strategy = strategy
        self.folder = Path(folder).expanduser()
        self.max_trials = trials
        self.max_seconds = None if minutes is None else 60 * minutes
        self.target = target or next(iter(task.targets))
        self.measure = measure_for(self.target, task.targets[self.target])
        self.seed = seed
        self._file = TrialFile(self.folder / _FILE, self._identity())

    @property
    def trials(self) -> list[SearchTrial]:
        """Those that have ended."""
        return list(self._file.trials)

    @property
    def best(self) -> SearchTrial:
        """The one with the lowest error; of equal ones the first.

        Raises:
            StudyError: none has succeeded.
        """
        finished = self._finished()
        if not finished:
            why = f" The first said: {self.trials[0].message}" if self.trials else ""
            raise StudyError(f"No trial has succeeded.{why}")
        return min(finished, key=lambda trial: (trial.error, trial.number))

    @property
    def model(self) -> Path:
        """The file of the best model."""
        return self.folder / _MODEL

    def run(self, *, say: Callable[[str], None] = print) -> Search:
        """Try until the budget is spent; what was tried before counts.

        Args:
            say: Gets a line for each trial.
        """
        with FolderLock(self.folder, ".search.lock", what=f"The search in {self.folder}", error=StudyError):
            self._file = TrialFile(self.folder / _FILE, self._identity())  # another process may have added some
            while self._has_budget():
                trial = self._try(len(self._file.trials))
                found = trial.message if trial.error is None else f"{self.measure.name} {trial.error:.4f}"
                mark = ", the best so far" if trial.error is not None and trial == self.best else ""
                say(f"trial {trial.number:>3}  {_settings(trial)}: {found}{mark}  ({trial.seconds:.0f} s)")
        return self

    def importances(self) -> dict[str, float]:
        """By setting how much of the variance of the errors it explains, the largest first; empty for too few trials.

        They describe this space and these trials: a setting that was searched over a narrow range looks unimportant.
        """
        drawn = [trial for trial in self._finished() if trial.drawn]
        if len(drawn) < _ENOUGH or len({trial.error for trial in drawn}) < 2:
            return {}
        evaluator = self.optuna.importance.FanovaImportanceEvaluator(seed=0)
        return dict(self.optuna.importance.get_param_importances(self._study(0), evaluator=evaluator))

    def report(self) -> Document:
        """A page: the best settings, every trial, the importance of each setting."""
        from longspan.study.searching.report import search_report

        return search_report(self)

    def save_report(self) -> Path:
        """Write that page into the folder."""
        return self.report().save(self.folder / _REPORT)

    def _finished(self) -> list[SearchTrial]:
        return [trial for trial in self._file.trials if trial.error is not None]

    def _has_budget(self) -> bool:
        done = self._file.trials
        if self.max_trials is not None and len(done) >= self.max_trials:
            return False
        if self.max_seconds is None:
            return True
        left = self.max_seconds - sum(trial.seconds for trial in done)
        return left >= min((trial.seconds for trial in done), default=0.0)

    def _try(self, number: int) -> SearchTrial:
        """One trial: drawn, trained, measured, kept."""
        drawn: dict[str, float] = {}
        params: dict[str, Any] = {}
        if number:
            asked = self._study(number).ask()
            params = suggest(asked, self.space)
            drawn = dict(asked.params)
        error, message, started = None, "", time.perf_counter()
        if not self._file.begin(number) and number:
            message = "it has ended this program twice; too little memory, perhaps"
        else:
            try:
                trained = with_options(self.strategy, params).train(self.task, seed=self.seed)
                error = self._error(trained)
                if error < min((each.error for each in self._finished() if each.error is not None), default=math.inf):
                    trained.save(self.model)
            except Exception as fault:  # settings under which training fails are bad ones, no more
                if number == 0:
                    raise
                error, message = None, (str(fault).splitlines() or [type(fault).__name__])[0]
        seconds = time.perf_counter() - started
        shown = {name: plain_value(value) for name, value in params.items()}
        trial = SearchTrial(
            number=number, drawn=drawn, params=shown, error=error, seconds=seconds, message=message
        )  # fmt: skip
        self._file.add(trial)
        return trial

    def _error(self, trained: Any) -> float:
        rows = self.task.valid.numpy()
        predicted = [each[self.target] for each in predictions_for(trained, self.task, rows)]
        return self.measure(self.task.table.take(rows).column_values(self.target), predicted)[0]

    def _study(self, number: int) -> Any:
        """A study of Optuna's that knows all trials; what it draws next depends on them and on the seed alone."""
        optuna = self.optuna
        sampler = optuna.samplers.TPESampler(
            seed=step_seed(self.seed, "search", number) & 0xFFFFFFFF, n_startup_trials=_STARTUP
        )
        study = optuna.create_study(sampler=sampler, direction="minimize")
        kinds = {name: _distribution(optuna, values) for name, values in self.space.items()}
        for trial in self._file.trials:
            if trial.drawn:
                state = optuna.trial.TrialState.COMPLETE if trial.error is not None else optuna.trial.TrialState.FAIL
                study.add_trial(
                    optuna.trial.create_trial(
                        params=trial.drawn, distributions=kinds, value=trial.error, state=state
                    )
                )  # fmt: skip
        return study

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a search to go on; the budget may change."""
        described = getattr(self.strategy, "to_json", None)
        rows = {
            part: hashlib.blake2b(getattr(self.task, part).numpy().tobytes(), digest_size=8).hexdigest()
            for part in ("train", "valid")
        }
        return {
            "rows": rows,
            "inputs": {name: column.to_json() for name, column in self.task.inputs.items()},
            "target": self.target,
            "strategy": described() if callable(described) else repr(self.strategy),
            "space": plain_space(self.space),
            "seed": self.seed,
        }


def plain_value(value: Any) -> Any:
    """As JSON, for files and tables."""
    return value if value is None or isinstance(value, int | float | str) else repr(value)


def _settings(trial: SearchTrial) -> str:
    if not trial.params:
        return "own settings"
    return ", ".join(f"{name} {_short(value)}" for name, value in trial.params.items())


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _distribution(optuna: Any, values: Values) -> Any:
    if not isinstance(values, Between):
        return optuna.distributions.CategoricalDistribution(list(range(len(values))))
    if values.whole:
        return optuna.distributions.IntDistribution(math.ceil(values.low), math.floor(values.high), log=values.log)
    return optuna.distributions.FloatDistribution(values.low, values.high, log=values.log)

"""What `longspan study` does: read, split, run what is missing, report."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from longspan.cli.checking import check_early
from longspan.cli.first_checks import OTHER_STRATEGIES, check_first
from longspan.cli.shell import label, new_file, print_table, writing
from longspan.cli.sources import check_source
from longspan.cli.spaces import read_space
from longspan.cli.table_inputs import TABLE_MODEL
from longspan.cli.tasks import (
    backbone_of,
    describe_split,
    describe_targets,
    make_task,
    read_rows,
    split_table,
    train_config,
)
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError, unknown_name
from longspan.extras import require_extra
from longspan.option_words import flag_of

if TYPE_CHECKING:
    from longspan.data import Table
    from longspan.report import Document
    from longspan.study import StudyResults
    from longspan.train import Strategy

__all__ = ["StudyOptions", "report_on", "run_study"]

_LR, _EPOCHS = {"none": 3e-3, "weights": 2e-3}, {"none": 10, "weights": 3}
_SIZES, _SMALLEST, _TABLE_BATCH = 5, 20, 256
_WORD_COUNTS = OTHER_STRATEGIES[-2:]
_BOOSTING = {"boosting": "scikit-learn", **{name: name for name in OTHER_STRATEGIES[1:-2]}}
"""The library of each strategy with boosted trees."""
_CHOICES = {
    "evaluate_on": ("valid", "test"),
    "backend": ("processes", "ray", "inline"),
    "search": ("random", "optuna"),
    "until": ("finished", "decided"),
    "keep": ("none", "largest", "all"),
}


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class StudyOptions:
    """The options of `longspan study` beside those of a training; see its help."""

    models: tuple[str, ...]
    strategies: tuple[str, ...]
    sizes: str | None
    seeds: int
    steps: int | None
    seconds: float | None
    evaluate_on: str
    jobs: int
    backend: str
    threads: int | None
    keep: str
    out: str
    tune: int | None = None
    space: tuple[str, ...] = ()
    search: str = "random"
    until: str = "finished"
    decide_at: int | None = None
    decide_on: str | None = None
    worth: float = 0.0
    level: float = 0.95
    budget_seconds: float | None = None
    forecast: int | None = None
    beyond: bool = False

    def __post_init__(self) -> None:
        """Check what needs no data.

        Raises:
            UnknownNameError: an option has a value that is not among its choices.
            ConfigError: a number is out of range.
        """
        for name, valid in _CHOICES.items():
            if getattr(self, name) not in valid:
                raise unknown_name(f"{flag_of(name)} called", getattr(self, name), valid)
        for name in ("seeds", "jobs", "steps", "threads", "tune", "decide_at"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{flag_of(name)} must be at least 1, got {value}.")
        for name in ("seconds", "budget_seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"{flag_of(name)} must be above 0 and finite, got {value}.")
        if self.steps is not None and self.seconds is not None:
            raise ConfigError("--steps and --seconds exclude each other: a run's budget is one of them.")
        if not 0 < self.level < 1:
            raise ConfigError(f"--level must be above 0 and below 1, got {self.level}.")
        if not 0 <= self.worth < math.inf:
            raise ConfigError(f"--worth must be at least 0, got {self.worth}.")
        if self.space and self.tune is None:
            raise ConfigError("--space belongs to --tune N: trials draw from it.")
        given: dict[str, object] = {"decide_at": self.decide_at, "budget_seconds": self.budget_seconds}
        if self.tune is None:
            given["decide_on"] = self.decide_on
        if self.until != "decided" and (late := [flag_of(name) for name, value in given.items() if value]):
            raise ConfigError(f"{' and '.join(late)} belong to --until decided.")


def run_study(options: TrainOptions, settings: StudyOptions) -> None:
    """Run what is missing of the study in the folder, and report."""
    folder = Path(settings.out).expanduser()
    _refuse_others(folder)
    _sizes(settings.sizes, _SMALLEST)
    _check_decide_on(settings, options.target)
    parsed = read_space(settings.space)
    if settings.backend == "ray":
        require_extra("ray", "--backend ray")
    if settings.search == "optuna":
        require_extra("search", "--search optuna")
    check_source(options.source)
    check_first(options, [words for _, words in _strategy_words(settings)])
    named = _named_strategies(settings)
    options = check_early(options, named.values())
    from longspan.study import Between, Study, Tuning
    from longspan.train import Budget, TableRecipe

    space = {name: Between(**each) if isinstance(each, dict) else each for name, each in parsed.items()} or None

    budget = (
        None
        if settings.steps is None and settings.seconds is None
        else Budget(steps=settings.steps, seconds=settings.seconds)
    )
    given = options
    table, image, options = read_rows(
        options,
        lambda line: _say(options.quiet, "left out", line),
        lambda line: _say(options.quiet, "reading", line),
    )
    for model, _ in named.values():
        if model in OTHER_STRATEGIES:
            continue
        backbone_of(model, {name: table.columns[name] for name in options.target})
    own = table.columns[image].sources and (given.epochs, given.lr, given.batch_size) == (None, None, None)
    if own:  # what suits the whole table suits other networks and smaller sizes no more
        options = replace(options, epochs=None, lr=None, batch_size=_TABLE_BATCH)
    # Before the images are read: a wrong option is refused at once.
    strategies = {
        name: TableRecipe() if own and model == TABLE_MODEL else _recipe(model, weights, options)
        for name, (model, weights) in named.items()
    }
    tuning = None
    if settings.tune is not None:
        tuning = Tuning(trials=settings.tune, space=space, search=settings.search, target=settings.decide_on)  # type: ignore[arg-type]
    task = make_task(split_table(table, options), image, options)
    _say(options.quiet, "data", f"{options.source}: {len(table):,} rows{describe_targets(table, options.target)}")
    task.prepare()
    _say(options.quiet, "split", describe_split(task.split))
    for count, what in ((len(task.skipped), "rows left out"), (len(task.moved), "copies that train now")):
        if count:
            _say(options.quiet, "", f"{count} {what}")
    sizes = _sizes(settings.sizes, len(task.train))
    _check_forecast(settings.forecast, max(sizes), beyond=settings.beyond)
    spent = "each strategy's own epochs" if budget is None else f"{budget.describe()} a run"
    seeds = f"{settings.seeds} seed{'s' if settings.seeds != 1 else ''}"
    plan = f"{', '.join(named)}\nsizes {', '.join(map(str, sizes))}; {seeds}; {spent}"
    _say(options.quiet, "study", plan)
    study = Study(
        task, strategies, sizes, settings.seeds, budget=budget, path=folder / "study.sqlite",
        tuning=tuning, evaluate_on=settings.evaluate_on, keep_models=settings.keep, threads=settings.threads,  # type: ignore[arg-type]
    )  # fmt: skip
    try:
        study.run(
            settings.jobs, settings.backend, progress=not options.quiet, until=settings.until,  # type: ignore[arg-type]
            decide_at=settings.decide_at, worth=settings.worth if settings.until == "decided" else 0.0,
            level=settings.level, seconds=settings.budget_seconds, target=settings.decide_on,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # the study has said what is kept
    _finish(
        study.results, folder, quiet=options.quiet, worth=settings.worth, forecast=settings.forecast,
        beyond=settings.beyond, held_out=task.table.take(task.valid.numpy()),
    )  # fmt: skip


def report_on(out: str, *, quiet: bool, worth: float = 0.0, forecast: int | None = None, beyond: bool = False) -> None:
    """Print and write down what the study in a folder says, finished or not.

    Args:
        out: the folder.
        quiet: print nothing.
        worth: a difference of errors that does not matter; 0: that of the decision, if there is one.
        forecast: training rows, above the largest size, for which each strategy's error is forecast; None: none.
        beyond: forecast further than four times the largest size.
    """
    from longspan.study import Study

    folder = Path(out).expanduser()
    if not (folder / "study.sqlite").is_file():
        raise ConfigError(
            f"No training data given. Pass a folder, a CSV file or the name of a data set: longspan study SOURCE. "
            f"(There is no study in {folder} to report on.)"
        )
    results = Study.open(folder / "study.sqlite")
    _check_forecast(forecast, max(results.plan.sizes), beyond=beyond)
    _finish(results, folder, quiet=quiet, worth=worth, forecast=forecast, beyond=beyond)


def _check_forecast(size: int | None, largest: int, *, beyond: bool) -> None:
    """Whether errors can be forecast for so many rows from the sizes of a study.

    Raises:
        ConfigError: they are too few or too many.
    """
    from longspan.study.statistics.extrapolation import FARTHEST_FORECAST

    if size is None:
        return
    if size <= largest:
        raise ConfigError(f"--forecast {size}: give more than {largest:,} training rows, the largest size.")
    if size > FARTHEST_FORECAST * largest and not beyond:
        raise ConfigError(
            f"--forecast {size} is {size / largest:.3g} times the largest size, {largest:,} training rows. Forecasts "
            f"are checked up to {FARTHEST_FORECAST:g} times. Add larger sizes, or give --beyond too."
        )


def _forecasts(results: StudyResults, target: str, size: int, *, beyond: bool) -> list[str]:
    """A sentence for each strategy: its error with `size` training rows, or why there is no forecast."""
    from longspan.errors import StudyError
    from longspan.study.formatting import say_error, say_interval

    unit, sentences = results.unit(target), []
    for name, curve in results.curves(target).items():
        where = f"{name} with {size:,} training rows"
        try:
            found = results.extrapolate(name, size, target=target, beyond=beyond)
        except StudyError as error:
            sentences.append(f"No forecast for {where}: {error}")
            continue
        if not curve.points[-1].learned:
            sentences.append(f"No forecast for {where}: it has not learned.")
            continue
        shown = say_interval(*found.interval(), unit)
        sentences.append(f"Forecast for {where}: {say_error(found.quantile(0.5), unit)} (80 % interval: {shown}).")
    return sentences


def _finish(
    results: StudyResults,
    folder: Path,
    *,
    quiet: bool,
    worth: float,
    forecast: int | None,
    beyond: bool,
    held_out: Table | None = None,
) -> None:
    """The table and the advice, and both files; the report explains the best kept model on the rows held out."""
    from longspan.study.reports.summary import means_by_size

    report, values, matters = folder / "report.html", folder / "study.json", worth or None
    with writing(report, "--out"):
        results.report(report, worth=matters, more=partial(_explain_best, results, held_out))
    with writing(values, "--out"):
        values.write_text(json.dumps(results.to_json(worth=matters), indent=2) + "\n", encoding="utf-8")
    if quiet:
        return
    for target in results.targets if len(results.frame()) else ():
        rows = means_by_size(results.curves(target), results.unit(target))
        print(f"\n{results.facts['measures'][target]}, {target}")
        cells = [["" if cell is None else f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row.values()]
                 for row in rows]  # fmt: skip
        print_table(list(rows[0]), cells, right=[0])
        print()
        more = [] if forecast is None else _forecasts(results, target, forecast, beyond=beyond)
        for sentence in (*results.advice(target=target, worth=matters), *more):
            print(sentence)
    for failure in results.failures().head(3).to_dicts():
        lines = failure["message"].splitlines() or [""]
        where = f"{failure['strategy']}, {failure['size']} rows, seed {failure['seed']}"
        print(label("failed", f"{where}: {failure['error']}: {lines[0]}"))
    print("\n" + label("report", str(report)))


def _explain_best(results: StudyResults, held_out: Table | None, page: Document) -> None:
    """Add what is cheap to explain about the kept model with the lowest error, where one was kept."""
    from longspan.errors import StudyError
    from longspan.explain.report_sections import add_explanation
    from longspan.systems.function_registry import load_with_functions

    if held_out is None or not len(held_out):
        return
    try:
        path = results.best(results.targets[0])
    except StudyError:  # no model was kept
        return
    add_explanation(page, load_with_functions(path), held_out)


def _check_decide_on(settings: StudyOptions, targets: tuple[str, ...]) -> None:
    """Whether one of several targets is named to decide, or to choose among trials.

    Raises:
        ConfigError: none is.
        UnknownNameError: it is not among the targets.
    """
    if (settings.until != "decided" and settings.tune is None) or not targets:
        return
    if settings.decide_on is None and len(targets) > 1:
        raise ConfigError(f"Name the target whose error decides: --decide-on {' or '.join(targets)}.")
    if settings.decide_on is not None and settings.decide_on not in targets:
        raise unknown_name("target", settings.decide_on, targets)


def _strategy_words(settings: StudyOptions) -> list[tuple[str, str]]:
    """Name and MODEL[:WEIGHTS] of each strategy; an empty name where none was given.

    Raises:
        ConfigError: there is none, or one that cannot be read.
    """
    found = [("", words) for words in settings.models]
    for words in settings.strategies:
        name, equals, what = words.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--strategy {words}: write NAME=MODEL or NAME=MODEL:WEIGHTS.")
        found.append((name.strip(), what))
    if not found:
        raise ConfigError("Name the strategies, for example --model resnet18 --model resnet18:imagenet.")
    return found


def _named_strategies(settings: StudyOptions) -> dict[str, tuple[str, str]]:
    """Network and weights of each strategy, by its name."""
    named: dict[str, tuple[str, str]] = {}
    for given, what in _strategy_words(settings):
        model, weights = _model_and_weights(what)
        start = "scratch" if weights == "none" else weights if weights == "imagenet" else Path(weights).stem
        name = given or (model if model in _BOOSTING else f"{model} from {start}")
        if name in named:
            raise ConfigError(f"Two strategies are called {name!r}. Name one with --strategy NAME={what}.")
        named[name] = (model, weights)
    return named


def _model_and_weights(words: str) -> tuple[str, str]:
    """MODEL[:WEIGHTS], where MODEL is a network, a design, or DESIGN:BACKBONE."""
    from longspan.models import model_names
    from longspan.train.designs import DESIGNS, split_weights

    if words in OTHER_STRATEGIES:
        return words, "none"
    name = words.partition(":")[0]
    if name not in DESIGNS and name not in model_names():
        raise unknown_name("model", name, [*model_names(), *DESIGNS, *OTHER_STRATEGIES])
    model, weights = split_weights(words)
    return model, weights or "none"


def _recipe(model: str, weights: str, options: TrainOptions) -> Strategy:
    """From scratch in one cycle; from weights the new layers first, then all."""
    from longspan.train import Boosting, Recipe, WordCounts
    from longspan.train.config import fine_tune_phases

    if model in _BOOSTING:
        return Boosting(library=_BOOSTING[model])  # type: ignore[arg-type]
    if model in _WORD_COUNTS:
        return WordCounts(method=model)  # type: ignore[arg-type]
    kind = "none" if weights == "none" else "weights"
    epochs = _EPOCHS[kind] if options.epochs is None else options.epochs
    lr = _LR[kind] if options.lr is None else options.lr
    config = train_config(replace(options, model=model))
    if kind == "none":
        return Recipe(model, epochs=epochs, lr=lr, config=config)
    assert options.freeze_epochs is not None
    phases = fine_tune_phases(epochs, lr, freeze_epochs=options.freeze_epochs)
    return Recipe(model, weights=weights, phases=phases, config=config)


def _sizes(words: str | None, num_train: int) -> list[int]:
    """The sizes that were asked for; else all rows, and halves of them."""
    if words is None:
        halves = [num_train // 2**times for times in range(_SIZES)]
        return sorted({size for size in halves if size >= min(_SMALLEST, num_train)})
    try:
        return [int(word) for word in words.replace(" ", "").split(",")]
    except ValueError:
        raise ConfigError(f"--sizes {words}: write whole numbers with commas between, such as 100,300,1000.") from None


def _refuse_others(folder: Path) -> None:
    """Files of somebody else's in the folder would be written over at the end: better said before."""
    if not (folder / "study.sqlite").exists():
        for name in ("report.html", "study.json"):
            new_file(folder / name, "--out", force=None)


def _say(quiet: bool, name: str, text: Any) -> None:
    if not quiet:
        print(label(name, str(text)), flush=True)

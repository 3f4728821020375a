"""Reading spoken numbers by five strategies: a study with curves, ceiling analysis and readings."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError, check_names, unknown_name
from longspan.systems.function_registry import load_with_functions
from longspan.systems.options import check_at_least
from longspan.systems.result import SystemRun
from longspan.systems.spoken.find_spoken_digits import RATE_HZ
from longspan.systems.spoken.strategies import FEATURES, MIDDLE, NEEDS, PRETRAINED, STAGED, spoken_strategies
from longspan.systems.strategy_study import (
    largest_pipelines,
    mean_errors,
    parse_sizes,
    parse_strategies,
    run_study,
)
from longspan.systems.system import System

if TYPE_CHECKING:
    from longspan.report import Document
    from longspan.study import StudyResults

__all__ = ["SPOKEN_NUMBERS", "SpokenNumbersOptions", "spoken_task"]

PRICES = {"number": 1.0, "spans": 6.0}
"""Cost of a label: typing a number, and marking when each of its digits is spoken."""
_SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")  # of the data set fsdd
_READINGS = 20
_CEILING_ROWS = 500


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SpokenNumbersOptions:
    """Options of spoken-numbers."""

    sizes: str = "100,400,1600"
    """Numbers of training recordings."""
    seeds: int = 3
    """Trainings of each strategy at each size."""
    steps: int = 600
    """Steps of each training, the same for every strategy."""
    recordings: int = 300
    """Test recordings, by voices that no training recording has."""
    held_out: str = "theo,yweweler"
    """Speakers of the test recordings, separated by commas."""
    strategies: str = "all"
    """Names of strategies, separated by semicolons, for names have commas."""
    jobs: int | None = None
    """Trainings at a time; default: one per core."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_at_least(
            seeds=(self.seeds, 1), steps=(self.steps, 1), recordings=(self.recordings, 50), jobs=(self.jobs, 1)
        )
        parse_sizes(self.sizes)
        parse_strategies(self.strategies, NEEDS, ";")
        check_names("speaker", self.speakers, _SPEAKERS)
        if set(_SPEAKERS) <= set(self.speakers):
            raise ConfigError("--held-out leaves no speaker to train on.")

    @property
    def speakers(self) -> tuple[str, ...]:
        """Those of the test recordings."""
        return tuple(each.strip() for each in self.held_out.split(","))


def spoken_task(
    train: int, test: int, seed: int, *, held_out: tuple[str, ...], digits: ls.Table | None = None
) -> ls.Task:
    """Recordings of numbers, those by the speakers in `held_out` in the vault.

    Raises:
        UnknownNameError: `held_out` names somebody else than a speaker of the data.
    """
    digits = ls.datasets.load("fsdd") if digits is None else digits
    speakers = np.asarray(digits.column_values("speaker"))
    for name in held_out:
        if name not in speakers:
            raise unknown_name("speaker", name, sorted(set(speakers.tolist())))
    out = np.isin(speakers, held_out)
    if out.all():
        raise ConfigError("--held-out leaves no speaker to train on.")
    numbers = ls.datasets.make_spoken_numbers(digits.take(~out), train, seed=2 * seed)
    numbers = numbers.concat(ls.datasets.make_spoken_numbers(digits.take(out), test, seed=2 * seed + 1))
    column = ls.Audio(rate_hz=RATE_HZ, layout="sequence", features=FEATURES, normalise="utterance")
    numbers = numbers.with_column("audio", column)
    numbers = numbers.with_column("part", ls.Category(), ["train"] * train + ["test"] * test)
    # Recordings of one number by one voice are alike; no voice is on both sides.
    return ls.Task(numbers.split(column="part", valid=0), inputs="audio", targets="number", allow_leaks=True)


def _run(options: SpokenNumbersOptions, run: SystemRun) -> None:
    sizes = parse_sizes(options.sizes)
    held_out = options.speakers
    task = spoken_task(sizes[-1], options.recordings, run.seed, held_out=held_out)
    known = spoken_strategies()
    strategies = {name: known[name] for name in parse_strategies(options.strategies, NEEDS, ";")}
    run.say(
        f"{sizes[-1]:,} training recordings of numbers of 3 to 6 digits; {options.recordings:,} test recordings by "
        f"{' and '.join(held_out)}, sealed;\n"
        f"{len(strategies)} strategies x {len(sizes)} sizes x {options.seeds} seeds, {options.steps:,} steps each."
    )
    started = time.perf_counter()
    results = run_study(
        run,
        task,
        strategies,
        sizes=sizes,
        seeds=options.seeds,
        budget=ls.Budget(steps=options.steps),
        jobs=options.jobs,
        cost=PRICES,
        needs=NEEDS,
        error="character",
    )
    for sentence in results.advice():
        run.say(sentence)
    _finish(run, results, task, asdict(options), time.perf_counter() - started)


def _finish(run: SystemRun, results: StudyResults, task: ls.Task, options: Mapping[str, Any], seconds: float) -> None:
    """Write the report with ceiling analysis and readings, the result and the best model."""
    from longspan.study.reports.study_report import compose_report

    errors = {f"digit errors, {name}, {size} recordings": error for (name, size), error in mean_errors(results).items()}
    test = task.table.take(task.open_vault("ceiling analysis and readings for the report").numpy())
    ceilings = _ceilings(results, test)

    def add_sections(page: Document) -> None:
        for name, ceiling in ceilings.items():
            page.section(f"Ceiling analysis: {name}").text(
                "The error of the pipeline, and what is left of it when the output of each stage in turn is replaced "
                "by the ground truth."
            )
            page.table(ceiling)
        _add_readings(page, results, test)

    run.finish(
        results.best(),
        errors,
        train_seconds=seconds,
        options=options,
        report=lambda: compose_report(results, add_sections),
        details={"study": results.to_json(), "ceiling": ceilings},
    )


def _ceilings(results: StudyResults, test: ls.Table) -> dict[str, list[dict[str, Any]]]:
    """Ceiling analysis of each pipeline at the largest size, by strategy."""
    some = test.take(np.arange(min(len(test), _CEILING_ROWS)))
    return {
        name: pipeline.ceiling(some).frame().to_dicts()
        for name, pipeline in largest_pipelines(results, (STAGED, PRETRAINED, MIDDLE))
    }


def _add_readings(page: Document, results: StudyResults, test: ls.Table) -> None:
    """Test recordings with the readings of the best model."""
    rows = test.take(np.arange(min(len(test), _READINGS)))
    predicted = load_with_functions(results.best()).predict(rows.select("audio"))
    page.section("Readings").text("The first test recordings with the readings of the best model of the study.")
    page.table(
        [
            {"speaker": row["speaker"], "number": row["number"], "reading": each["number"]}
            for row, each in zip(rows, predicted, strict=True)
        ]
    )


SPOKEN_NUMBERS = System(
    name="spoken-numbers",
    summary="Reads spoken numbers by new voices with five strategies; shows which is best at which amount of data.",
    needs="the data set fsdd (16 MB), the weights of speech_embedding, and about an hour on two cores",
    extras=("audio",),
    options=SpokenNumbersOptions,
    run=_run,
)

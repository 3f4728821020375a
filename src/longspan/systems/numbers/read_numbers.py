"""Reading handwritten numbers by five strategies: a study with curves, ceiling analysis and readings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sized
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

import longspan as ls
from longspan.systems.function_registry import load_with_functions
from longspan.systems.numbers.strategies import LEARNED_STAGES, NEEDS, STAGED, reading_strategies
from longspan.systems.options import check_at_least
from longspan.systems.result import SystemRun
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

__all__ = [
    "PRICES", "READ_NUMBERS", "ReadNumbersOptions", "check_study_options", "finish_study", "numbers_task",
]  # fmt: skip

SOURCES = "sources"
PRICES = {"number": 1.0, "boxes": 6.0}
"""Cost of a label: typing a number, and drawing a box around each of its digits."""
_SHOWN = 24
_CEILING_ROWS = 1_000


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ReadNumbersOptions:
    """Options of read-numbers."""

    data: Literal["digits", "mnist"] = "digits"
    """Source of the digits: scikit-learn's 1,797, or MNIST."""
    sizes: str = "100,300,1000,3000"
    """Numbers of training images."""
    seeds: int = 3
    """Trainings of each strategy at each size."""
    steps: int = 1500
    """Steps of each training, the same for every strategy; source trainings are extra."""
    images: int = 1000
    """Test images, composed of digits that no training image shows."""
    source: int = 8000
    """Single digits for the source trainings of the last two strategies."""
    source_seed: int | None = None
    """Seed of the source data and source trainings; default: the seed of the run."""
    strategies: str = "all"
    """Names of strategies, separated by commas."""
    jobs: int | None = None
    """Trainings at a time; default: one per core."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_at_least(source=(self.source, 20))
        check_study_options(self.sizes, self.seeds, self.steps, self.images, self.jobs)
        parse_strategies(self.strategies, NEEDS)


def check_study_options(sizes: str, seeds: int, steps: int, images: int, jobs: int | None) -> None:
    """Check the ranges; ConfigError for values that no study can run with."""
    check_at_least(seeds=(seeds, 1), steps=(steps, 1), images=(images, 50), jobs=(jobs, 1))
    parse_sizes(sizes)


def numbers_task(
    data: str, train: int, test: int, seed: int, *, config: ls.datasets.NumbersConfig | None = None
) -> tuple[ls.Task, ls.Table]:
    """Images of numbers, the test images in the vault, and the single digits of the training images.

    Training and test images share no digit: MNIST has its own test digits, of the others three in ten are set apart,
    stratified by class.
    """
    digits = ls.datasets.load(data)
    if data == "mnist":
        parts = np.asarray(digits.column_values("part"))
        train_digits, test_digits = digits.take(parts == "train"), digits.take(parts == "test")
    else:
        split = digits.split(valid=0.3, seed=0, stratify="digit")
        train_digits, test_digits = digits.take(split.train), digits.take(split.valid)
    numbers = ls.datasets.make_numbers(train_digits, train, seed=2 * seed, config=config)
    numbers = numbers.concat(ls.datasets.make_numbers(test_digits, test, seed=2 * seed + 1, config=config))
    numbers = numbers.with_column("part", ls.Category(), ["train"] * train + ["test"] * test)
    # Images of one number differ by noise alone; the digits must not leak, and they do not.
    split = numbers.split(column="part", valid=0)
    return ls.Task(split, inputs="image", targets="number", allow_leaks=True), train_digits


def finish_study(
    run: SystemRun, results: StudyResults, task: ls.Task, *, options: Mapping[str, Any], seconds: float
) -> None:
    """Write the report with ceiling analysis and readings, the result and the best model."""
    from longspan.study.reports.study_report import compose_report

    largest = results.plan.sizes[-1]
    test = task.table.take(task.open_vault("ceiling analysis and readings for the report").numpy())
    errors = {name: error for (name, _), error in mean_errors(results).items()}  # of the largest size that was trained

    def add_sections(page: Document) -> None:
        _add_ceiling(page, results, test)
        _add_readings(page, results, test)

    metrics = {f"right, {name}, {largest} images": 1 - error for name, error in errors.items()}
    run.finish(
        results.best(), metrics, train_seconds=seconds, options=options,
        report=lambda: compose_report(results, add_sections), details={"study": results.to_json()},
    )  # fmt: skip


def _add_ceiling(page: Document, results: StudyResults, test: ls.Table) -> None:
    """Ceiling analysis of each pipeline at the largest size."""
    size, seed = results.plan.sizes[-1], results.plan.seeds[0]
    for number, (name, pipeline) in enumerate(largest_pipelines(results, (STAGED, LEARNED_STAGES))):
        ceiling = pipeline.ceiling(test.take(np.arange(min(len(test), _CEILING_ROWS))))
        if not number:
            page.section("Ceiling analysis").text(
                "The error of a pipeline, and what is left of it when the output of each stage in turn is replaced by "
                "the ground truth."
            )
        page.text(f"{name!r}, trained on {size:,} images (seed {seed}):")
        page.figure(ceiling.figure())
        page.table(ceiling.frame().to_dicts())
        if ceiling.notes:
            page.text("\n\n".join(ceiling.notes))


def _add_readings(page: Document, results: StudyResults, test: ls.Table) -> None:
    """Test images with the readings of the best model."""
    from longspan.report import CaptionedImage

    shown = test.take(np.arange(min(len(test), _SHOWN)))
    best = results.best()
    predictions = load_with_functions(best).predict(shown)
    images = []
    for row, prediction in enumerate(predictions):
        number, predicted = shown.value(row, "number"), prediction["number"]
        right = predicted == number
        note = "" if right else f"target: {number}"
        images.append(
            CaptionedImage(
                shown.value(row, "image"), caption=predicted or "nothing", note=note, tone="good" if right else "bad"
            )
        )
    page.section("Readings").text("The first test images with the readings of the best model of the study.")
    page.images(images)


def _run(options: ReadNumbersOptions, run: SystemRun) -> None:
    sizes = parse_sizes(options.sizes)
    task, digits = numbers_task(options.data, sizes[-1], options.images, run.seed)
    source_seed = run.seed if options.source_seed is None else options.source_seed
    known = reading_strategies(digits, source=options.source, seed=source_seed, keep_in=run.folder / SOURCES)
    strategies = {name: known[name] for name in parse_strategies(options.strategies, NEEDS)}
    run.say(
        f"{sizes[-1]:,} training images of numbers of 3 to 6 digits, {options.images:,} test images sealed;\n"
        f"{_count(strategies, 'strategy', 'strategies')} x {_count(sizes, 'size')} x "
        f"{_count(range(options.seeds), 'seed')}, {options.steps:,} steps each."
    )
    started = time.perf_counter()
    budget = ls.Budget(steps=options.steps)
    results = run_study(
        run,
        task,
        strategies,
        sizes=sizes,
        seeds=options.seeds,
        budget=budget,
        jobs=options.jobs,
        cost=PRICES,
        needs=NEEDS,
    )
    seconds = time.perf_counter() - started
    for sentence in results.advice():
        run.say(sentence)
    finish_study(run, results, task, options=asdict(options), seconds=seconds)


def _count(items: Sized, one: str, many: str | None = None) -> str:
    return f"{len(items)} {one if len(items) == 1 else many or one + 's'}"


READ_NUMBERS = System(
    name="read-numbers",
    summary=(
        "Reads handwritten numbers of 3 to 6 digits with five strategies; shows which is best at which amount of data."
    ),
    needs="no download (--data mnist: the data set mnist, 12 MB), and about an hour on two cores",
    options=ReadNumbersOptions,
    run=_run,
)

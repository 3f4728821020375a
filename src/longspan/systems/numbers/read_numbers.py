"""Reading handwritten numbers, five ways: in stages, sliding, end to end, from single digits on, all stages learned."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sized
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError, StudyError, unknown_name
from longspan.systems.function_registry import load_with_given
from longspan.systems.numbers.strategies import LEARNED_STAGES, NEEDS, STAGED, ways_to_read
from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from longspan.report import Document
    from longspan.study import StudyResults
    from longspan.train import Strategy

__all__ = [
    "READ_NUMBERS", "STUDY", "ReadNumbersOptions", "check_study_options", "finish_study", "numbers_task", "parse_sizes",
    "parse_ways", "run_study",
]  # fmt: skip

STUDY = "study.sqlite"
SOURCES = "sources"
PRICES = {"number": 1.0, "boxes": 6.0}
"""What a label costs: typing a number, and drawing a box around each of its digits."""
_SHOWN = 24
_CEILING_ROWS = 1_000


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ReadNumbersOptions:
    """What may be changed."""

    data: Literal["digits", "mnist"] = "digits"
    """Where the digits come from: the 1,797 that scikit-learn carries, or MNIST."""
    sizes: str = "100,300,1000,3000"
    """Numbers of training images."""
    seeds: int = 3
    """Trainings of each way at each size."""
    steps: int = 1500
    """Batches that each training may take, the same for every way; the source trainings come on top."""
    images: int = 1000
    """Test images, made of digits that no training image has."""
    source: int = 8000
    """Single digits that the last two ways learn first, alone in an image or put together to numbers."""
    ways: str = "all"
    """Which ways, by their names with commas between."""
    jobs: int | None = None
    """Trainings at a time; as many as there are cores where it is not said."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.source < 20:
            raise ConfigError(f"--source must be at least 20, got {self.source}.")
        check_study_options(self.sizes, self.seeds, self.steps, self.images, self.jobs)
        parse_ways(self.ways)


def parse_ways(text: str) -> list[str]:
    """Names of ways, in the order in which they are always named.

    Raises:
        UnknownNameError: there is no such way.
    """
    if text == "all":
        return list(NEEDS)
    asked = [each.strip() for each in text.split(",")]
    for name in asked:
        if name not in NEEDS:
            raise unknown_name("way", name, NEEDS)
    return [name for name in NEEDS if name in asked]


def check_study_options(sizes: str, seeds: int, steps: int, images: int, jobs: int | None) -> None:
    """Refuse what a study of numbers cannot run with ConfigError."""
    for name, value, least in (("seeds", seeds, 1), ("steps", steps, 1), ("images", images, 50), ("jobs", jobs, 1)):
        if value is not None and value < least:
            raise ConfigError(f"--{name} must be at least {least}, got {value}.")
    parse_sizes(sizes)


def parse_sizes(text: str) -> list[int]:
    """Training sizes as numbers, ascending.

    Raises:
        ConfigError: they are none, or a size is below 20.
    """
    try:
        sizes = sorted({int(each) for each in text.split(",")})
    except ValueError:
        raise ConfigError(f"--sizes are whole numbers with commas between, like 100,300,1000; got {text!r}.") from None
    if sizes[0] < 20:
        raise ConfigError(f"--sizes must be at least 20 images each, got {sizes[0]}.")
    return sizes


def numbers_task(data: str, train: int, test: int, seed: int) -> tuple[ls.Task, ls.Table]:
    """Images of numbers, the test images in the vault, and the single digits that training images are made of.

    Training and test images share no digit's image: MNIST has its own test digits, of the others three in ten are
    set apart, as many of each class.
    """
    digits = ls.datasets.load(data)
    if data == "mnist":
        parts = np.asarray(digits.column_values("part"))
        known, unknown = digits.take(parts == "train"), digits.take(parts == "test")
    else:
        split = digits.split(valid=0.3, seed=0, stratify="digit")
        known, unknown = digits.take(split.train), digits.take(split.valid)
    numbers = ls.datasets.make_numbers(known, train, seed=2 * seed)
    numbers = numbers.concat(ls.datasets.make_numbers(unknown, test, seed=2 * seed + 1))
    numbers = numbers.with_column("part", ls.Category(), ["train"] * train + ["test"] * test)
    # Noise alone makes two images of one number differ; what must not leak are the digits, and they do not.
    return ls.Task(numbers.split(column="part", valid=0), inputs="image", targets="number", allow_leaks=True), known


def run_study(
    run: SystemRun,
    task: ls.Task,
    strategies: Mapping[str, Strategy],
    *,
    sizes: list[int],
    seeds: int,
    budget: ls.Budget,
    jobs: int | None,
) -> StudyResults:
    """The study in the folder of the run; what an earlier call finished there is not run again."""
    from joblib import cpu_count

    path = run.folder / STUDY
    if run.force:
        for old in (path, *run.folder.glob(f"{STUDY}-*")):
            old.unlink(missing_ok=True)
    try:
        study = ls.Study(
            task,
            strategies,
            sizes,
            [1000 * run.seed + i for i in range(seeds)],
            budget=budget,
            path=path,
            evaluate_on="test",
            cost=PRICES,
            needs={name: NEEDS[name] for name in strategies},
            keep_models="largest",
        )
    except StudyError as error:
        hint = " --force begins anew." if path.exists() else ""
        raise StudyError(f"{error}{hint}") from error
    run.when_stopped = f"Finished trainings are kept in {path}; the same command goes on from there."
    study.run(jobs=jobs or cpu_count(), progress=not run.quiet)
    return study.results


def finish_study(
    run: SystemRun, results: StudyResults, task: ls.Task, *, options: Mapping[str, Any], seconds: float
) -> None:
    """Report with ceiling analysis and readings, result, and the best model, into the folder of the run."""
    from longspan.study.reports.study_report import compose_report

    largest = results.plan.sizes[-1]
    test = task.table.take(task.open_vault("ceiling analysis and readings for the report").numpy())
    errors = {name: curve.points[-1].mean for name, curve in results.curves().items() if curve.points}
    if not errors:
        failed = results.failures()
        first = f" The first says: {failed['message'][0]}" if len(failed) else ""
        raise ConfigError(f"No training of the study was finished, so there is no result.{first}")

    def add_sections(page: Document) -> None:
        _add_ceiling(page, results, test)
        _add_readings(page, results, test)

    metrics = {f"right, {name}, {largest} images": 1 - error for name, error in errors.items()}
    run.finish(
        results.best(), metrics, train_seconds=seconds, options=options,
        report=lambda: compose_report(results, add_sections), details={"study": results.to_json()},
    )  # fmt: skip


def _add_ceiling(page: Document, results: StudyResults, test: ls.Table) -> None:
    """Which stage of each way in stages is to blame, at the largest size."""
    size, seed = results.plan.sizes[-1], results.plan.seeds[0]
    missing = {run.strategy for run in results.missing() if run.size == size and run.seed == seed}
    ways = [name for name in (STAGED, LEARNED_STAGES) if name in results.plan.strategies and name not in missing]
    for number, name in enumerate(ways):
        pipeline = load_with_given(results.model(name, size, seed))
        assert isinstance(pipeline, ls.Pipeline)
        ceiling = pipeline.ceiling(test.take(np.arange(min(len(test), _CEILING_ROWS))))
        if not number:
            page.section("Which stage is to blame").text(
                "The error of a pipeline, and what is left of it when the output of each stage in turn is replaced by "
                "the truth."
            )
        page.text(f"{name!r}, trained on {size:,} images (seed {seed}):")
        page.figure(ceiling.figure())
        page.table(ceiling.frame().to_dicts())
        if ceiling.notes:
            page.text("\n\n".join(ceiling.notes))


def _add_readings(page: Document, results: StudyResults, test: ls.Table) -> None:
    """The same test images, as the best model reads them."""
    from longspan.report import CaptionedImage

    shown = test.take(np.arange(min(len(test), _SHOWN)))
    best = results.best()
    said = load_with_given(best).predict(shown)
    images = []
    for row, prediction in enumerate(said):
        truth, answer = shown.value(row, "number"), prediction["number"]
        right = answer == truth
        note = "" if right else f"true: {truth}"
        images.append(
            CaptionedImage(
                shown.value(row, "image"), caption=answer or "nothing", note=note, tone="good" if right else "bad"
            )
        )
    page.section("Readings").text("Test images as the best model of the study reads them, the first in their order.")
    page.images(images)


def _run(options: ReadNumbersOptions, run: SystemRun) -> None:
    sizes = parse_sizes(options.sizes)
    task, digits = numbers_task(options.data, sizes[-1], options.images, run.seed)
    ways = ways_to_read(digits, source=options.source, seed=run.seed, keep_in=run.folder / SOURCES)
    strategies = {name: ways[name] for name in parse_ways(options.ways)}
    run.say(
        f"{sizes[-1]:,} training images of numbers of 3 to 6 digits, {options.images:,} test images sealed;\n"
        f"{_count(strategies, 'way')} x {_count(sizes, 'size')} x {_count(range(options.seeds), 'seed')}, "
        f"{options.steps:,} steps each."
    )
    started = time.perf_counter()
    budget = ls.Budget(steps=options.steps)
    results = run_study(run, task, strategies, sizes=sizes, seeds=options.seeds, budget=budget, jobs=options.jobs)
    seconds = time.perf_counter() - started
    for sentence in results.advice():
        run.say(sentence)
    finish_study(run, results, task, options=asdict(options), seconds=seconds)


def _count(things: Sized, name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


READ_NUMBERS = System(
    name="read-numbers",
    summary="Reads handwritten numbers of 3 to 6 digits, five ways, and says which wins at which amount of data.",
    needs="no network (--data mnist: the data set mnist, 12 MB), and about an hour on two cores",
    options=ReadNumbersOptions,
    run=_run,
)

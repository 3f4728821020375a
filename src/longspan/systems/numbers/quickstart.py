"""A small study: handwritten numbers, read in stages or end to end; no download."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, final

from PIL import Image as PILImage

import longspan as ls
from longspan.systems.function_registry import load_with_functions
from longspan.systems.numbers.read_numbers import PRICES, check_study_options, finish_study, numbers_task
from longspan.systems.numbers.stages import staged_pipeline
from longspan.systems.numbers.strategies import END_TO_END, NEEDS, STAGED, line_reader
from longspan.systems.result import MODEL, REPORT, SystemRun
from longspan.systems.strategy_study import parse_sizes, run_study
from longspan.systems.system import System

if TYPE_CHECKING:
    from longspan.study import StudyResults

__all__ = ["QUICKSTART", "QuickstartOptions"]

_SENTENCES = 3  # of the advice; the report has the rest


LOOK = ls.datasets.NumbersConfig(size_px=(32, 80), lengths=(2, 3), gap_px=(-2, 5))
"""Short numbers whose digits often touch, so that a function that finds digits by their ink makes mistakes."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class QuickstartOptions:
    """Options of the quickstart."""

    sizes: str = "40,120,400"
    """Numbers of training images."""
    seeds: int = 3
    """Trainings of each strategy at each size."""
    steps: int = 300
    """Steps of each training."""
    images: int = 300
    """Test images, composed of digits that no training image shows."""
    jobs: int | None = None
    """Trainings at a time; default: one per core."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_study_options(self.sizes, self.seeds, self.steps, self.images, self.jobs)


def _run(options: QuickstartOptions, run: SystemRun) -> None:
    sizes = parse_sizes(options.sizes)
    task, digits = numbers_task("digits", sizes[-1], options.images, run.seed, config=LOOK)
    run.say(
        f"Handwritten numbers of 2 or 3 digits, often touching, read by two strategies.\n"
        f"  {STAGED:<12}find each digit, cut it out, classify it, join\n"
        f"  {END_TO_END:<12}one network from the image to the number\n"
        f"{sizes[-1]:,} training images are composed of {len(digits):,} real digits, {options.images:,} test images "
        f"of others.\n"
    )
    strategies = {STAGED: staged_pipeline(small=True), END_TO_END: line_reader(small=True)}
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
    )
    seconds = time.perf_counter() - started
    run.say("\n" + _table(results) + "\n")
    for sentence in results.advice()[:_SENTENCES]:
        run.say(sentence)
    run.say("")
    finish_study(run, results, task, options=asdict(options), seconds=seconds)

    # A user's first prediction: a file, and the saved model alone.
    row = int(task.open_vault("one image for the first prediction")[0])
    image, number = run.folder / "number.png", task.table.value(row, "number")
    PILImage.fromarray(task.table.value(row, "image")).save(image)
    predicted = load_with_functions(run.folder / MODEL).predict(image)["number"]
    wrong = "" if predicted == number else " This is one of its mistakes; the report shows others."
    run.say(f"\n{image} shows {number}; the saved model reads {predicted}.{wrong}")
    model, file, report = (shlex.quote(str(run.folder / name)) for name in (MODEL, image.name, REPORT))
    run.say(
        f"\nWhat next?\n"
        f"  {report}    open it in a browser\n"
        f"  longspan predict {model} {file} --json\n"
        f"  longspan train FOLDER    on your own images, one folder per class\n"
        f"  longspan systems    the other ready-made systems"
    )


def _table(results: StudyResults) -> str:
    """Mean errors, a line per strategy and a column per size."""
    sizes = results.plan.sizes
    lines = [f"{'numbers misread, by training images':<36}" + "".join(f"{size:>9,}" for size in sizes)]
    for name, curve in results.curves().items():
        means = {point.size: point.mean for point in curve.points}
        lines.append(
            f"  {name:<34}" + "".join(f"{means[size]:9.1%}" if size in means else f"{'':>9}" for size in sizes)
        )
    return "\n".join(lines)


QUICKSTART = System(
    name="quickstart",
    summary="Reads handwritten numbers in stages and end to end, and shows which is better at which amount of data.",
    needs="no download, and about a minute and a half on two cores",
    options=QuickstartOptions,
    run=_run,
)

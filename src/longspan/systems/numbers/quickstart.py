"""A small study: handwritten numbers, read in stages or end to end; about a minute, and no download."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict, dataclass
from typing import final

from PIL import Image as PILImage

import longspan as ls
from longspan.systems.function_registry import load_with_functions
from longspan.systems.numbers.read_numbers import (
    check_study_options,
    finish_study,
    numbers_task,
    parse_sizes,
    run_study,
)
from longspan.systems.numbers.stages import staged_pipeline
from longspan.systems.numbers.strategies import END_TO_END, STAGED, line_reader
from longspan.systems.result import MODEL, REPORT, SystemRun
from longspan.systems.system import System

__all__ = ["QUICKSTART", "QuickstartOptions"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class QuickstartOptions:
    """Options of the quickstart."""

    sizes: str = "50,200,800"
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
    task, digits = numbers_task("digits", sizes[-1], options.images, run.seed)
    run.say(
        f"Handwritten numbers of 3 to 6 digits, read by two strategies.\n"
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
    )
    seconds = time.perf_counter() - started
    run.say("")
    for name, curve in results.curves().items():
        fractions = "   ".join(f"{point.size}: {1 - point.mean:6.1%}" for point in curve.points)
        run.say(f"correct numbers, {name:<12} by training images   {fractions}")
    run.say("")
    for sentence in results.advice():
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
        f"  longspan train FOLDER --pattern '(?P<label>[^/]+)/.*'    on your own images, one folder per class\n"
        f"  longspan systems    the other ready-made systems"
    )


QUICKSTART = System(
    name="quickstart",
    summary="Reads handwritten numbers in stages and end to end, and shows which is better at which amount of data.",
    needs="no download, and about a minute and a half on two cores",
    options=QuickstartOptions,
    run=_run,
)

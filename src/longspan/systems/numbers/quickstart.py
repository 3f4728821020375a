"""The main question in small: handwritten numbers, read in stages or end to end; about a minute, and no network."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict, dataclass
from typing import final

from PIL import Image as PILImage

import longspan as ls
from longspan.systems.function_registry import load_with_given
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
    """What may be changed."""

    sizes: str = "50,200,800"
    """Numbers of training images."""
    seeds: int = 3
    """Trainings of each way at each size."""
    steps: int = 300
    """Batches that each training may take."""
    images: int = 300
    """Test images, made of digits that no training image has."""
    jobs: int | None = None
    """Trainings at a time; as many as there are cores where it is not said."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_study_options(self.sizes, self.seeds, self.steps, self.images, self.jobs)


def _run(options: QuickstartOptions, run: SystemRun) -> None:
    sizes = parse_sizes(options.sizes)
    task, digits = numbers_task("digits", sizes[-1], options.images, run.seed)
    run.say(
        f"Handwritten numbers of 3 to 6 digits, read two ways.\n"
        f"  {STAGED:<12}find each digit, cut it out, classify it, join\n"
        f"  {END_TO_END:<12}one network from the image to the number\n"
        f"{sizes[-1]:,} training images are made of {len(digits):,} real digits, {options.images:,} test images "
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
        run.say(f"numbers read right, {name:<12} by training images   {fractions}")
    run.say("")
    for sentence in results.advice():
        run.say(sentence)
    run.say("")
    finish_study(run, results, task, options=asdict(options), seconds=seconds)

    # A user's first prediction: a file, and the saved model alone.
    row = int(task.open_vault("the image of a first prediction")[0])
    image, truth = run.folder / "number.png", task.table.value(row, "number")
    PILImage.fromarray(task.table.value(row, "image")).save(image)
    answer = load_with_given(run.folder / MODEL).predict(image)["number"]
    wrong = "" if answer == truth else " That is one of its mistakes; the report shows others."
    run.say(f"\n{image} shows {truth}; the saved model reads {answer}.{wrong}")
    model, file, report = (shlex.quote(str(run.folder / name)) for name in (MODEL, image.name, REPORT))
    run.say(
        f"\nWhat next?\n"
        f"  {report}    open it in a browser\n"
        f"  longspan predict {model} {file} --json\n"
        f"  longspan train FOLDER --pattern '(?P<label>[^/]+)/.*'    on your own images, a folder for each class\n"
        f"  longspan systems    the other ready-made systems"
    )


QUICKSTART = System(
    name="quickstart",
    summary="Reads handwritten numbers in stages and end to end, and says which way wins at which amount of data.",
    needs="no network, no data, and about a minute and a half on two cores",
    options=QuickstartOptions,
    run=_run,
)

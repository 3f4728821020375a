"""Real handwritten digits, from the table to a prediction, in less than a minute and without a network."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict, dataclass
from typing import final

from PIL import Image as PILImage

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems.result import MODEL, SystemRun
from longspan.systems.system import System

__all__ = ["QUICKSTART", "QuickstartOptions"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class QuickstartOptions:
    """What may be changed."""

    epochs: int = 8
    """Passes over the training rows."""
    limit: int | None = None
    """Use only so many rows, for a quick look; the figures are then worse."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.limit is not None and self.limit < 100:
            raise ConfigError(f"--limit must be at least 100, so that every digit is in every part, got {self.limit}.")


def _run(options: QuickstartOptions, run: SystemRun) -> None:
    table = ls.datasets.load("digits")
    if options.limit is not None:
        table = table.sample(min(options.limit, len(table)), seed=run.seed)
    split = table.split(valid=0.15, test=0.15, seed=run.seed)
    run.say(
        f"{len(table):,} handwritten digits of 8 x 8 pixels: {len(split.train):,} to learn from, {len(split.valid)} to "
        f"look at while training, {len(split.vault)} sealed until the end."
    )
    # Of 8 x 8 pixels, two digits of one writer can agree by chance; the report says how many do.
    task = ls.Task(split, inputs="image", targets="digit", allow_leaks=True)
    config = ls.TrainConfig(batch_size=32)
    learner = ls.Learner(task, "deep_cnn", config=config, seed=run.seed, progress=not run.quiet)
    started = time.perf_counter()
    learner.fit_one_cycle(options.epochs, lr=5e-3)
    seconds = time.perf_counter() - started
    valid = learner.evaluate("valid")
    test = learner.evaluate("test", reason="the quickstart's figure")
    metrics = {"valid_accuracy": valid["accuracy"], "test_accuracy": test["accuracy"]}
    run.say("")
    run.finish(learner, metrics, train_seconds=seconds, options=asdict(options))

    # A user's first prediction: a file, and the saved model alone.
    row = int(split.valid[len(split.valid) // 2])
    picture, truth = run.folder / "digit.png", table.value(row, "digit")
    PILImage.fromarray(table.value(row, "image")).save(picture)
    answer = ls.load(run.folder / MODEL).predict(picture)
    verdict = f"the saved model says {answer.value}, with probability {answer.probability:.2f}."
    wrong = "" if answer.value == truth else " That is one of its mistakes; the report shows the others."
    run.say(f"\n{picture} shows a {truth}; {verdict}{wrong}")
    model, file = shlex.quote(str(run.folder / MODEL)), shlex.quote(str(picture))
    run.say(
        f"\nWhat next?\n"
        f"  longspan predict {model} {file} --json\n"
        f"  longspan train FOLDER --pattern '(?P<label>[^/]+)/.*'    on your own pictures, a folder for each class\n"
        f"  longspan systems                                       the other ready-made systems"
    )


QUICKSTART = System(
    name="quickstart",
    summary="Learns to read 1,797 real handwritten digits, opens the sealed test rows once, and reads a picture.",
    needs="no network, no data, and less than a minute",
    options=QuickstartOptions,
    run=_run,
)

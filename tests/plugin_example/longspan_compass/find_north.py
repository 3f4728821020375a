"""A system: reads a compass."""

import time
from dataclasses import asdict, dataclass
from typing import final

import longspan as ls
from longspan.systems import SYSTEMS, System


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class FindNorthOptions:
    """Options of find-north."""

    epochs: int = 10
    """Passes over the training rows."""


def run_find_north(options, run):
    """Train on the needles and hand over the model."""
    task = ls.Task(
        ls.datasets.load("needles").split(valid=0.2, seed=run.seed), inputs="image", targets="angle", move_leaks=True
    )
    learner = ls.Learner(task, "compass_net", seed=run.seed, progress=False)
    started = time.perf_counter()
    learner.fit(options.epochs, 3e-3)
    seconds = time.perf_counter() - started
    run.finish(learner, learner.evaluate(), train_seconds=seconds, options=asdict(options))


FIND_NORTH = SYSTEMS.register()(
    System(
        name="find-north",
        summary="Reads the angle of a compass needle.",
        needs="no data",
        options=FindNorthOptions,
        run=run_find_north,
    )
)

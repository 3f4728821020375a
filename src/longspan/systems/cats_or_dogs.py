"""Is the pet on the photo a cat or a dog?"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Literal, final

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.system import System

__all__ = ["CATS_OR_DOGS", "PetsOptions"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class PetsOptions:
    """Options of cats-or-dogs."""

    model: str = "squeezenet1_1"
    """Any network of `longspan models`."""
    weights: str = "imagenet"
    """Initial weights: imagenet, none, or a file."""
    pool: Literal["avg", "avg_max"] | None = "avg_max"
    """Global pooling: averages, or averages concatenated with maxima; leave it out for networks without pooling."""
    head_epochs: int = 8
    """Epochs for the new layers alone; the frozen backbone runs once per photo."""
    epochs: int = 0
    """Further epochs in which the backbone learns too; 0 keeps its ImageNet weights, which was no worse."""
    frozen: float = 0.75
    """Fraction of the backbone layers, lowest first, that stay frozen in those further epochs."""
    lr: float = 2e-3
    """Peak learning rate of the new layers."""
    size_px: int = 224
    """Height and width of the photos, in pixels."""
    limit: int | None = None
    """Use only this many photos, for a quick look."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_network(self.model, self.weights)
        check_at_least(
            head_epochs=(self.head_epochs, 1),
            epochs=(self.epochs, 0),
            limit=(self.limit, 20),
            size_px=(self.size_px, 1),
        )
        check_above_zero(lr=self.lr)
        if not 0 <= self.frozen <= 1:
            raise ConfigError(f"--frozen must be at least 0 and at most 1, got {self.frozen}.")


def _run(options: PetsOptions, run: SystemRun) -> None:
    photos = ls.datasets.load("pets", accept_small=True, tell=run.say)
    if options.limit is not None:
        photos = photos.sample(min(options.limit, len(photos)), seed=run.seed)
    split = photos.split(valid=len(photos) // 5, seed=run.seed, stratify="cat")
    # Some photos are in the set twice, re-encoded: near-duplicates of training photos are not evaluated on.
    task = ls.Task(split, inputs="image", targets="cat", size_px=options.size_px, move_leaks=True)
    started = time.perf_counter()  # reading counts: libraries that read in every epoch do it while training
    task.prepare()
    run.say(f"{len(photos):,} photos: {len(task.train)} for training, {len(task.valid)} for validation.")
    learner = ls.Learner(
        task,
        options.model,
        weights=None if options.weights == "none" else options.weights,
        pool=options.pool,
        heads={"cat": ls.Classify(hidden=(512,), dropout=0.5, label_smoothing=0.05)},
        config=ls.TrainConfig(batch_size=32, weight_decay=0.05),
        seed=run.seed,
        progress=not run.quiet,
    )
    phases = [ls.Phase(epochs=options.head_epochs, lr=options.lr, frozen=1.0)]
    if options.epochs:
        phases.append(ls.Phase(epochs=options.epochs, lr=options.lr / 20, frozen=options.frozen, backbone_lr_mult=0.01))
    learner.run(phases)
    seconds = time.perf_counter() - started
    accuracy = learner.evaluate()["accuracy"]
    metrics = {"error": 1 - accuracy, "accuracy": accuracy}
    run.finish(learner, metrics, train_seconds=seconds, options=asdict(options))


CATS_OR_DOGS = System(
    name="cats-or-dogs",
    summary="Tells cats from dogs on photos of 37 breeds: transfer learning from ImageNet.",
    needs=(
        "the data set pets (811 MB) or pets-small (25 MB), ImageNet weights of the network, and with pets-small "
        "about 15 seconds"
    ),
    options=PetsOptions,
    run=_run,
)

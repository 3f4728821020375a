"""Is the pet on the photo a cat or a dog?"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems.result import SystemRun
from longspan.systems.system import System

__all__ = ["CATS_OR_DOGS", "PetsOptions"]

_TWINS = {
    "Abyssinian_177.jpg": "Abyssinian_11.jpg",
    "Abyssinian_172.jpg": "Abyssinian_122.jpg",
    "Abyssinian_56.jpg": "Abyssinian_24.jpg",
    "Abyssinian_63.jpg": "Abyssinian_40.jpg",
    "Abyssinian_87.jpg": "Abyssinian_5.jpg",
}
"""Photos that are in the set twice, nearly alike; each pair stays on one side of the split."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class PetsOptions:
    """What may be changed."""

    model: str = "squeezenet1_1"
    """Any network of `longspan models`."""
    weights: str = "imagenet"
    """What it starts from: imagenet, none, or a file."""
    epochs: int = 1
    """Passes over the training photos, after one for the new layers alone."""
    lr: float = 2e-3
    """Peak learning rate of the new layers."""
    size_px: int = 224
    """Side of the photos."""
    limit: int | None = None
    """Use only so many photos, for a quick look."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.limit is not None and self.limit < 20:
            raise ConfigError(f"--limit must be at least 20, got {self.limit}.")
        if self.size_px < 1:
            raise ConfigError(f"--size-px must be at least 1, got {self.size_px}.")


def _run(options: PetsOptions, run: SystemRun) -> None:
    photos = ls.datasets.load("oxford-pets").with_column("photo", ls.Category(), _photo)
    if options.limit is not None:
        photos = photos.sample(min(options.limit, len(photos)), seed=run.seed)
    split = photos.split(valid=len(photos) // 5, seed=run.seed, group="photo")
    run.say(f"{len(photos):,} photos: {len(split.train)} to learn from, {len(split.valid)} to measure on.")
    task = ls.Task(split, inputs="image", targets="cat", size_px=options.size_px)
    learner = ls.Learner(
        task,
        options.model,
        weights=None if options.weights == "none" else options.weights,
        seed=run.seed,
        progress=not run.quiet,
    )
    started = time.perf_counter()
    learner.fine_tune(options.epochs, options.lr)
    seconds = time.perf_counter() - started
    accuracy = learner.evaluate()["accuracy"]
    metrics = {"error": 1 - accuracy, "accuracy": accuracy}
    run.finish(learner, metrics, train_seconds=seconds, options=asdict(options))


def _photo(row: dict[str, Any]) -> str:
    """The file's name, or that of the photo it is nearly a copy of."""
    name = Path(row["image"]).name
    return _TWINS.get(name, name)


CATS_OR_DOGS = System(
    name="cats-or-dogs",
    summary="Tells cats from dogs on photos of 37 breeds: a network trained on ImageNet, fine-tuned for one epoch.",
    needs="the data set oxford-pets (25 MB), ImageNet weights of the network, and about a quarter of a minute",
    options=PetsOptions,
    run=_run,
)

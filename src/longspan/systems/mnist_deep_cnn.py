"""The deep CNN of "Deep Learning from Scratch" on MNIST."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, final

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems.options import check_at_least
from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from longspan.inference.scores import Scores
    from longspan.report import Document

__all__ = ["MNIST_DEEP_CNN", "MnistOptions"]

_VALID_ROWS = 2_000
_SHOWN = 48  # misread digits in the report: at the book's accuracy nearly all


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class _Recipe:
    """Which network one preset trains, and how."""

    model: str
    epochs: int
    lr: float
    augment: ls.Augment
    batch_size: int = 128
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    average: float = 0.95


_RECIPES = {
    "book": _Recipe(
        model="deep_cnn",
        epochs=3,
        lr=4e-3,
        augment=ls.Augment(rotate_deg=10, shift=0.06, scale=0.1, fill=0.0, resample="bilinear"),
    ),
    "fast": _Recipe(
        model="space_to_depth_cnn",
        epochs=4,
        lr=1.5e-2,
        augment=ls.Augment(rotate_deg=8, shift=0.05, scale=0.08, fill=0.0, resample="bilinear"),
    ),
}


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class MnistOptions:
    """Options of mnist-deep-cnn."""

    preset: Literal["book", "fast"] = "book"
    """book: the network of the book; fast: one with less than half its multiply-adds."""
    epochs: int | None = None
    """Passes over the training rows; by default those of the preset."""
    limit: int | None = None
    """Use only this many training rows, and a sixth as many test rows, for a quick look."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.limit is not None and not 200 <= self.limit <= 60_000:
            raise ConfigError(f"--limit must be at least 200 and at most 60000, got {self.limit}.")
        check_at_least(epochs=(self.epochs, 1))


def _run(options: MnistOptions, run: SystemRun) -> None:
    recipe = _RECIPES[options.preset]
    digits = ls.datasets.load("mnist")
    if options.limit is not None:
        part = digits.frame["part"]
        train = digits.take((part == "train").arg_true().to_numpy()).sample(options.limit, seed=run.seed)
        test = digits.take((part == "test").arg_true().to_numpy()).sample(options.limit // 6, seed=run.seed)
        digits = train.concat(test)
    valid_rows = _VALID_ROWS if options.limit is None else options.limit // 5
    split = digits.split(column="part", valid=valid_rows, seed=run.seed, stratify="digit")
    run.say(f"{len(digits):,} digits: {len(split.train):,} for training, {len(split.valid):,} for validation, "
            f"{len(split.vault):,} official test digits in the vault.")  # fmt: skip
    # The official parts hold a few identical images; published results keep them, and the report counts them.
    task = ls.Task(split, inputs="image", targets="digit", allow_leaks=True)
    learner = ls.Learner(
        task,
        recipe.model,
        heads={"digit": ls.Classify(label_smoothing=recipe.label_smoothing)},
        config=ls.TrainConfig(batch_size=recipe.batch_size, weight_decay=recipe.weight_decay, augment=recipe.augment),
        callbacks=[ls.WeightAverage(recipe.average)],
        seed=run.seed,
        progress=not run.quiet,
    )
    started = time.perf_counter()
    learner.fit_one_cycle(options.epochs or recipe.epochs, recipe.lr)
    seconds = time.perf_counter() - started
    valid = learner.evaluate("valid")
    misread, tested, test = _open_the_vault(learner)
    metrics = {"valid_accuracy": valid["accuracy"], "test_accuracy": test["accuracy"]}
    run.finish(
        learner,
        metrics,
        train_seconds=seconds,
        options=asdict(options),
        report=lambda: _report(learner, misread, tested),
    )


def _open_the_vault(learner: ls.Learner) -> tuple[Scores, int, dict[str, float]]:
    """Misread test digits, number of test digits, test metrics; one opening of the vault for all."""
    from longspan.inference.scores import Scores, score_rows

    task = learner.task
    rows = task.open_vault("mnist-deep-cnn: test metrics and misread digits")
    source = learner.predictor().source(task.samples)
    scores = score_rows(source, learner.predictor().network, rows, learner.heads, task.targets, 256)
    metrics = scores.metrics(learner.heads)
    learner.evaluations["test"] = metrics
    wrong = scores.predictions["digit"].argmax(dim=1) != scores.targets["digit"]
    misread = Scores(
        scores.rows[wrong],
        *(
            {"digit": part["digit"][wrong]}
            for part in (scores.predictions, scores.targets, scores.present, scores.losses)
        ),
    )
    return misread, len(rows), metrics


def _report(learner: ls.Learner, misread: Scores, tested: int) -> Document:
    from longspan.train.reports.learner_report import compose_report
    from longspan.train.reports.show import result_images

    page = compose_report(learner, title="MNIST with the deep CNN").section("Misread test digits")
    page.text(f"{len(misread.rows):,} of {tested:,} test digits are misread; the most confident mistakes come first.")
    if len(misread.rows):
        page.images(result_images(learner, misread, _SHOWN))
    return page


MNIST_DEEP_CNN = System(
    name="mnist-deep-cnn",
    summary="The deep CNN of 'Deep Learning from Scratch', chapter 8, on MNIST.",
    needs="the data set mnist (12 MB) and about two minutes on two cores",
    options=MnistOptions,
    run=_run,
)

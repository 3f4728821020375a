"""Smaller and quicker: the frontier of a network that tells pets, and a student that learns from a larger network."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.system import System

__all__ = ["SMALLER", "SmallerOptions"]

_TEACHER = (2, 16)  # residual blocks in a stage, channels of the first: ResNet-14
_STUDENT = (1, 16)  # ResNet-8


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SmallerOptions:
    """Options of smaller."""

    data: Literal["pets", "cifar10"] = "pets"
    """pets: variants of a network that tells cats from dogs, each measured. cifar10: a small residual network alone,
    and taught by a larger one."""
    model: str = "squeezenet1_1"
    """Network of pets."""
    weights: str = "imagenet"
    """Its initial weights: imagenet, none, or a file."""
    pool: Literal["avg", "avg_max"] | None = "avg_max"
    """Its global pooling; leave it out for networks without pooling."""
    size_px: int = 224
    """Height and width of the photos of pets."""
    head_epochs: int = 8
    """Epochs for the new layers of pets."""
    variants: str = "onnx,bfloat16,int8,prune30,prune50,prune70,prune50+int8"
    """Variants of pets, as of longspan compress, with commas between."""
    prune_epochs: int = 10
    """Epochs of fine-tuning after pruning."""
    runs: int = 100
    """Predictions that are timed."""
    max_drop: float = 0.005
    """Loss of accuracy that a recommended variant may have."""
    rows: int = 4000
    """Training photos of cifar10."""
    unlabelled: int = 16_000
    """Further ones, without their labels, of which a student learns what its teacher says; 0: none."""
    test_rows: int = 4000
    """Test photos of cifar10."""
    epochs: int = 24
    """Epochs of teacher and students; with photos without labels as many fewer as there are more photos."""
    temperature: float = 4.0
    """Of distillation."""
    seeds: int = 3
    """Teachers and students of cifar10."""
    lr: float = 2e-3
    """Peak learning rate of the new layers of pets; of cifar10 five times as much."""
    limit: int | None = None
    """Use only this many photos of pets, for a quick look."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_network(self.model, self.weights)
        check_at_least(
            size_px=(self.size_px, 1), head_epochs=(self.head_epochs, 1), prune_epochs=(self.prune_epochs, 1),
            runs=(self.runs, 1), rows=(self.rows, 100), test_rows=(self.test_rows, 100),
            unlabelled=(self.unlabelled, 0), epochs=(self.epochs, 1),
            seeds=(self.seeds, 1), limit=(self.limit, 20),
        )  # fmt: skip
        check_above_zero(lr=self.lr, temperature=self.temperature)
        if not 0 <= self.max_drop < 1:
            raise ConfigError(f"--max-drop must be at least 0 and below 1, got {self.max_drop}.")
        if not all(self.variant_names):
            raise ConfigError(f"--variants must be names with commas between, got {self.variants!r}.")

    @property
    def variant_names(self) -> tuple[str, ...]:
        """The variants of pets."""
        return tuple(self.variants.replace(" ", "").split(","))


def _run(options: SmallerOptions, run: SystemRun) -> None:
    if options.data == "pets":
        _pets(options, run)
    else:
        _cifar(options, run)


def _pets(options: SmallerOptions, run: SystemRun) -> None:
    from longspan.deploy.variants import parse_variant

    for name in options.variant_names:
        parse_variant(name)
    photos = ls.datasets.load("pets", accept_small=True, tell=run.say)
    if options.limit is not None:
        photos = photos.sample(min(options.limit, len(photos)), seed=run.seed)
    split = photos.split(valid=len(photos) // 5, seed=run.seed, stratify="cat")
    task = ls.Task(split, inputs="image", targets="cat", size_px=options.size_px, move_leaks=True)
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
    started = time.perf_counter()
    learner.run([ls.Phase(epochs=options.head_epochs, lr=options.lr, frozen=1.0)])
    seconds = time.perf_counter() - started
    accuracy = learner.evaluate()["accuracy"]
    frontier = ls.compress(
        learner, out=run.folder / "variants", variants=options.variant_names, max_drop=options.max_drop,
        epochs=options.prune_epochs, augment=ls.Augment(flip=True, shift=0.1, scale=0.2), runs=options.runs,
        seed=run.seed, force=True, tell=run.say,
    )  # fmt: skip
    run.say(frontier.recommendation())
    metrics = {"error": 1 - accuracy, "accuracy": accuracy}
    first = frontier.original.latencies[0].threads
    for each in frontier.variants[1:]:
        metrics[f"accuracy, {each.name}"] = each.metrics["cat"]
        metrics[f"times as quick, {each.name}"] = frontier.speedup(each, first)
        metrics[f"megabytes, {each.name}"] = each.megabytes
    run.finish(
        learner, metrics, train_seconds=seconds, options=asdict(options), details={"frontier": frontier.to_json()}
    )


def _cifar(options: SmallerOptions, run: SystemRun) -> None:
    photos = ls.datasets.load("cifar10", tell=run.say)
    part = np.array(photos["part"])
    train, test = (_shuffled(np.flatnonzero(part == name), run.seed) for name in ("train", "test"))
    labelled, further = np.split(train, [options.rows])
    further = further[: options.unlabelled]

    def task_of(rows: np.ndarray) -> ls.Task:
        known = set(labelled.tolist())
        chosen = np.concatenate([rows, test[: options.test_rows]])
        labels = [label if at in known or part[at] == "test" else None for at, label in enumerate(photos["label"])]
        table = photos.with_column("label", photos.columns["label"], labels).take(chosen)
        # Some photos of the test part are in the training part too, as published.
        return ls.Task(table.split(column="part", valid=0), inputs="image", targets="label", allow_leaks=True)

    task = task_of(labelled)
    more = task_of(np.concatenate([labelled, further])) if len(further) else None
    run.say(f"{len(labelled):,} photos train, and {len(further):,} without labels; {len(task.split.vault):,} test.")
    found: dict[str, list[float]] = {}
    started = time.perf_counter()
    trained: dict[str, ls.Learner] = {}
    for seed in range(run.seed, run.seed + options.seeds):
        teacher = _learner(task, _TEACHER, options, seed)
        trained = {
            "teacher": teacher,
            "student alone": _learner(task, _STUDENT, options, seed),
            "student, same photos": _learner(task, _STUDENT, options, seed, teacher=teacher),
        }
        if more is not None:
            trained["student, more photos"] = _learner(more, _STUDENT, options, seed, teacher=teacher)
        for name, learner in trained.items():
            accuracy = learner.evaluate("test", reason=f"smaller: {name}, seed {seed}")["accuracy"]
            found.setdefault(name, []).append(accuracy)
        run.say(", ".join(f"{name} {each[-1]:.4f}" for name, each in found.items()))
    seconds = time.perf_counter() - started
    metrics = closed_gaps(found)
    kept = trained["student, same photos" if more is None else "student, more photos"]
    run.finish(kept, metrics, train_seconds=seconds, options=asdict(options), details={"accuracies": found})


def closed_gaps(accuracies: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Mean accuracies over seeds, and of each student that was taught the fraction of the gap that is closed.

    The gap is that between the student alone and its teacher; the interval is Student's t over seeds.

    Example:
        >>> accuracies = {"teacher": [0.8], "student alone": [0.6], "student, same photos": [0.75]}
        >>> closed_gaps(accuracies)["gap closed, same photos"]
        0.75
    """
    from longspan.study.statistics.t_distribution import mean_interval

    means = {name: float(np.mean(each)) for name, each in accuracies.items()}
    teacher, alone = (np.asarray(accuracies[name]) for name in ("teacher", "student alone"))
    metrics = {"error": 1 - means[list(means)[-1]], **{f"accuracy, {name}": mean for name, mean in means.items()}}
    gap = means["teacher"] - means["student alone"]
    for name, each in accuracies.items():
        if not name.startswith("student, "):
            continue
        photos = name.removeprefix("student, ")
        closed = (means[name] - means["student alone"]) / gap if gap > 0 else 0.0
        metrics[f"gap closed, {photos}"] = round(closed, 6)
        if len(each) > 1 and np.all(teacher > alone):
            _, low, high = mean_interval((np.asarray(each) - alone) / (teacher - alone))
            metrics |= {f"gap closed, {photos}, low": low, f"gap closed, {photos}, high": high}
    return metrics


def _learner(
    task: ls.Task, size: tuple[int, int], options: SmallerOptions, seed: int, *, teacher: ls.Learner | None = None
) -> ls.Learner:
    """A residual network of this size, trained; by a teacher where there is one."""
    from longspan.train.loop import SupervisedStep

    def taught(step: SupervisedStep) -> Any:
        assert teacher is not None
        return ls.DistillationStep(step, teacher.predictor(), temperature=options.temperature)

    blocks, width = size
    learner = ls.Learner(
        task,
        ls.SmallResNetConfig(blocks=blocks, width=width),
        config=ls.TrainConfig(batch_size=64, augment=ls.Augment(flip=True, shift=0.1)),
        step=None if teacher is None else taught,
        seed=seed,
        progress=False,
    )
    epochs = max(1, round(options.epochs * options.rows / len(task.train)))
    return learner.fit_one_cycle(epochs, 5 * options.lr)


def _shuffled(rows: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(rows)


SMALLER = System(
    name="smaller",
    summary="Makes a network smaller and quicker, and measures the cost; teaches a small network by a larger one.",
    needs=(
        "the data set pets (811 MB) or pets-small (25 MB) and ImageNet weights of the network, or cifar10; and about "
        "ten minutes, three quarters of an hour for cifar10"
    ),
    extras=("compress",),
    options=SmallerOptions,
    run=_run,
)

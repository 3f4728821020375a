"""A learner as the options of `longspan train` describe it: made, trained, and described in words."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from longspan.cli.shell import label
from longspan.cli.tasks import (
    backbone_of,
    train_config,
)
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError, FetchError, WeightsError, unknown_name

if TYPE_CHECKING:
    from longspan.columns import Column
    from longspan.data import Task
    from longspan.heads import Head
    from longspan.train import Callback, Checkpoints, Learner

__all__ = [
    "callbacks_of",
    "count_parameters",
    "metrics_words",
    "new_learner",
    "planned",
    "source_words",
    "start_words",
    "train_as_planned",
    "training_words",
]

_LR = {"fine-tune": 2e-3, "one-cycle": 3e-3, "fit": 1e-3}
_CLASSES = ("category", "multi_label")
_EPOCHS = {"fine-tune": 3, "one-cycle": 10, "fit": 10}


def new_learner(task: Task, options: TrainOptions, say: Any) -> tuple[Learner, TrainOptions]:
    """The learner, and the options with the weights and the mode that it came to."""
    from longspan.models.catalogue import catalogue
    from longspan.train import Learner

    known = {info.name for info in catalogue() if info.imagenet}
    undecided, model = options.weights is None, options.model or ""
    heads = _heads(task, model, options)
    weights = options.weights or ("imagenet" if backbone_of(model, task.targets) in known else "none")

    def make(weights: str) -> Learner:
        return Learner(
            task, model, weights=None if weights == "none" else weights, heads=heads,
            config=train_config(options), callbacks=callbacks_of(options), seed=options.seed, device=options.device,
            progress=not options.quiet,
        )  # fmt: skip

    try:
        learner = make(weights)
    except (FetchError, WeightsError) as error:
        if not undecided:
            raise
        say(label("weights", f"none: {error}\nThe network starts from scratch and needs more images and epochs."))
        weights = "none"
        learner = make(weights)
    mode = options.mode or ("fit" if options.schedule else "fine-tune" if weights != "none" else "one-cycle")
    return learner, replace(options, weights=weights, mode=mode)


def _heads(task: Task, model: str, options: TrainOptions) -> dict[str, Head]:
    """The head of every target as the model's design and the options have it."""
    from longspan.heads import head_for
    from longspan.train.designs import resolve_design

    if options.label_smoothing and all(column.kind not in _CLASSES for column in task.targets.values()):
        raise ConfigError("--label-smoothing is for classes, and no target is a class.")
    designed = resolve_design(model, task.targets, {})[1]
    heads = {name: head_for(column, designed.get(name)) for name, column in task.targets.items()}
    known = {name: {field.name for field in fields(head)} for name, head in heads.items()}  # type: ignore[arg-type]
    if options.dropout and not any("dropout" in names for names in known.values()):
        raise ConfigError("--dropout is for classes, numbers, texts and masks, and no target is one.")
    if options.class_weights and all(column.kind not in _CLASSES for column in task.targets.values()):
        raise ConfigError("--class-weights is for classes, and no target is a class.")
    weights = options.weights_by_class
    for name, column in task.targets.items():
        if weights is not None and column.kind in _CLASSES:
            named = weights if isinstance(weights, str) else _by_label(weights, column)
            heads[name] = replace(heads[name], class_weights=named)  # type: ignore[call-arg]
    said = {"dropout": options.dropout, "label_smoothing": options.label_smoothing}
    return {
        name: replace(head, **{key: value for key, value in said.items() if value and key in known[name]})  # type: ignore[type-var]
        for name, head in heads.items()
    }


def _by_label(weights: Mapping[str, float], column: Column) -> dict[Any, float]:
    """Weights by label; on the command line 3 is the number or the word, whichever is a class.

    Raises:
        UnknownNameError: a class that does not occur.
    """
    classes = {str(each): each for each in getattr(column, "vocab", ())}
    for name in weights:
        if name not in classes:
            raise unknown_name("class", name, classes)
    return {classes[name]: weight for name, weight in weights.items()}


def callbacks_of(options: TrainOptions) -> list[Callback]:
    """Early stopping, weight averaging and tracking, where asked for."""
    from longspan.train import EarlyStopping, WeightAverage

    # The average goes first, so that early stopping keeps and puts back averages.
    callbacks: list[Callback] = [] if options.average is None else [WeightAverage(options.average)]
    if options.early_stopping is not None:
        callbacks.append(EarlyStopping(patience=options.early_stopping))
    return [*callbacks, *_tracking(options)]


def _tracking(options: TrainOptions) -> list[Callback]:
    """What tells TensorBoard, MLflow and a file of every step, with the options that were given."""
    from longspan.train import MLflow, StepLog, TensorBoard, Tracking

    destinations = [
        *([] if options.step_log is None else [StepLog(options.step_log)]),
        *([] if options.tensorboard is None else [TensorBoard(options.tensorboard)]),
        *([] if options.mlflow is None else [MLflow(options.mlflow)]),
    ]
    kept = {
        field.name: getattr(options, field.name) for field in fields(TrainOptions)
        if getattr(options, field.name) not in (field.default, None)
    }  # fmt: skip
    return [Tracking(*destinations, settings=kept)] if destinations else []


def planned(options: TrainOptions) -> TrainOptions:
    """The options with epochs and rate, checked before anything is written."""
    from longspan.train import Phase

    assert options.mode is not None
    epochs = _EPOCHS[options.mode] if options.epochs is None else options.epochs
    lr = _LR[options.mode] if options.lr is None else options.lr
    schedule = (options.schedule or "linear") if options.mode == "fit" else None
    Phase(epochs=epochs, lr=lr, schedule=schedule or "one_cycle")  # type: ignore[arg-type]
    return replace(options, epochs=epochs, lr=lr, schedule=schedule)


def train_as_planned(learner: Learner, options: TrainOptions, checkpoints: Checkpoints | None) -> None:
    """Train as `planned` filled the options in."""
    assert options.epochs is not None
    assert options.lr is not None
    if options.mode == "fine-tune":
        assert options.freeze_epochs is not None
        learner.fine_tune(options.epochs, options.lr, freeze_epochs=options.freeze_epochs, checkpoints=checkpoints)
    elif options.mode == "one-cycle":
        learner.fit_one_cycle(options.epochs, options.lr, checkpoints=checkpoints)
    else:
        learner.fit(options.epochs, options.lr, schedule=options.schedule, checkpoints=checkpoints)  # type: ignore[arg-type]


# --- words -----------------------------------------------------------------------------------------------------------


def count_parameters(learner: Learner) -> int:
    """All parameters of the network."""
    return sum(p.numel() for p in learner.network.parameters())


def start_words(options: TrainOptions) -> str:
    """What the network starts from."""
    if options.weights == "none":
        return "from scratch"
    return "started from ImageNet weights" if options.weights == "imagenet" else f"started from {options.weights}"


def training_words(options: TrainOptions, learner: Learner) -> str:
    """Epochs, rates and batch size in a line."""
    plan = f"{_epochs(options.epochs)} of all layers"
    if options.mode == "fine-tune":
        plan = f"{_epochs(options.freeze_epochs)} of the new layers, then {plan}"
    precision = str(learner.dtype).removeprefix("torch.")
    return (
        f"{options.mode}: {plan}, peak rate {options.lr:g}\n"
        f"batches of {options.batch_size}, on {learner.device} in {precision}"
    )


def _epochs(count: int | None) -> str:
    return f"{count} epoch{'s' if count != 1 else ''}"


def metrics_words(learner: Learner, figures: dict[str, float]) -> str:
    """The first metric of every target; rows in which nothing is to be found may give none."""
    from longspan.inference.scores import join_target

    names = [join_target(name, head.metrics[0].name, len(learner.heads)) for name, head in learner.heads.items()]
    return ", ".join(f"{name} {figures[name]:.4f}" for name in names if name in figures) or "no metric"


def source_words(options: TrainOptions) -> str:
    """SOURCE and the options that say how it is read, as `longspan evaluate` takes them."""
    words = [options.source]
    for name in (
        "pattern",
        "image",
        "root",
        "suffix",
        "heading",
        "encoding",
        "corners",
        "format",
        "annotations",
        "classes",
        "mask_name",
    ):
        if (value := getattr(options, name)) is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    for value in options.ignored:
        words += ["--ignored", value]
    return shlex.join(words)

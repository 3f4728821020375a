"""What `longspan train` does: read, split, train, measure, save, and say at each step what was chosen."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longspan.cli.output_paths import OutputPaths, places_for
from longspan.cli.shell import interruptible, label, writing
from longspan.cli.tasks import (
    backbone_of,
    describe_split,
    describe_targets,
    make_task,
    read_rows,
    split_table,
    train_config,
)
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError, FetchError, TrainingError, WeightsError, unknown_name

if TYPE_CHECKING:
    from longspan.columns import Column
    from longspan.data import Split, Table, Task
    from longspan.heads import Head
    from longspan.train import Callback, Checkpoints, Learner

__all__ = ["train_as_told"]

_SHOWN = 10
_COPIES = "the same sample twice: the held-out copy trains and is not measured on (--leaks refuse stops instead)"
_LR = {"fine-tune": 2e-3, "one-cycle": 3e-3, "fit": 1e-3}
_CLASSES = ("category", "multi_label")
_EPOCHS = {"fine-tune": 3, "one-cycle": 10, "fit": 10}


def train_as_told(options: TrainOptions, *, resume: Path | None = None) -> None:
    """Train, measure and save; go on with the training in the folder `resume` if it is given."""
    say = _silent if options.quiet else _aloud
    places = places_for(options, resume)
    if places.finished:
        say(f"The run in {places.home} is finished; {places.result} has its figures.")
        return
    with interruptible(places.interrupted), places.lock() or nullcontext():
        _train_in(places, options, say)


def _train_in(places: OutputPaths, options: TrainOptions, say: Any) -> None:
    table, image, options = read_rows(options, lambda line: say(label("left out", line)))
    _check(options)
    say(label("data", f"{options.source}: {len(table):,} rows{describe_targets(table, options.target)}"))
    if table.columns[image].sources:
        say(label("features", table.columns[image].describe()))  # type: ignore[attr-defined]
    split = split_table(table, options)
    if options.relabel is not None:
        split = split.relabel(options.relabel)
        say(label("relabel", f"{options.relabel}: {_corrections(table, split, options)}"))
    if options.folds is not None:
        from longspan.cli.cross_validating import train_folds

        train_folds(places, split, image, options, say)
        return
    task = make_task(split, image, options)
    say(label("split", describe_split(split)))
    task.prepare()
    if task.skipped:
        say(
            label(
                "left out",
                f"{len(task.skipped)} rows that cannot be used; the report names them, such as\n{task.skipped[0]!r}",
            )
        )
    if task.moved:
        say(label("copies", "\n".join([_COPIES, *task.moved[:_SHOWN], *_rest(task.moved)])))
    learner, options = new_learner(task, options, say)
    options = planned(options)
    say(label("model", f"{learner.full_name}, {count_parameters(learner):,} parameters, {start_words(options)}"))
    say(label("training", training_words(options, learner)))
    places.begin(options)
    started = time.perf_counter()
    try:
        if places.resumed and places.has_checkpoints:
            assert places.checkpoints is not None
            learner.resume(places.checkpoints)
        else:
            train_as_planned(learner, options, places.checkpoints)
    except TrainingError as error:
        raise places.failed(error, learner) from error
    seconds = time.perf_counter() - started
    figures = learner.evaluate()
    rows = f"{len(task.valid):,} validation rows"
    say(label("result", f"{metrics_words(learner, figures)} on {rows}, after {seconds:.0f} s"))
    if options.open_vault is not None:
        figures = learner.evaluate("test", reason=options.open_vault)
        say(label("test", f"{metrics_words(learner, figures)} on {len(split.vault):,} rows never used before"))
    elif len(split.vault):
        command = f"longspan evaluate {shlex.quote(str(places.model))} {source_words(options)} --open-vault REASON"
        say(label("vault", f"{len(split.vault):,} test rows, still sealed; to measure on them once:\n{command}"))
    for path, write in ((places.model, learner.save), (places.report, learner.report)):
        with writing(path, "--out"):
            write(path)
        say(label("saved" if path == places.model else "report", str(path)))
    _write_suspects(learner, places, options, say)
    places.write_result(learner, seconds)
    drawn = " --draw drawn" if any(column.context_kind for column in task.targets.values()) else ""
    say(label("try", f"longspan predict {shlex.quote(str(places.model))} {_example_file(task, image)}{drawn}"))


def _write_suspects(learner: Learner, places: OutputPaths, options: TrainOptions, say: Any) -> None:
    """In a run folder, a page of the validation labels that are probably wrong, where there are some."""
    suspects = learner.suspect_labels()
    if places.result is None or not suspects:
        return
    target, page = suspects[0].target, places.result.with_name("relabel.html")
    with writing(page, "--out"):
        learner.relabel_page(page, target)
    count = sum(each.target == target for each in suspects)
    command = f"longspan train {source_words(options)} ... --relabel corrections.csv"
    say(label("labels", f"{count:,} validation labels of {target} are probably wrong: see {page}, then\n{command}"))


def _corrections(table: Table, split: Split, options: TrainOptions) -> str:
    """How many labels were changed and how many rows dropped."""
    changed = sum(
        before != after
        for name in options.target
        for before, after in zip(table.column_values(name), split.table.column_values(name), strict=True)
    )
    dropped = split.how["corrections"]["dropped"]  # type: ignore[index]
    return f"{changed:,} labels changed, {dropped:,} rows dropped"


def _rest(pairs: Sequence[str]) -> list[str]:
    return [f"... and {len(pairs) - _SHOWN} more"] if len(pairs) > _SHOWN else []


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
            config=train_config(options), callbacks=_callbacks(options), seed=options.seed, device=options.device,
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


def _callbacks(options: TrainOptions) -> list[Callback]:
    from longspan.train import EarlyStopping, WeightAverage

    # The average goes first, so that early stopping keeps and puts back averages.
    callbacks: list[Callback] = [] if options.average is None else [WeightAverage(options.average)]
    return callbacks if options.early_stopping is None else [*callbacks, EarlyStopping(patience=options.early_stopping)]


def _check(options: TrainOptions) -> None:
    """A slip in the options is told before a thousand photos are read, not after."""
    from longspan.inference.precision import pick_device

    train_config(options)
    _callbacks(options)
    planned(replace(options, mode=options.mode or "fit"))
    pick_device(options.device)


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


def _aloud(line: str) -> None:
    print(line, flush=True)


def _silent(line: str) -> None:
    del line


def count_parameters(learner: Learner) -> int:
    return sum(p.numel() for p in learner.network.parameters())


def start_words(options: TrainOptions) -> str:
    if options.weights == "none":
        return "from scratch"
    return "started from ImageNet weights" if options.weights == "imagenet" else f"started from {options.weights}"


def training_words(options: TrainOptions, learner: Learner) -> str:
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
    return ", ".join(f"{name} {figures[name]:.4f}" for name in names if name in figures) or "no figure"


def source_words(options: TrainOptions) -> str:
    """SOURCE and the options that say how it is read, as `longspan evaluate` takes them."""
    words = [options.source]
    for name in ("pattern", "image", "format", "annotations", "classes", "mask_name"):
        if (value := getattr(options, name)) is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    for value in options.ignored:
        words += ["--ignored", value]
    return shlex.join(words)


def _example_file(task: Task, image: str) -> str:
    value = task.table.value(int(task.split.valid[0]), image) if len(task.split.valid) else None
    if task.table.columns[image].sources:
        return "NEW.csv --out answers.csv"
    return shlex.quote(value) if isinstance(value, str) else "PICTURE"

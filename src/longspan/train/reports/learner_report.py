"""The report of a learner: what it was trained on, how it went, what it gets wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from longspan.columns import Category, Number, Text
from longspan.heads import Head
from longspan.inference.scores import Scores, join_target
from longspan.metrics import edit_distance
from longspan.report import (
    Document,
    add_openings,
    confused_pairs,
    confusion_matrix,
    describe_environment,
    loss_curves,
    metric_curves,
    predicted_versus_true,
    residual_histogram,
    worth_of,
)
from longspan.train.label_review import suspect_labels
from longspan.train.optimization.schedules import lr_factor
from longspan.train.reports.class_sections import add_classes, add_suspects, add_worst_rows
from longspan.train.reports.show import batch_images, legend_of, result_images
from longspan.train.reports.vector_sections import add_vectors

if TYPE_CHECKING:
    from longspan.data import Task
    from longspan.train.learner import Learner

__all__ = ["compose_report", "write_report"]

_SHOWN = 12  # images in a sheet
_FAULTS_SHOWN = 100


def write_report(learner: Learner, path: Path) -> Path:
    """See `Learner.report`."""
    return compose_report(learner).save(path)


def compose_report(
    learner: Learner, *, title: str | None = None, begin: Callable[[Document], None] | None = None
) -> Document:
    """The report as a document that more sections can be added to; `begin` adds those that come first."""
    task = learner.task
    inputs, targets = ", ".join(learner.inputs), ", ".join(learner.heads)
    page = Document(title or f"{inputs} → {targets}", subtitle=_subtitle(learner))
    scores = learner.scores()
    _headlines(page, learner, scores)
    if begin is not None:
        begin(page)
    if learner.history:
        _curves(page, learner)
    imaged = any(column.encodes_pixels for column in learner.inputs.values())
    for name in learner.heads:
        _target(page, learner, scores, name, imaged=imaged)
    add_suspects(page, task, suspect_labels(learner.heads, scores))
    if imaged:
        page.section("Training images, as the network gets them")
        page.images(batch_images(learner, _SHOWN), legend=legend_of(learner))
    page.section("Data").settings(
        {
            "rows": {"train": len(task.train), "valid": len(task.valid), "test, in the vault": len(task.split.vault)},
            "split": task.split.how,
            "leaks": {
                "found": "none" if not task.leaks else task.leaks.summary(),
                "allowed": task.allow_leaks,
            },
        }
    )
    if task.moved:
        page.text("Held-out copies of training rows were found; they train now, and nothing is measured on them:")
        page.table([{"copies": pair} for pair in task.moved[:_FAULTS_SHOWN]])
    if task.leaks:
        page.text(task.leaks.message())
    for note in task.leaks.notes if task.leaks is not None else ():
        page.text(f"To judge: {note}.")
    if task.skipped:
        _left_out(page, task)
    add_openings(page, task.split.vault.openings, len(task.split.vault))
    page.section("Settings").settings(learner.settings())
    precision = str(learner.dtype).removeprefix("torch.")
    page.section("Environment").environment(describe_environment(device=str(learner.device), precision=precision))
    return page


def _left_out(page: Document, task: Task) -> None:
    """Files and values that could not be used, by name and reason; of very many the first, and a count."""
    count, of = len(task.skipped), len(task.split.train) + len(task.split.valid) + len(task.split.vault)
    page.text(
        f"{count} of {of:,} rows ({count / of:.1%}) {'was' if count == 1 else 'were'} left out, from training and "
        "metrics alike, because they could not be used:"
    )
    page.table([{"where": fault.where, "what": fault.what} for fault in task.skipped[:_FAULTS_SHOWN]])
    if count > _FAULTS_SHOWN:
        page.text(f"... and {count - _FAULTS_SHOWN} more.")


def _subtitle(learner: Learner) -> str:
    parameters = sum(p.numel() for p in learner.network.parameters())
    epochs = f"{learner.epochs_done} epoch{'s' if learner.epochs_done != 1 else ''}"
    start = f"started from {learner.weights} weights" if learner.weights else "trained from scratch"
    best = "" if learner.best_epoch is None else f" (best: epoch {learner.best_epoch}, whose weights the model has)"
    return (
        f"{learner.full_name} with {parameters:,} parameters, {start}, {epochs}{best} on "
        f"{len(learner.task.train):,} rows; metrics on {len(learner.task.valid):,} validation rows."
    )


def _headlines(page: Document, learner: Learner, scores: Scores) -> None:
    metrics = scores.metrics(learner.heads)
    last = learner.history[-1] if learner.best_epoch is not None else {}
    for name, head in learner.heads.items():
        metric = join_target(name, head.metrics[0].name, len(learner.heads))
        if metric in metrics:
            page.headline(metric, metrics[metric], "validation")
        if metric in last:
            page.headline(metric, last[metric], "validation, after the last epoch")
        worth = worth_of(learner.task.split.vault.openings)
        for part, measured in learner.evaluations.items():
            if part.startswith("test") and metric in measured:
                page.headline(metric, measured[metric], f"{part}: {worth}")
    seconds = sum(record["seconds"] for record in learner.history)
    page.headline("training time", f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min")


def _curves(page: Document, learner: Learner) -> None:
    history = learner.history
    steps = [loss for record in history for loss in record["step_losses"]]
    per_epoch = max(len(record["step_losses"]) for record in history)
    lrs = [
        phase.lr * lr_factor(phase.schedule, step / (phase.epochs * per_epoch), phase.warmup)
        for phase in learner.phases
        for step in range(phase.epochs * per_epoch)
    ][: len(steps)]
    valid = [record.get("valid_loss", float("nan")) for record in history]
    page.section("Curves").figure(loss_curves(steps, valid, steps_per_epoch=per_epoch, lr=lrs))
    better = {
        join_target(name, metric.name, len(learner.heads)): metric.better == "higher"
        for name, head in learner.heads.items()
        for metric in head.metrics[:2]
    }
    curves = {name: [record.get(name, float("nan")) for record in history] for name in better if name in history[-1]}
    if curves and len(history) > 1:
        page.figure(metric_curves(curves, higher_is_better=better))
    heads = learner.heads
    metrics = [join_target(name, metric.name, len(heads)) for name, head in heads.items() for metric in head.metrics]
    shown = ("epoch", "train_loss", "valid_loss", *metrics, "lr", "seconds")
    page.table([{name: record[name] for name in shown if name in record} for record in history], caption="Epochs")


def _target(page: Document, learner: Learner, scores: Scores, name: str, *, imaged: bool) -> None:
    column, there = learner.task.targets[name], scores.present[name]
    true, predictions = scores.targets[name][there], scores.predictions[name][there]
    if not len(true):
        return
    several = f" of {name}" if len(learner.heads) > 1 else ""
    if not learner.heads[name].predicts_values:
        add_vectors(page, learner.task, learner.heads[name], scores, name, several=several)
        return
    if isinstance(column, Category):
        counts = np.zeros((len(column.vocab),) * 2, np.int64)
        np.add.at(counts, (true.numpy(), predictions.argmax(dim=1).numpy()), 1)
        page.section(f"Confusion{several}").figure(confusion_matrix(counts, column.vocab))
        pairs = confused_pairs(counts, column.vocab)
        if pairs:
            page.table(pairs, caption="Most often confused")
        add_classes(page, learner.heads[name], predictions, true, several=several)
    elif isinstance(column, Number):
        page.section(f"Predicted and true{several}")
        page.figure(predicted_versus_true(true.numpy(), predictions.numpy(), name=_with_unit(name, column)))
        page.figure(residual_histogram(true.numpy(), predictions.numpy(), name=_with_unit(name, column)))
    elif isinstance(column, Text):
        page.section(f"Figures{several}").table([dict[str, Any](learner.heads[name].measure(predictions, true))])
        _texts(page, learner.heads[name], column, true, predictions)
    else:
        head = learner.heads[name]
        figures = head.measure(predictions, true).items()
        page.section(f"Metrics{several}").table([{"metric": metric, "value": value} for metric, value in figures])
        add_classes(page, head, predictions, true, several=several)
    page.section(f"Worst mistakes{several}")
    if imaged:
        page.images(
            result_images(learner, scores, _SHOWN, target=name),
            caption="Validation rows with the largest loss. "
            + (
                "Left the prediction, right the target."
                if column.context_kind
                else "A confident wrong prediction is often a wrong label."
            ),
            legend=legend_of(learner, name),
        )
    add_worst_rows(page, learner.task, learner.heads[name], scores, name)


def _texts(page: Document, head: Head, column: Text, true: torch.Tensor, predictions: torch.Tensor) -> None:
    """Errors by length, and the texts that were misread most."""
    pairs = [(column.decode(text), predicted) for text, predicted in zip(true, head.decode(predictions), strict=True)]
    by_length: dict[int, list[bool]] = {}
    for text, predicted in pairs:
        by_length.setdefault(len(text), []).append(text != predicted.value)
    page.table(
        [
            {"characters": length, "texts": len(wrong), "error_rate": sum(wrong) / len(wrong)}
            for length, wrong in sorted(by_length.items())
        ],
        caption="Errors by length",
    )
    misread = [
        {"true": true, "read": said.value, "edits": edit_distance(true, said.value), "probability": said.probability}
        for true, said in pairs
        if true != said.value
    ]
    if misread:
        misread.sort(key=lambda row: -row["edits"])
        page.table(misread[:_SHOWN], caption=f"Misread: {len(misread)} of {len(pairs)} texts, the worst first")


def _with_unit(name: str, column: Number) -> str:
    return f"{name} ({column.unit})" if column.unit else name

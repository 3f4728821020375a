"""What a report says of every class, and of the rows with the largest losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from longspan.data.corrections import label_text
from longspan.heads import Head
from longspan.inference.scores import Scores
from longspan.metrics.per_class import class_curves, class_metrics
from longspan.report import Document, precision_recall_curves, roc_curves

if TYPE_CHECKING:
    from longspan.data import Task
    from longspan.train.label_review import SuspectLabel

__all__ = ["add_classes", "add_suspects", "add_worst_rows", "name_of_row"]

_CURVES = 7  # as many as there are colours
_CLASSES = 200
_ROWS = 50
_SUSPECTS = 100


def add_classes(page: Document, head: Head, predictions: torch.Tensor, targets: torch.Tensor, *, several: str) -> None:
    """Precision, recall, F1, average precision and AUC of every class, and the curves; nothing without classes.

    Args:
        page: Where the section goes.
        head: Of the target.
        predictions: `(N, ...)` of rows whose target is known.
        targets: `(N, ...)` likewise.
        several: " of TARGET" where there are several.
    """
    classes = head.class_targets(targets)
    if classes is None or not len(classes):
        return
    labels, scores = list(getattr(head.column, "vocab", ())), head.class_scores(predictions)
    found = class_metrics(classes, scores, head.class_predictions(predictions), labels)
    page.section(f"Classes{several}")
    shown = sorted(found, key=lambda each: (each.f1 is None, each.f1))[:_CLASSES] if len(found) > _CLASSES else found
    page.table(
        [
            {
                "class": str(each.label), "rows": each.rows, "precision": each.precision, "recall": each.recall,
                "F1": each.f1, "average precision": each.average_precision, "ROC AUC": each.roc_auc,
            }
            for each in shown
        ],
        caption="Each class against all others, on held-out rows"
        + (f"; the {_CLASSES} of {len(found)} with the lowest F1" if len(shown) < len(found) else ""),
    )  # fmt: skip
    curves = class_curves(classes, scores, labels)
    one_of_two = len(labels) == 2 and bool((classes.sum(dim=1) == 1).all())
    if one_of_two:  # the two curves say the same
        curves = curves[-1:]
    if not curves:
        return
    hardest = sorted(curves, key=lambda each: each.average_precision)[:_CURVES]
    rocs = [(each.label, each.false_positive_rate, each.true_positive_rate, each.roc_auc) for each in hardest]
    precisions = [(each.label, each.recall, each.precision, each.average_precision) for each in hardest]
    caption = f"The {len(hardest)} of {len(curves)} classes with the lowest average precision"
    page.figure(roc_curves(rocs), caption=caption if len(hardest) < len(curves) else "", label="ROC curves")
    page.figure(precision_recall_curves(precisions), label="Precision-recall curves")


def add_worst_rows(page: Document, task: Task, head: Head, scores: Scores, name: str) -> None:
    """The rows with the largest losses, by file: what they are and what is predicted, if words can say it.

    Of targets with classes only rows whose prediction is wrong.
    """
    column = task.targets[name]
    losses, eligible = scores.losses[name], scores.present[name]
    classes = head.class_targets(scores.targets[name])
    if classes is not None:
        eligible = eligible & (head.class_predictions(scores.predictions[name]) != classes).any(dim=1)
    worst = torch.where(eligible, losses, -1.0).argsort(descending=True)[: min(_ROWS, int(eligible.sum()))]
    if not len(worst) or column.context_kind:
        return
    predictions = head.decode(scores.predictions[name][worst])
    rows = []
    for place, prediction in zip(worst.tolist(), predictions, strict=True):
        target = column.decode(scores.targets[name][place].numpy())
        row: dict[str, Any] = {
            "row": name_of_row(task, int(scores.rows[place])),
            "target": _words(target),
            "predicted": _words(prediction.value),
            "loss": float(losses[place]),
        }
        if prediction.probability is not None:
            row["probability"] = prediction.probability
        if prediction.probabilities is not None and not isinstance(target, list):
            row["of the target"] = prediction.probabilities.get(target)
        rows.append(row)
    page.table(rows, caption=f"{_mistakes(len(rows), classes)} with the largest loss")


def add_suspects(page: Document, task: Task, suspects: list[SuspectLabel]) -> None:
    """The labels that are probably wrong; nothing where there are none."""
    if not suspects:
        return
    page.section("Labels that are probably wrong")
    page.table(
        [
            {
                "row": name_of_row(task, each.row), "target": each.target, "label": label_text(each.given),
                "probably": label_text(each.suggested), "margin": each.margin,
            }
            for each in suspects[:_SUSPECTS]
        ],
        caption=f"{min(len(suspects), _SUSPECTS)} of {len(suspects)}, the surest first. Margin: probability of the "
        "label minus that of the suggested one. Found by confident learning (Northcutt et al. 2021) on rows that the "
        "model was not trained on.",
    )  # fmt: skip


def _mistakes(count: int, classes: torch.Tensor | None) -> str:
    what = "held-out rows" if classes is None else "held-out rows with a wrong prediction"
    return f"The {count} {what}" if count > 1 else f"The {what.replace('rows', 'row')}"


def name_of_row(task: Task, row: int) -> str:
    """The file of a row as its table has it, else its number."""
    for name in task.input_names:
        cell = task.table.frame[name][row]
        if task.table.columns[name].in_files and isinstance(cell, str):
            return cell
    return f"row {row}"


def _words(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return value if isinstance(value, float) else str(value)

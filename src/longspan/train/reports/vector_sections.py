"""What a report says of a target whose predictions are vectors: how well they tell its classes apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from longspan.data import Task
from longspan.heads import Head
from longspan.inference.scores import Scores
from longspan.metrics.verification import roc
from longspan.report.class_curves import roc_curves
from longspan.train.reports.class_sections import name_of_row

if TYPE_CHECKING:
    from longspan.report import Document

__all__ = ["add_vectors"]

_MOST_ROWS = 2000
_SHOWN = 10
_ALLOWED = (0.1, 0.01, 0.001)


def add_vectors(page: Document, task: Task, head: Head, scores: Scores, name: str, *, several: str) -> None:
    """Error rates over pairs of validation rows, and the pairs that are hardest to tell.

    Args:
        page: Where the section goes.
        task: What was trained.
        head: Of the target.
        scores: On validation rows.
        name: Of the target.
        several: " of TARGET" where there are several.
    """
    known = scores.present[name].nonzero()[:, 0]
    if len(known) > _MOST_ROWS:
        known = known[torch.linspace(0, len(known) - 1, _MOST_ROWS).round().long()]
    targets = scores.targets[name][known]
    vectors = F.normalize(scores.predictions[name][known].double(), dim=1)
    first, second = torch.triu_indices(len(known), len(known), offset=1)
    similarities = (vectors @ vectors.T)[first, second].numpy()
    same = (targets[first] == targets[second]).numpy()
    page.section(f"Comparisons{several}")
    figures = head.measure(scores.predictions[name][known], targets)
    page.table([{"metric": metric, "value": value} for metric, value in figures.items()])
    if not same.any() or same.all():
        page.text("Nothing to compare: all rows are of one class, or no two rows share a class.")
        return
    _, far, frr = roc(similarities, same)
    page.figure(roc_curves([(name, far, 1 - frr, float(np.trapezoid(1 - frr, far)))]), label="ROC curve of comparisons")
    page.table(
        [
            {"false accepts, at most": allowed, "false rejects": float(frr[far <= allowed].min())}
            for allowed in _ALLOWED
            if allowed * (~same).sum() >= 1
        ],
        caption="At thresholds of these rows themselves, which flatters: choose yours on other people",
    )
    for words, chosen in (
        ("Two classes, and most alike", np.where(same, -np.inf, similarities).argsort()[::-1]),
        ("One class, and least alike", np.where(same, similarities, np.inf).argsort()),
    ):
        rows = scores.rows[known]
        page.table(
            [
                {
                    "similarity": float(similarities[pair]),
                    **{
                        side: f"{_label(head, targets[place[pair]])}: {name_of_row(task, int(rows[place[pair]]))}"
                        for side, place in (("first", first), ("second", second))
                    },
                }
                for pair in chosen[: min(_SHOWN, int((same == words.startswith("One")).sum()))]
            ],
            caption=words,
        )


def _label(head: Head, target: torch.Tensor) -> str:
    return str(getattr(head.column, "vocab", ())[int(target)])

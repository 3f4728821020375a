"""The report of a cross-validation: metrics of every fold, classes, worst rows and suspect labels, all out of fold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from longspan.report import Document, describe_environment
from longspan.train.reports.class_sections import add_classes, add_suspects, add_worst_rows

if TYPE_CHECKING:
    from longspan.train.cross_validation import CrossValidation

__all__ = ["write_cross_validation_report"]


def write_cross_validation_report(result: CrossValidation, path: Path) -> Path:
    """One self-contained HTML file."""
    heads, folds = result.heads, len(result.metrics)
    page = Document(
        f"{', '.join(result.task.input_names)} → {', '.join(heads)}",
        subtitle=f"Cross-validation in {folds} folds: {len(result.scores.rows):,} rows, each predicted by a model that "
        "was not trained on it.",
    )
    mean, spread = result.mean, result.spread
    for name in list(mean)[:4]:
        page.headline(name, mean[name], f"mean of {folds} folds, standard deviation {spread[name]:.2g}")
    rows = [{"fold": str(number), **metrics} for number, metrics in enumerate(result.metrics, start=1)]
    page.section("Folds").table([*rows, {"fold": "mean", **mean}, {"fold": "standard deviation", **spread}])
    page.text("The epoch of each fold was chosen on the rows that measure it, which flatters the metrics a little.")
    for name, head in heads.items():
        known = result.scores.present[name]
        several = f" of {name}" if len(heads) > 1 else ""
        add_classes(
            page, head, result.scores.predictions[name][known], result.scores.targets[name][known], several=several
        )
        page.section(f"Worst mistakes{several}")
        add_worst_rows(page, result.task, head, result.scores, name)
    add_suspects(page, result.task, result.suspect_labels())
    page.section("Environment").environment(describe_environment())
    return page.save(path)

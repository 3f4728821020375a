"""The page of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from longspan.report import Document
from longspan.report.figures import bars

if TYPE_CHECKING:
    from longspan.study.searching.search import Search

__all__ = ["search_report"]


def search_report(search: Search) -> Document:
    """The best settings, the course of the search, the importance of each setting, and every trial."""
    trials, best, name = search.trials, search.best, search.measure.name
    own = trials[0]
    minutes = sum(trial.seconds for trial in trials) / 60
    page = Document("Search", subtitle=f"{len(trials)} trials in {minutes:.1f} minutes, chosen by {name} of "
                    f"{search.target} on {len(search.task.valid):,} validation rows.")  # fmt: skip
    page.headline(f"{name}, best trial", best.error, f"trial {best.number}")
    if own.error is not None:
        page.headline(f"{name}, own settings", own.error, "trial 0")
    page.section("Best settings").table(
        [{"setting": each, "value": best.params.get(each, "its own")} for each in search.space]
    ).text(
        "The validation rows have chosen this trial among all, so its error is too low; the more trials, the more so. "
        "Test rows were not used; measure the kept model on them once, at the end."
    )
    page.section("Course").figure(_course(search), caption=f"{name} of each trial, and the lowest so far.")
    importances = search.importances()
    page.section("Importance of settings")
    if importances:
        page.figure(
            bars(importances, label="fraction of the variance explained"),
            caption="Functional ANOVA over all trials. A setting searched over a narrow range looks unimportant.",
        )
    else:
        page.text("Too few trials have succeeded for an estimate; eight with different errors are enough.")
    page.section("Trials").table(
        [
            {
                "trial": trial.number, **{each: trial.params.get(each) for each in search.space}, name: trial.error,
                "seconds": round(trial.seconds, 1), "failed": trial.message or None,
            }
            for trial in trials
        ]
    )  # fmt: skip
    return page


def _course(search: Search) -> Any:
    from longspan.report.canvas import COLOURS, new_axes

    finished = [(trial.number, trial.error) for trial in search.trials if trial.error is not None]
    numbers, errors = np.array(finished, dtype=float).T
    sheet, (axes,) = new_axes(width_px=680, height_px=300)
    axes.plot(numbers, errors, "o", markersize=4, color=COLOURS[0], label="trial")
    axes.step(numbers, np.minimum.accumulate(errors), where="post", color=COLOURS[3], linewidth=1.8, label="lowest")
    axes.set(xlabel="trial", ylabel=search.measure.name)
    axes.legend(frameon=False)
    return sheet

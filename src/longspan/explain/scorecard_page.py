"""The scorecard of a table as a page."""

from __future__ import annotations

from pathlib import Path

from longspan.data.scorecard import Scorecard, TargetCard, told
from longspan.report import Document, bars

__all__ = ["write_scorecard"]

_BARS = 20


def write_scorecard(path: str | Path, card: Scorecard) -> Path:
    """Write one HTML file: what deserves a look, every column, missing values, the targets, drift.

    Args:
        path: Of the page.
        card: What `longspan.explain.scorecard` found.
    """
    kinds = [each.kind for each in card.columns]
    page = Document(f"What is in {Path(card.source).name}", subtitle=f"{card.rows:,} rows, {len(kinds)} columns")
    page.headline("rows", f"{card.rows:,}", f"{card.copies:,} equal an earlier one" if card.copies else "no copies")
    used = sum(kind in ("number", "category", "date") for kind in kinds)
    left_out = kinds.count("left out")
    page.headline("features", used, f"{left_out} column{'' if left_out == 1 else 's'} left out")
    missing = sum(each.missing for each in card.columns) / max(len(kinds), 1)
    lacks = sum(each.missing > 0 for each in card.columns)
    page.headline("missing cells", f"{missing:.1%}", f"in {lacks} column{'' if lacks == 1 else 's'}")
    page.section("Findings")
    if card.noted:
        page.table({"column": about, "finding": what} for about, what in card.noted)
    else:
        page.text("Nothing unusual was found.")
    for target in card.targets:
        _add_target(page, target)
    page.section("Columns").table(
        {
            "column": each.name, "kind": each.kind, "missing": f"{each.missing:.1%}",
            "different": f"{each.distinct:,}", "values": each.reason if each.kind == "left out" else each.values,
        }
        for each in card.columns
    )  # fmt: skip
    lacking = {each.name: each.missing for each in card.columns if each.missing > 0}
    if lacking:
        most = sorted(lacking.items(), key=lambda pair: -pair[1])[:_BARS]
        shown = {name: round(100 * fraction, 1) for name, fraction in most}
        page.section("Missing values").figure(bars(shown, label="% of rows"), label="missing values by column")
    if card.drifts:
        page.section("Drift").text("\n\n".join(f"{str(each)[0].upper()}{str(each)[1:]}." for each in card.drifts))
        for each in card.drifts:
            if each.certain:
                page.table({"column": one.name, "AUC lost without it": one.auc_drop} for one in each.columns)
    return page.save(path)


def _add_target(page: Document, target: TargetCard) -> None:
    page.section(f"Target {target.name}")
    if target.classes:
        shown = {label: float(count) for label, count in target.classes[:_BARS]}
        page.figure(bars(shown, label="rows"), label=f"rows of each class of {target.name}")
    elif target.histogram:
        shown = {f"{told(low)} to {told(high)}": float(count) for low, high, count in target.histogram}
        page.figure(bars(shown, label="rows"), label=f"rows over {target.name}")
    if target.notes:
        page.text("\n\n".join(f"{each[0].upper()}{each[1:]}." for each in target.notes))

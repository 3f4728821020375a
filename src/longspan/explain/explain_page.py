"""All explanations of one target as a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np

from longspan.data import Table
from longspan.errors import ConfigError
from longspan.explain.attribution_page import add_attributions, attribution_costs, shows_where_it_looked
from longspan.explain.calibration import Calibration, calibration_of
from longspan.explain.dependence import dependence
from longspan.explain.expected_cost import HOUR, ExpectedCost, expected_cost, refuse
from longspan.explain.importance import Importance, columns_read, importance
from longspan.explain.influence import influence
from longspan.explain.learned_layers import LayerPatches, learned_layers, reads_texts
from longspan.explain.learned_layers_page import add_learned_layers
from longspan.explain.learned_phrases import LayerPhrases, learned_phrases
from longspan.explain.slices import Slice, slices, slices_of
from longspan.inference.measured_rows import measured_rows
from longspan.report import Document, bars, dependence_curves, reliability_diagram

__all__ = ["Explanation", "add_calibration", "add_slices", "explain_target", "write_explanation"]

_BARS, _CURVES, _SLICES, _MISTAKES, _HARMFUL = 20, 4, 12, 12, 3


@final
@dataclass(frozen=True, slots=True)
class Explanation:
    """What was found about one target of a model."""

    target: str
    rows: int
    """Held-out rows that were measured."""
    error: float
    """Mean error over these rows."""
    importances: list[Importance]
    """From the most to the least important column; none where the model reads only one."""
    slices: list[Slice]
    """From the highest to the lowest error."""
    calibration: Calibration | None
    """None for a target that has no probabilities."""
    layers: tuple[LayerPatches | LayerPhrases, ...] = ()
    """What each layer learned, where it was asked for."""


def explain_target(
    model: Any,
    table: Table,
    target: str | None = None,
    *,
    rows: int = 2000,
    seed: int = 0,
    max_seconds: float | None = HOUR,
    tell: Callable[[Sequence[ExpectedCost]], None] | None = None,
) -> Explanation:
    """Slices and, for classes, calibration, on rows the model was not trained on; of columns their importance.

    Args as of `write_explanation`.
    """
    _announce(_costs(model, table, target, rows, seed), max_seconds, tell)
    return _explain(model, table, target, rows, seed)


def _explain(model: Any, table: Table, target: str | None, rows: int, seed: int) -> Explanation:
    measured = measured_rows(model, table, target, rows=rows, seed=seed)
    chosen = measured.target
    predictions = measured.predictions()
    errors = measured.errors(predictions)
    has_classes = measured.model.heads[chosen].kind == "classify"
    return Explanation(
        chosen,
        len(measured.values),
        float(errors.mean()),
        importance(model, table, chosen, rows=rows, seed=seed, max_seconds=None) if _compares_columns(model) else [],
        slices_of(measured, errors),
        calibration_of(measured, predictions, seed=seed) if has_classes else None,
    )


def _costs(model: Any, table: Table, target: str | None, rows: int, seed: int) -> list[ExpectedCost]:
    found = [expected_cost(slices, model, table, target, rows=rows, seed=seed)]  # calibration reads the same
    if _compares_columns(model):
        found.append(expected_cost(importance, model, table, target, rows=rows, seed=seed))
    return found


def _compares_columns(model: Any) -> bool:
    """Whether a model reads several columns: without an only one nothing is left to predict from."""
    return len(columns_read(model.predictor() if hasattr(model, "predictor") else model)) > 1


def _announce(
    costs: Sequence[ExpectedCost],
    max_seconds: float | None,
    tell: Callable[[Sequence[ExpectedCost]], None] | None,
) -> None:
    if tell is not None:
        tell(costs)
    refuse(ExpectedCost(f"This explanation ({'; '.join(map(str, costs))})", sum(c.seconds for c in costs)), max_seconds)


def write_explanation(
    path: str | Path,
    model: Any,
    table: Table,
    target: str | None = None,
    *,
    rows: int = 2000,
    seed: int = 0,
    training: Table | None = None,
    layers: bool = False,
    max_seconds: float | None = HOUR,
    tell: Callable[[Sequence[ExpectedCost]], None] | None = None,
) -> Explanation:
    """Write one HTML file: importance and dependence, or of images where a network looked; slices and calibration.

    Args:
        path: Of the page.
        model: A trained network or boosted trees.
        table: Rows that the model was not trained on.
        target: Of a model with several.
        rows: At most so many rows are measured, drawn at random.
        seed: Random seed of the draw.
        training: The rows that the model learned from; those behind its mistakes are then shown. Networks only.
        layers: Also show what each layer learned. Convolutional networks that read one image, one sound as an image,
            or one text only.
        max_seconds: Refused, before it begins, if all of it would take longer; None: never.
        tell: Called before it begins, with what each part will take.
    """
    measured = measured_rows(model, table, target, rows=1)
    chosen, error = measured.target, measured.error
    looked = shows_where_it_looked(measured.model, chosen)
    learn = learned_phrases if layers and reads_texts(measured.model) else learned_layers
    costs = _costs(model, table, chosen, rows, seed)
    if looked:
        costs += attribution_costs(measured.model, table, chosen)
    if layers:
        costs.append(expected_cost(learn, model, table, target=chosen, seed=seed))
    if training is not None:
        few = table.take(np.arange(min(_MISTAKES, len(table))))
        costs.append(expected_cost(influence, model, training, few, chosen))
    _announce(costs, max_seconds, tell)
    learned = learn(model, table, target=chosen, seed=seed, max_seconds=None) if layers else None
    found = _explain(model, table, chosen, rows, seed)
    page = Document(f"What predicts {found.target}", subtitle=f"{found.rows:,} held-out rows of {table.source}")
    page.headline(error.mean_name, found.error)
    if found.calibration is not None:
        low, high = found.calibration.interval
        page.headline("expected calibration error", found.calibration.error, f"95 %: {low:.3f} to {high:.3f}")
    if looked:
        add_attributions(page, measured.model, table, found.target, seed=seed)
    elif found.importances:
        _add_importance(page, found, error.mean_name)
        _add_dependence(page, model, table, found, seed)
    if learned is not None:
        add_learned_layers(page, learned)
    if found.calibration is not None:
        add_calibration(page, found.calibration)
    add_slices(page, found.slices, error.mean_name)
    if training is not None:
        _add_influence(page, model, training, table, found.target, rows, seed)
    page.save(path)
    return replace(found, layers=tuple(learned or ()))


def _add_importance(page: Document, found: Explanation, error_name: str) -> None:
    page.section("Importance").text(
        f"How much the {error_name} grows when the values of a column are shuffled among the rows; 95 % intervals "
        "over rows. Columns that repeat each other share their importance."
    )
    shown = found.importances[:_BARS]
    page.figure(
        bars(
            {each.column: each.increase for each in shown},
            errors={each.column: each.interval[1] - each.increase for each in shown},
            label=f"increase of the {error_name}",
        )
    )


def _add_dependence(page: Document, model: Any, table: Table, found: Explanation, seed: int) -> None:
    page.section("Dependence").text(
        "The mean prediction when a column is set to one value in all rows, and faintly the same for single rows."
    )
    drawn = 0
    for each in found.importances:
        if not each.certain or drawn == _CURVES:
            break
        try:
            curve = dependence(model, table, each.column, found.target, seed=seed, max_seconds=None)
        except ConfigError:  # neither numbers nor labels
            continue
        label = curve.target if curve.outcome is None else f"probability of {curve.outcome}"
        page.figure(
            dependence_curves(curve.points, curve.rows, *curve.band, column=each.column, label=label),
            label=f"{label} over {each.column}",
        )
        drawn += 1
    if not drawn:
        page.text("No column is certain to matter on these rows.")


def add_calibration(page: Document, fit: Calibration) -> None:
    """Add the section: the reliability diagram, and what a temperature mends."""
    page.section("Calibration").figure(
        reliability_diagram([each.confidence for each in fit.bins], [each.accuracy for each in fit.bins]),
        label="fraction right over predicted probability",
    )
    if fit.scaled_error >= fit.error or 0.95 < fit.temperature < 1.05:
        page.text(f"The temperature with the lowest log loss is {fit.temperature:.2f}; scaling by it gains nothing.")
        return
    sure = "too sure of itself" if fit.temperature > 1 else "not sure enough"
    page.text(
        f"The temperature with the lowest log loss is {fit.temperature:.2f}: the model is {sure}. After scaling, the "
        f"expected calibration error is {fit.scaled_error:.3f} instead of {fit.error:.3f}."
    )


def add_slices(page: Document, found: list[Slice], name: str) -> None:
    """Add the section: the groups of rows whose error certainly differs; `name` is that of the error."""
    certain = [each for each in found if each.certain]
    page.section("Slices").text(
        f"{len(found)} groups of rows were compared with all others; {len(certain)} differ at a false discovery rate "
        "of 5 %. Intervals are of each group alone."
    )
    if certain:
        page.table(
            {
                "column": each.column, "value": each.value, "rows": each.rows, name: each.error,
                "difference": each.difference, "from": each.interval[0], "to": each.interval[1],
            }
            for each in (certain if len(certain) <= _SLICES else [*certain[: _SLICES // 2], *certain[-_SLICES // 2 :]])
        )  # fmt: skip


def _add_influence(
    page: Document, model: Any, training: Table, table: Table, target: str, rows: int, seed: int
) -> None:
    """The training rows behind the rows with the largest errors."""
    measured = measured_rows(model, table, target, rows=rows, seed=seed)
    errors = measured.errors(measured.predictions())
    worst = np.argsort(-errors, kind="stable")[:_MISTAKES]
    worst = worst[errors[worst] > 0]
    page.section("Behind the mistakes")
    if not len(worst):
        page.text("There is no mistake in these rows.")
        return
    page.text(
        "The rows with the largest errors, each with the training rows a step on which raised its loss most "
        "(TracIn on the last layer). Look there for wrong labels, and for kinds of rows that are too rare."
    )
    training_values = training.column_values(target)
    shown = measured.table.take(worst)
    page.table(
        {
            "row": shown.row_name(each.row), "true": _cell(each.value), "predicted": _cell(each.prediction),
            "training rows that harmed most": "; ".join(
                f"{training.row_name(row)} ({_cell(training_values[row])})" for row, _ in each.harmed
            ),
        }
        for each in influence(model, training, shown, target, most=_HARMFUL, max_seconds=None)
    )  # fmt: skip


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

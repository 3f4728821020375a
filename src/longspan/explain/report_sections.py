"""What is cheap to explain about a trained model, as sections of its report."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from longspan.data import Table
from longspan.errors import ConfigError, DataError
from longspan.explain.attribution_page import add_attributions, shows_where_it_looked
from longspan.explain.calibration import calibration_of
from longspan.explain.explain_page import add_calibration, add_slices
from longspan.explain.layer_costs import layer_costs
from longspan.explain.layer_costs_page import add_layer_times
from longspan.explain.slices import slices_of
from longspan.inference.measured_rows import measured_rows
from longspan.inference.new_inputs import read_inputs
from longspan.inference.source import prepare_inputs
from longspan.report import Document

__all__ = ["add_explanation"]

_ROWS = 500
_LEAST_ROWS = 20
_BATCH = 8
_KINDS = ("classify", "multi_label_classify", "regress")


def add_explanation(page: Document, model: Any, table: Table, *, seed: int = 0) -> None:
    """Add what can be explained in seconds: slices, calibration, Grad-CAM maps of images, and seconds per layer.

    Nothing is added where nothing can be explained. The rest of it, which takes longer, is `longspan explain`.

    Args:
        page: The report of the model.
        model: A trained network, boosted trees, or a Learner.
        table: Rows that the model was not trained on; at most 500 of them are predicted.
        seed: Of the draw of rows.
    """
    model = model.predictor() if hasattr(model, "predictor") else model
    if "explain" not in getattr(model, "abilities", ()):
        return
    targets = [
        name
        for name, head in model.heads.items()
        if head.kind in _KINDS and head.column is not None and not head.column.context_kind
    ]
    for target in targets:
        _add_target(page, model, table, target, seed, several=len(model.heads) > 1)
    if len(table) and hasattr(model, "network"):
        _add_times(page, model, table)


def _add_target(page: Document, model: Any, table: Table, target: str, seed: int, *, several: bool) -> None:
    try:
        measured = measured_rows(model, table, target, rows=_ROWS, seed=seed)
    except DataError:  # no row has the target
        return
    if len(measured.values) < _LEAST_ROWS:
        return
    predictions = measured.predictions()
    page.section(f"Explanation of {target}" if several else "Explanation").text(
        f"On {len(measured.values):,} held-out rows. `longspan explain MODEL SOURCE` shows more: what the model relies "
        "on, what each layer learned, and which training rows are behind its mistakes."
    )
    add_slices(page, slices_of(measured, measured.errors(predictions)), measured.error.mean_name)
    if model.heads[target].kind == "classify":
        add_calibration(page, calibration_of(measured, predictions, seed=seed))
    if shows_where_it_looked(model, target):
        try:
            add_attributions(page, model, measured.table, target, seed=seed, methods=["grad_cam"])
        except ConfigError as error:  # a network without maps
            page.text(str(error))


def _add_times(page: Document, model: Any, table: Table) -> None:
    read = read_inputs(table.take(np.arange(min(_BATCH, len(table)))), model.inputs, {})
    (batch,) = read.samples.batches(torch.arange(len(read.sources)), _BATCH)
    inputs = prepare_inputs(batch.to(model.device), model.inputs)
    # Without receptive fields: tracing a network may take longer than its training.
    costs = layer_costs(model.network, inputs, repeats=1, fields=False)
    page.section("Where the time goes").text(
        f"Forward and backward pass of a batch of {costs.batch} rows on {costs.device}, measured once, by kind of "
        "layer and layer by layer. `longspan layers MODEL` measures it several times."
    )
    add_layer_times(page, costs)

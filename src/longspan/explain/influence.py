"""Which training rows made a prediction, and which training rows resist what the others teach."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from longspan.data import Table, encode_rows
from longspan.errors import ConfigError
from longspan.explain.expected_cost import HOUR, check_cost
from longspan.heads.members import row_losses
from longspan.inference.measured_rows import MeasuredRows, measured_rows
from longspan.inference.network import eval_view
from longspan.inference.predictor import Predictor
from longspan.inference.source import autocast, prepare_inputs, prepare_targets
from longspan.portable.new_values import with_inputs

__all__ = ["Influence", "influence", "self_influence"]

_PROBED_ROWS = 16


@final
@dataclass(frozen=True, slots=True)
class Influence:
    """The training rows that count most for the loss of one row."""

    row: int
    """Number in the table of rows that are explained."""
    prediction: Any
    value: Any
    """The target's known value."""
    helped: tuple[tuple[int, float], ...]
    """Training rows, by number in their table, a step on which lowers the loss of this row, and by how much per unit of
    learning rate; the most first."""
    harmed: tuple[tuple[int, float], ...]
    """Training rows a step on which raises it; below 0, the most first."""


def influence(
    model: Any,
    training: Table,
    table: Table,
    target: str | None = None,
    *,
    most: int = 5,
    batch_size: int = 64,
    max_seconds: float | None = HOUR,
) -> list[Influence]:
    """For each row of `table` the training rows that count most for its loss.

    How far a step of gradient descent on the last layer, on one training row, lowers the loss of another row: the
    product of their features times the product of the gradients of their losses.

    Args:
        model: A trained network whose head ends in a linear layer, or a Learner.
        training: The rows that it learned from, with their targets.
        table: The rows to explain, with their targets; mistakes, for example.
        target: Of a model with several.
        most: Rows of each kind.
        batch_size: Rows at a time.
        max_seconds: Refused if it would take longer; None: never.

    Raises:
        ConfigError: a model that is not one network, or a head that does not end in a linear layer on one vector.
        DataError: no row has the target.

    Source: Pruthi et al. 2020, "Estimating training data influence by tracing gradient descent" (TracIn), section 3.3
    and the last layer of section 4. Differs: only the weights at the end of the training are looked at, not those of
    several checkpoints, so that any model file will do.
    """
    if most < 1:
        raise ConfigError(f"most must be at least 1, got {most}.")
    explained = measured_rows(model, table, target)
    learned = measured_rows(model, training, target)
    _check("Influence", learned, training, len(learned.values) + 2 * len(explained.values), max_seconds)
    features, gradients, numbers = _gradients(learned, training, batch_size)
    own_features, own_gradients, rows = _gradients(explained, table, batch_size)
    effects = ((own_features @ features.T + 1) * (own_gradients @ gradients.T)).numpy()
    predictions = explained.predictions()
    found = []
    for place, effect in enumerate(effects):
        order = np.argsort(effect, kind="stable")
        helped = [(int(numbers[k]), float(effect[k])) for k in order[::-1][:most] if effect[k] > 0]
        harmed = [(int(numbers[k]), float(effect[k])) for k in order[:most] if effect[k] < 0]
        value, prediction = explained.values[place], predictions[place].value
        found.append(Influence(int(rows[place]), prediction, value, tuple(helped), tuple(harmed)))
    return found


def self_influence(
    model: Any,
    training: Table,
    target: str | None = None,
    *,
    batch_size: int = 64,
    max_seconds: float | None = HOUR,
) -> list[tuple[int, float]]:
    """Training rows by how far a step on one lowers its own loss, the most first: wrong labels and rare cases.

    Args and errors: see `influence`. Rows are numbers in `training`.

    Source: Pruthi et al. 2020, section 4.1.
    """
    learned = measured_rows(model, training, target)
    _check("Self-influence", learned, training, len(learned.values), max_seconds)
    features, gradients, rows = _gradients(learned, training, batch_size)
    effects = ((features.square().sum(1) + 1) * gradients.square().sum(1)).numpy()
    return [(int(rows[k]), float(effects[k])) for k in np.argsort(-effects, kind="stable")]


def _check(what: str, learned: MeasuredRows, training: Table, rows: int, max_seconds: float | None) -> None:
    few = replace(learned, table=learned.table.take(np.arange(min(_PROBED_ROWS, len(learned.table)))))

    def probe() -> int:
        _gradients(few, training, _PROBED_ROWS)
        return len(few.table)

    check_cost(what, rows, probe, each=_PROBED_ROWS, max_seconds=max_seconds)


def _gradients(measured: MeasuredRows, table: Table, batch_size: int) -> tuple[Tensor, Tensor, np.ndarray]:
    """Of N rows what the last layer reads `(N, F)`, the gradient of its outputs `(N, K)`, and their numbers."""
    predictor: Predictor = measured.model.single_network("find influential rows")
    name, head = measured.target, predictor.heads[measured.target]
    network = eval_view(predictor.network)  # modules of its own: other threads may predict meanwhile
    last = _last_layer(network, name)
    read: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, args: read.append(args[0].detach()))
    assert head.column is not None
    columns = {name: head.column}
    rows = np.arange(len(measured.table))
    samples = encode_rows(with_inputs(measured.table, predictor.inputs), rows, predictor.inputs, columns)
    features, gradients = [], []
    try:
        for batch in samples.batches(torch.from_numpy(rows), batch_size):
            moved = batch.to(predictor.device)
            read.clear()
            with torch.no_grad(), autocast(predictor.device, torch.float32):
                outputs = network(*prepare_inputs(moved, predictor.inputs))[name]
            given = outputs.detach().requires_grad_(True)
            losses = row_losses(head, given, prepare_targets(moved, columns)[name])
            (gradient,) = torch.autograd.grad(losses.sum(), given)
            if len(read) != 1 or read[0].ndim != 2 or gradient.reshape(len(batch), -1).shape[1] != last.out_features:
                raise _unfit(name)
            features.append(read[0].float().cpu())
            gradients.append(gradient.reshape(len(batch), -1).float().cpu())
    finally:
        hook.remove()
    cells = table.column_values(name)
    known = [row for row, cell in enumerate(cells) if cell is not None and cell == cell]
    return torch.cat(features), torch.cat(gradients), np.array(known)


def _last_layer(network: nn.Module, target: str) -> nn.Linear:
    names, heads = getattr(network, "target_names", ()), getattr(network, "heads", ())
    if target in names and len(heads):
        linear = [module for module in heads[names.index(target)].modules() if isinstance(module, nn.Linear)]
        if linear:
            return linear[-1]
    raise _unfit(target)


def _unfit(target: str) -> ConfigError:
    return ConfigError(
        f"The head of target {target!r} does not end in a linear layer on one vector of a row, by which influential "
        "rows are found: classes, labels and quantities of whole rows have one."
    )

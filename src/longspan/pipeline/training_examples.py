"""The samples a learned stage is trained on: inputs and targets from a table, row by row or element by element."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.columns import Column
from longspan.data import Table
from longspan.errors import PipelineError
from longspan.pipeline.execution import Call, calls_of
from longspan.pipeline.flow import Flow
from longspan.pipeline.stage import Stage
from longspan.pipeline.training_set import TrainingSet
from longspan.pipeline.values import copied

__all__ = ["Samples", "gather", "training_set"]


@final
@dataclass(frozen=True, slots=True)
class Samples:
    """N samples to learn from, with the row of the table that each comes from."""

    inputs: dict[str, list[Any]]
    """By column read."""
    targets: dict[str, list[Any]]
    """By column added."""
    rows: np.ndarray
    """Row of the table, `(N,)` int64."""

    def __len__(self) -> int:
        return len(self.rows)


def gather(stage: Stage, flow: Flow) -> tuple[Samples, str]:
    """The samples that a stage learns from, and a note on what was left out and why, empty if nothing was.

    With `train_on="both"` those of true inputs come first, then those of predicted ones. A sample without one of its
    inputs, or without any target, is left out. Trained on predicted inputs with `each`, a row whose number of elements
    is not that of its ground truth is left out too, unless the stage has a `label` function.

    Raises:
        PipelineError: nothing is left; or `label` fails, or gives something else than it should.
    """
    parts = []
    if stage.train_on != "predicted":
        parts.append(_part(stage, flow, flow.rows.names))
    if stage.train_on != "truth":
        parts.append(_part(stage, flow, ()))
    used = [call for part in parts for call in part.used]
    targets = [found for part in parts for found in part.targets]
    note = _note(stage, parts, flow.rows.num_rows)
    if not used:
        raise PipelineError(f"Stage {stage.name!r} has nothing to learn from. {note}")
    samples = Samples(
        {name: [call.values[i] for call in used] for i, name in enumerate(stage.reads)},
        {name: [found[i] for found in targets] for i, name in enumerate(stage.adds)},
        np.asarray([call.row for call in used], np.int64),
    )
    return samples, note


@final
@dataclass(frozen=True, slots=True)
class _Part:
    """Samples of true or of predicted inputs."""

    used: list[Call]
    """Those to learn from."""
    targets: list[tuple[Any, ...]]
    """The target of each, by column added."""
    calls: list[Call]
    """All there are."""
    unmatched: set[int]
    """Rows with another number of elements than their ground truth has."""


def _part(stage: Stage, flow: Flow, taken: Collection[str]) -> _Part:
    """The samples of inputs that are taken from the table where it has them, and else computed."""
    reads = [flow.values(name, taken) for name in stage.reads]
    calls, lengths = calls_of(stage.spec, reads, flow.rows.where)
    if stage.label is None:
        true = [flow.values(name, flow.rows.names) for name in stage.adds]
    else:
        true = [_labelled(stage, flow, taken)]
    unmatched: set[int] = set()
    if stage.each is not None:
        for row, length in enumerate(lengths):
            if length is not None and not all(_fits(values[row], length) for values in true):
                if taken:
                    _raise_length(stage, [values[row] for values in true], length, flow.rows.where(row))
                unmatched.add(row)
    used, targets = [], []
    for call in calls:
        if call.row in unmatched:
            continue
        found = tuple(values[call.row] for values in true)
        if call.element is not None:
            found = tuple(None if values is None else values[call.element] for values in found)
        if any(value is not None for value in found):
            used.append(call)
            targets.append(found)
    return _Part(used, targets, calls, unmatched)


def training_set(
    stage: Stage, table: Table, samples: Samples, columns: Mapping[str, Column], makers: Mapping[str, Stage]
) -> TrainingSet:
    """The samples with what a component needs to learn from them.

    Args:
        stage: To be trained.
        table: Where the samples come from.
        samples: See `gather`.
        columns: What the columns that the stage reads and adds mean.
        makers: Stages before it, by what they add.
    """
    computed = {n for n in stage.reads if n in makers and (stage.train_on != "truth" or n not in table.columns)}
    if stage.each is not None:
        computed |= {stage.each, *stage.adds}
    if stage.label is not None:
        computed |= {*stage.adds}
    return TrainingSet(
        spec=stage.spec, inputs=samples.inputs, targets=samples.targets, rows=samples.rows, table=table,
        computed=frozenset(computed), columns=columns,
    )  # fmt: skip


def _labelled(stage: Stage, flow: Flow, taken: Collection[str]) -> list[Any]:
    """The targets that the stage's own function gives for its inputs, row by row."""
    assert stage.label is not None
    names = flow.upstream(stage.reads)
    predicted = dict(zip(names, [flow.values(name, taken) for name in names], strict=True))
    ground_truth = {name: flow.values(name, flow.rows.names) for name in flow.rows.names}
    known = ground_truth.get(stage.adds[0])  # a table need not have a column of what the function gives
    found: list[Any] = []
    for row in range(flow.rows.num_rows):
        where = flow.rows.where(row)
        if (known is not None and known[row] is None) or any(predicted[name][row] is None for name in stage.reads):
            found.append(None)
            continue
        try:
            found.append(
                stage.label(*({n: copied(v[row]) for n, v in part.items()} for part in (predicted, ground_truth)))
            )
        except Exception as error:
            raise PipelineError(
                f"The label function of stage {stage.name!r} failed in {where}: {type(error).__name__}: {error}"
            ) from error
        length = 0 if stage.each is None else len(predicted[stage.each][row])
        if stage.each is not None and not _fits(found[-1], length):
            raise PipelineError(
                f"The label function of stage {stage.name!r} must give a list of {length}, one per element of "
                f"{stage.each!r} (None for no label), but in {where} it gave {found[-1]!r}."
            )
    return found


def _fits(target: Any, length: int) -> bool:
    """A list of that length; a target that is missing fits any."""
    return target is None or (isinstance(target, list | tuple | np.ndarray) and len(target) == length)


def _raise_length(stage: Stage, targets: Sequence[Any], length: int, where: str) -> None:
    for name, target in zip(stage.adds, targets, strict=True):
        if not _fits(target, length):
            has = (
                f"{len(target)} in"
                if isinstance(target, list | tuple | np.ndarray)
                else f"not a list but {target!r} in"
            )
            raise PipelineError(
                f"Stage {stage.name!r} learns one {name!r} per element of {stage.each!r}, but {where} has {has} "
                f"{name!r} for {length} in {stage.each!r}."
            )


def _note(stage: Stage, parts: Sequence[_Part], num_rows: int) -> str:
    what = "rows" if stage.each is None else f"elements of {stage.each!r}"
    notes = []
    unmatched = sum(len(part.unmatched) for part in parts)
    if unmatched:
        notes.append(
            f"{unmatched} of {num_rows} rows were left out, because the number of predicted elements is not that "
            "of the true ones (a label= function can match them)"
        )
    unknown = sum(sum(call.row not in part.unmatched for call in part.calls) - len(part.used) for part in parts)
    if unknown:
        why = "their target is missing" if stage.label is None else "label= gives them no label"
        notes.append(f"{unknown} {what} were left out, because {why}")
    empty = num_rows - len({call.row for part in parts for call in part.calls})
    if empty:
        notes.append(f"{empty} of {num_rows} rows hold nothing to learn from: an input is missing, or a list is empty")
    return f"{stage.name}: " + "; ".join(notes) + "." if notes else ""

"""What a learned stage is trained on: its inputs and truth from a table, row by row or element by element."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.columns import Column
from longspan.data import Table, Task
from longspan.errors import PipelineError
from longspan.pipeline.execution import Call, calls_of, copied
from longspan.pipeline.flow import Flow
from longspan.pipeline.stage import Stage
from longspan.pipeline.stage_tables import table_of, with_values

__all__ = ["Examples", "gather", "task_of"]


@final
@dataclass(frozen=True, slots=True)
class Examples:
    """N samples to learn from, with the row of the table that each comes from."""

    inputs: dict[str, list[Any]]
    """By column read."""
    targets: dict[str, list[Any]]
    """By column added."""
    rows: np.ndarray
    """Row of the table, `(N,)` int64."""
    note: str
    """What was left out and why; empty if nothing was."""

    def __len__(self) -> int:
        return len(self.rows)


def gather(stage: Stage, flow: Flow) -> Examples:
    """The samples that a stage learns from: those of true inputs, of predicted ones, or both, one after the other.

    A sample without one of its inputs, or without any truth, is left out. Trained on predicted inputs with `each`, a
    row whose number of elements is not that of its truth is left out too, unless the stage has a `label` function.

    Raises:
        PipelineError: nothing is left; or `label` fails, or gives something else than it should.
    """
    parts = []
    if stage.train_on != "predicted":
        parts.append(_part(stage, flow, flow.rows.names))
    if stage.train_on != "truth":
        parts.append(_part(stage, flow, ()))
    kept = [call for part in parts for call in part.kept]
    targets = [found for part in parts for found in part.targets]
    note = _note(stage, parts, flow.rows.num_rows)
    if not kept:
        raise PipelineError(f"Stage {stage.name!r} has nothing to learn from. {note}")
    return Examples(
        {name: [call.values[i] for call in kept] for i, name in enumerate(stage.reads)},
        {name: [found[i] for found in targets] for i, name in enumerate(stage.adds)},
        np.asarray([call.row for call in kept], np.int64),
        note,
    )


@final
@dataclass(frozen=True, slots=True)
class _Part:
    """Samples of true or of predicted inputs."""

    kept: list[Call]
    """Those to learn from."""
    targets: list[tuple[Any, ...]]
    """The truth of each."""
    calls: list[Call]
    """All there are."""
    unmatched: set[int]
    """Rows with another number of elements than their truth has."""


def _part(stage: Stage, flow: Flow, taken: Collection[str]) -> _Part:
    """The samples of inputs that are taken from the table where it has them, and else computed."""
    reads = [flow.values(name, taken) for name in stage.reads]
    calls, lengths = calls_of(stage, reads, flow.rows.where)
    if stage.label is None:
        truths = [flow.values(name, flow.rows.names) for name in stage.adds]
    else:
        truths = [_labelled(stage, flow, taken)]
    unmatched: set[int] = set()
    if stage.each is not None:
        for row, length in enumerate(lengths):
            if length is not None and not all(_fits(truth[row], length) for truth in truths):
                if taken:
                    _refuse_length(stage, [truth[row] for truth in truths], length, flow.rows.where(row))
                unmatched.add(row)
    kept, targets = [], []
    for call in calls:
        if call.row in unmatched:
            continue
        found = tuple(truth[call.row] for truth in truths)
        if call.element is not None:
            found = tuple(None if values is None else values[call.element] for values in found)
        if any(value is not None for value in found):
            kept.append(call)
            targets.append(found)
    return _Part(kept, targets, calls, unmatched)


def task_of(
    stage: Stage,
    table: Table,
    examples: Examples,
    columns: Mapping[str, Column],
    makers: Mapping[str, Stage],
    size_px: tuple[int, int] | None,
) -> Task:
    """The task of a stage: all samples train. Values that stand in the table stay where they are and are not copied."""
    values = {**examples.inputs, **examples.targets}
    made = {name for name in stage.reads if name in makers and (stage.train_on != "truth" or name not in table.columns)}
    if stage.each is not None:
        made |= {stage.each, *stage.adds}
    if stage.label is not None:
        made |= {*stage.adds}
    direct = [name for name in values if name not in made]
    if direct:
        data = table.select(*direct).take(examples.rows)
        for name in direct:
            data = data.with_column(name, columns[name])
        for name in (name for name in values if name in made):
            data = with_values(data, name, columns[name], values[name], size_px)
    else:
        data = table_of(values, columns, size_px, stage.name)
    return Task(data.split(valid=0, stratify=None), stage.reads, stage.adds, size_px=size_px)


def _labelled(stage: Stage, flow: Flow, taken: Collection[str]) -> list[Any]:
    """What the stage's own function says is the truth for its inputs, row by row."""
    assert stage.label is not None
    names = flow.upstream(stage.reads)
    predicted = dict(zip(names, [flow.values(name, taken) for name in names], strict=True))
    truth = {name: flow.values(name, flow.rows.names) for name in flow.rows.names}
    answers = truth.get(stage.adds[0])  # a table need not have what the function says
    found: list[Any] = []
    for row in range(flow.rows.num_rows):
        where = flow.rows.where(row)
        if (answers is not None and answers[row] is None) or any(predicted[name][row] is None for name in stage.reads):
            found.append(None)
            continue
        try:
            found.append(stage.label(*({n: copied(v[row]) for n, v in part.items()} for part in (predicted, truth))))
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


def _fits(truth: Any, length: int) -> bool:
    """A list of that length; a truth that is missing fits any."""
    return truth is None or (isinstance(truth, list | tuple | np.ndarray) and len(truth) == length)


def _refuse_length(stage: Stage, truths: Sequence[Any], length: int, where: str) -> None:
    for name, truth in zip(stage.adds, truths, strict=True):
        if not _fits(truth, length):
            has = f"{len(truth)} in" if isinstance(truth, list | tuple | np.ndarray) else f"no list but {truth!r} in"
            raise PipelineError(
                f"Stage {stage.name!r} learns one {name!r} per element of {stage.each!r}, but {where} has {has} "
                f"{name!r} for {length} in {stage.each!r}."
            )


def _note(stage: Stage, parts: Sequence[_Part], num_rows: int) -> str:
    what = "rows" if stage.each is None else f"elements of {stage.each!r}"
    said = []
    unmatched = sum(len(part.unmatched) for part in parts)
    if unmatched:
        said.append(
            f"{unmatched} of {num_rows} rows were left out, because the number of predicted elements is not that "
            "of the true ones (a label= function can say which is which)"
        )
    unknown = sum(sum(call.row not in part.unmatched for call in part.calls) - len(part.kept) for part in parts)
    if unknown:
        why = "their truth is missing" if stage.label is None else "label= gives them no label"
        said.append(f"{unknown} {what} were left out, because {why}")
    empty = num_rows - len({call.row for part in parts for call in part.calls})
    if empty:
        said.append(f"{empty} of {num_rows} rows hold nothing to learn from: an input is missing, or a list is empty")
    return f"{stage.name}: " + "; ".join(said) + "." if said else ""

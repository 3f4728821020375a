"""What is wrong with a pipeline before anything is run: all faults at once, each with its cure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, final

import polars as pl

from longspan.columns import Column
from longspan.data import Table, Task
from longspan.errors import PipelineError, nearest
from longspan.pipeline.components import Component
from longspan.pipeline.stage import Stage

__all__ = ["Known", "added_columns", "known_columns", "raise_faults", "run_faults", "structure_faults"]


@final
@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a column before it is there; None where nothing is."""

    column: Column | None = None
    """What a value means, or one element of it where `listed`."""
    listed: bool | None = None
    """Whether each value is a list."""


def raise_faults(faults: Sequence[str], what: str) -> None:
    """PipelineError that lists the faults, if there are any."""
    sentences = [fault if fault.endswith("?") else f"{fault}." for fault in faults]
    if len(sentences) == 1:
        raise PipelineError(f"{what}: {sentences[0]}")
    if sentences:
        raise PipelineError("\n  ".join([f"{what}, for {len(sentences)} reasons:", *sentences]))


def structure_faults(stages: Sequence[Any]) -> list[str]:
    """What is wrong with the stages whatever the data: names that clash, an order that cannot be."""
    if not stages:
        return ["it has no stage"]
    strangers = [f"{stage!r} is not a Stage" for stage in stages if not isinstance(stage, Stage)]
    if strangers:
        return strangers
    names = Counter(stage.name for stage in stages)
    faults = [f"{count} stages are called {name!r}" for name, count in names.items() if count > 1]
    makers: dict[str, int] = {}
    for place, stage in enumerate(stages):
        for name in stage.adds:
            if name in makers:
                faults.append(f"{stages[makers[name]].name!r} and {stage.name!r} both add {name!r}; rename one of them")
            makers.setdefault(name, place)
    for place, stage in enumerate(stages):
        for name in stage.reads:
            maker = makers.get(name, -1)
            if maker <= place:
                continue
            later = stages[maker]
            fault = f"{stage.name!r} reads {name!r}, which {later.name!r} adds only after it; "
            if _leads_to(stages, stage, later):
                faults.append(fault + f"but {later.name!r} itself needs what {stage.name!r} adds: a cycle")
            else:
                faults.append(fault + f"put {later.name!r} first, or rename its column")
        faults += _link_faults(stage, stages[:place])
    return faults


def _link_faults(stage: Stage, before: Sequence[Stage]) -> list[str]:
    """What stops a stage from using the component of another, such as the features of its network."""
    uses = stage.component.traits.uses
    if uses is None:
        return []
    networks = {each.name: each for each in before if each.component.traits.has_network}
    noun = stage.component.traits.noun
    other = networks.get(uses)
    if other is None:
        near = nearest(uses, networks)
        hint = f"; did you mean {near!r}?" if near else ""
        return [
            f"{stage.name!r} needs {noun}, of stage {uses!r}, but no stage before it with a network has that name{hint}"
        ]
    if len(other.reads) != len(stage.reads):
        return [
            f"{stage.name!r} gives {noun}, of {other.name!r}, so it reads as many columns: {list(other.reads)}, not "
            f"{list(stage.reads)}"
        ]
    return []


def known_columns(data: Table | Task | Mapping[str, Column | None] | Sequence[str] | set[str]) -> dict[str, Known]:
    """What is known of the columns that come in: a table's, a task's inputs, by their meanings, or by name alone."""
    if isinstance(data, Task):
        return {name: _of_table(data.table, name) for name in data.input_names}
    if isinstance(data, Table):
        return {name: _of_table(data, name) for name in data.columns}
    if isinstance(data, Mapping):
        return {name: _of_column(column) for name, column in data.items()}
    return {name: Known() for name in ([data] if isinstance(data, str) else data)}


def run_faults(
    stages: Sequence[Stage], component: Callable[[Stage], Component | None], known: Mapping[str, Known]
) -> list[str]:
    """What stops the pipeline from running on data with these columns.

    Args:
        stages: Of sound structure.
        component: What does the work of a stage, ready to run, or None.
        known: The columns of the data. Those that stages add may be among them: they are ground truth, and not read.
    """
    added = {name for stage in stages for name in stage.adds}
    there = {name: what for name, what in known.items() if name not in added}
    faults: list[str] = []
    for stage in stages:
        for name in stage.reads:
            if name not in there:
                near = nearest(name, there)
                hint = f"; did you mean {near!r}?" if near else ""
                faults.append(f"{stage.name!r} reads {name!r}, which neither the data has nor a stage adds{hint}")
        faults += _kind_faults(stage, component(stage), there)
        there |= _what_it_adds(stage, component(stage))
    return faults


def _kind_faults(stage: Stage, component: Component | None, there: Mapping[str, Known]) -> list[str]:
    """Columns of another kind than a trained model reads, and elements of what is not a list."""
    faults = []
    if stage.each is not None and there.get(stage.each, Known()).listed is False:
        what = there[stage.each].column
        faults.append(
            f"{stage.name!r} runs once per element of {stage.each!r}, which is not a list"
            + ("" if what is None else f" but {what.kind}; if it is a list of them, declare it as ls.Raw()")
        )
    try:
        wanted = {} if component is None else component.signature(stage.spec)[0]
    except PipelineError as error:
        return [*faults, str(error).rstrip(".")]
    for name, column in wanted.items():
        known = there.get(name, Known())
        if name != stage.each and known.listed and known.column is not None and known.column.kind != "multi_label":
            faults.append(f"{stage.name!r} reads {name!r}, a list in every sample: say each={name!r}, or join it first")
            continue
        found = stage.columns.get(name, known.column)
        if name == stage.each and (not known.listed or (found is not None and found.kind == "raw")):
            found = stage.columns.get(name)  # what the whole list means says nothing of an element
        if found is not None and found.kind != column.kind:
            faults.append(
                f"{stage.name!r} reads {name!r}, which is {found.kind}, but was trained on {column.kind} values"
            )
    return faults


def added_columns(stage: Stage, component: Component | None) -> dict[str, Column]:
    """What a stage's columns mean that it adds, where its model or the stage says so; with `each` of one element."""
    columns = {name: stage.columns[name] for name in stage.adds if name in stage.columns}
    if component is not None:
        with suppress(PipelineError):  # it does not fit its stage, which is reported where it is run or trained
            columns |= component.signature(stage.spec)[1]
    return columns


def _what_it_adds(stage: Stage, component: Component | None) -> dict[str, Known]:
    columns = added_columns(stage, component)
    if stage.each is not None:
        return {name: Known(columns.get(name), listed=True) for name in stage.adds}
    return {name: _of_column(columns.get(name)) for name in stage.adds}


def _of_column(column: Column | None) -> Known:
    if column is None or column.kind == "raw":
        return Known(column)
    return Known(column, listed=column.kind == "multi_label")


def _of_table(table: Table, name: str) -> Known:
    column = table.columns[name]
    if column.kind != "raw":
        return _of_column(column)
    dtype = table.frame[name].dtype
    listed = None if dtype in (pl.Null, pl.Object) else dtype in (pl.List, pl.Array)
    return Known(column, listed=listed)


def _leads_to(stages: Sequence[Stage], start: Stage, end: Stage) -> bool:
    """Whether `end` needs, directly or through others, what `start` adds; in any order."""
    reached, grown = {*start.adds}, True
    while grown:
        grown = False
        for stage in stages:
            if {*stage.reads} & reached and not {*stage.adds} <= reached:
                reached |= {*stage.adds}
                grown = True
    return bool({*end.reads} & reached)

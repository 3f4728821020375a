"""What is wrong with a pipeline before anything is run: all faults at once, each with its cure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import polars as pl

from longspan.columns import Column
from longspan.data import Table
from longspan.errors import PipelineError, nearest
from longspan.inference import Ensemble, Predictor
from longspan.pipeline.estimator import EstimatorModel
from longspan.pipeline.execution import Taught, inputs_and_targets
from longspan.pipeline.network_features import FeaturesOf, NetworkFeatures
from longspan.pipeline.stage import Stage
from longspan.train import Learner

__all__ = ["Known", "added_columns", "known_columns", "refuse", "run_faults", "structure_faults"]


@final
@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a column before it is there; None where nothing is."""

    column: Column | None = None
    """What a value means, or one element of it where `listed`."""
    listed: bool | None = None
    """Whether each value is a list."""


def refuse(faults: Sequence[str], what: str) -> None:
    """PipelineError that lists the faults, if there are any."""
    said = [fault if fault.endswith("?") else f"{fault}." for fault in faults]
    if len(said) == 1:
        raise PipelineError(f"{what}: {said[0]}")
    if said:
        raise PipelineError("\n  ".join([f"{what}, for {len(said)} reasons:", *said]))


def structure_faults(stages: Sequence[Any]) -> list[str]:
    """What is wrong with the stages whatever the data: names that clash, an order that cannot be."""
    if not stages:
        return ["it has no stage"]
    strangers = [f"{stage!r} is no Stage" for stage in stages if not isinstance(stage, Stage)]
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
        faults += _features_faults(stage, stages[:place])
    return faults


def _features_faults(stage: Stage, before: Sequence[Stage]) -> list[str]:
    """What stops a stage from giving the features of another's network."""
    if not isinstance(stage.what, FeaturesOf):
        return []
    networks = {each.name: each for each in before if each.kind in ("strategy", "trained")}
    of = networks.get(stage.what.stage)
    if of is None:
        near = nearest(stage.what.stage, networks)
        hint = f"; did you mean {near!r}?" if near else ""
        return [
            f"{stage.name!r} gives the features of {stage.what.stage!r}, but no stage before it with a network is "
            f"called so{hint}"
        ]
    if len(of.reads) != len(stage.reads):
        return [
            f"{stage.name!r} gives the features of {of.name!r}, so it reads as many columns: {list(of.reads)}, not "
            f"{list(stage.reads)}"
        ]
    return []


def known_columns(data: Table | Mapping[str, Column | None] | Sequence[str] | set[str]) -> dict[str, Known]:
    """What is known of the columns that come in: from a table, from their meanings, or from their names alone."""
    if isinstance(data, Table):
        return {name: _of_table(data, name) for name in data.columns}
    if isinstance(data, Mapping):
        return {name: _of_column(column) for name, column in data.items()}
    return {name: Known() for name in ([data] if isinstance(data, str) else data)}


def run_faults(stages: Sequence[Stage], model: Callable[[Stage], Any], known: Mapping[str, Known]) -> list[str]:
    """What stops the pipeline from running on data with these columns.

    Args:
        stages: Of sound structure.
        model: Gives the trained model of a stage, or None.
        known: The columns of the data. Those that stages add may be among them: they are truth, and not read.
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
        faults += _kind_faults(stage, model(stage), there)
        there |= _what_it_adds(stage, model(stage))
    return faults


def _kind_faults(stage: Stage, model: Any, there: Mapping[str, Known]) -> list[str]:
    """Columns of another kind than a trained model wants, and elements of what is no list."""
    faults = []
    if stage.each is not None and there.get(stage.each, Known()).listed is False:
        what = there[stage.each].column
        faults.append(
            f"{stage.name!r} runs once per element of {stage.each!r}, which is no list"
            + ("" if what is None else f" but {what.kind}; if it is a list of them, declare it as ls.Raw()")
        )
    try:
        wanted = _wanted(stage, model)
    except PipelineError as error:
        return [*faults, str(error).rstrip(".")]
    for name, column in wanted.items():
        known = there.get(name, Known())
        if name != stage.each and known.listed and known.column is not None and known.column.kind != "categories":
            faults.append(f"{stage.name!r} reads {name!r}, a list in every sample: say each={name!r}, or join it first")
            continue
        found = stage.columns.get(name, known.column)
        if name == stage.each and (not known.listed or (found is not None and found.kind == "plain")):
            found = stage.columns.get(name)  # what the whole list means says nothing of an element
        if found is not None and found.kind != column.kind:
            faults.append(
                f"{stage.name!r} reads {name!r}, which is {found.kind}, but was trained on {column.kind} values"
            )
    return faults


def _wanted(stage: Stage, model: Any) -> dict[str, Column]:
    """What a trained model reads, by the names of its stage."""
    if isinstance(model, Taught):
        return model.columns
    if isinstance(model, NetworkFeatures):
        return dict(zip(stage.reads, model.inputs.values(), strict=True))
    if isinstance(model, EstimatorModel):
        pairs = zip(stage.reads, model.columns, strict=True)
        return {name: column for name, column in pairs if column is not None}
    if not isinstance(model, Learner | Predictor | Ensemble):
        return {}
    names, _ = inputs_and_targets(stage, model)
    first = model.members[0] if isinstance(model, Ensemble) else model
    return {name: first.inputs[names[name]] for name in stage.reads}


def added_columns(stage: Stage, model: Any) -> dict[str, Column]:
    """What the columns mean that a stage adds, where its model says so or it does; with `each` one element of them."""
    columns = {name: stage.columns[name] for name in stage.adds if name in stage.columns}
    if isinstance(model, Learner | Predictor | Ensemble):
        first = model.members[0] if isinstance(model, Ensemble) else model
        if len(first.heads) == len(stage.adds) and len(first.inputs) == len(stage.reads):
            _, targets = inputs_and_targets(stage, model)
            learnt = {name: first.heads[targets[name]].column for name in stage.adds}
            columns |= {name: column for name, column in learnt.items() if column is not None}
    return columns


def _what_it_adds(stage: Stage, model: Any) -> dict[str, Known]:
    columns = added_columns(stage, model)
    if stage.each is not None:
        return {name: Known(columns.get(name), listed=True) for name in stage.adds}
    return {name: _of_column(columns.get(name)) for name in stage.adds}


def _of_column(column: Column | None) -> Known:
    if column is None or column.kind == "plain":
        return Known(column)
    return Known(column, listed=column.kind == "categories")


def _of_table(table: Table, name: str) -> Known:
    column = table.columns[name]
    if column.kind != "plain":
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

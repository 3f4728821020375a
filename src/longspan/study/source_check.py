"""Whether what the stages of a pipeline start from has seen inputs that a study holds out.

A stage may hold a strategy that brings rows of its own, as `Transfer` brings its source task. It sees what the stages
before it make of a sample, so held-out samples are followed through all function stages to where it reads them. What
comes of a stage that has not been trained yet cannot be known before the study, and is not compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from longspan.data import Table, Task
from longspan.errors import PipelineError, StudyError
from longspan.pipeline import Pipeline, Stage
from longspan.pipeline.components import Component
from longspan.pipeline.execution import calls_of
from longspan.pipeline.flow import Flow, Rows
from longspan.study.identity import cell_digests, value_digest

__all__ = ["check_stage_sources", "strategies_inside"]

_TOGETHER = 256  # held-out rows whose values are in memory at a time


def strategies_inside(strategy: Any) -> Iterator[Any]:
    """A strategy and all that its stages hold, if it is a pipeline; those within these too."""
    yield strategy
    if isinstance(strategy, Pipeline):
        for stage in strategy.stages:
            yield from strategies_inside(stage.what)


def check_stage_sources(task: Task, pipeline: Pipeline) -> None:
    """Look for held-out inputs among the rows that stages always learn from (`fixed_rows`).

    Args:
        task: Of the study; its validation and test rows are held out.
        pipeline: A strategy.

    Raises:
        StudyError: a stage has seen some; the message names it.
    """
    held_out = np.concatenate([task.valid.numpy(), task.split.vault.rows_for_leak_check()])
    for stage in pipeline.stages:
        source = getattr(stage.what, "fixed_rows", None)
        names = _paired(stage, source)
        if not isinstance(source, Table) or not names:
            continue
        known = {*zip(*(cell_digests(source, np.arange(len(source)), name) for name in names), strict=True)}
        found = {each for each in _held_out_inputs(task, pipeline, stage, held_out) if each in known}
        if found:
            raise StudyError(
                f"stage {stage.name!r} starts from a source that trains on {len(found)} inputs that the study holds "
                "out: give it other rows."
            )


def _paired(stage: Stage, source: Any) -> list[str]:
    """The columns of the source in the order in which the stage reads them: by name, else by order; or none."""
    if not isinstance(source, Table):
        return []
    if {*stage.reads} <= {*source.columns}:
        return list(stage.reads)
    return list(source.columns) if len(source.columns) == len(stage.reads) else []


def _held_out_inputs(task: Task, pipeline: Pipeline, stage: Stage, held_out: np.ndarray) -> Iterator[tuple[bytes, ...]]:
    """Digests of what the stage reads of held-out rows: from the ground truth in the table, and from inputs alone."""
    table = task.table.take(held_out)
    whole = Rows.of_table(table)
    makers = {name: each for each in pipeline.stages for name in each.adds}
    for taken in (whole.names, frozenset[str]()):
        if not all(_computable(name, taken, makers, whole.names) for name in stage.reads):
            continue
        files = [
            name in whole.names and (name in taken or name not in makers) and table.columns[name].in_files
            for name in stage.reads
        ]
        for part in whole.parts(_TOGETHER):
            flow = Flow(pipeline.stages, _start, part)
            with suppress(PipelineError):  # a function that fails on a sample fails in the runs too, which say so
                calls, _ = calls_of(stage.spec, [flow.values(name, taken) for name in stage.reads], part.where)
                for call in calls:
                    yield tuple(value_digest(v, file=f) for v, f in zip(call.values, files, strict=True))


def _computable(name: str, taken: Collection[str], makers: dict[str, Stage], there: Collection[str]) -> bool:
    """Whether a column is in the table, or comes from function stages alone."""
    maker = None if name in taken else makers.get(name)
    if maker is None:
        return name in there
    traits = maker.component.traits
    return not traits.learned and traits.uses is None and all(_computable(n, taken, makers, there) for n in maker.reads)


def _start(stage: Stage) -> Component:
    return stage.component.start(_no_other)


def _no_other(name: str) -> Component:
    raise StudyError(f"Stage {name!r} has not been trained yet.")

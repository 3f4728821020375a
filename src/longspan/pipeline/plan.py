"""Which stages are trained on which table, and what would stop that: found before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from longspan.columns import Column
from longspan.data import Table
from longspan.errors import nearest
from longspan.pipeline.check import added_columns, raise_faults
from longspan.pipeline.components import Component
from longspan.pipeline.stage import Stage

__all__ = ["assign", "check_training"]


def assign(
    stages: Sequence[Stage], data: Table | Mapping[str, Table], *, skipped: Collection[str] = ()
) -> tuple[dict[str, Table], list[Stage]]:
    """The table of each stage that learns, and the stages that are to be trained, in order.

    Args:
        stages: Of a pipeline.
        data: One table for all, or one per learned stage, by its name.
        skipped: Stages that are not trained, whatever the tables.

    Raises:
        PipelineError: a table for no stage, or no table for a stage; all of them.
    """
    learned = {stage.name: stage for stage in stages if stage.learned}
    faults = []
    if isinstance(data, Table):
        tables = dict.fromkeys((name for name, stage in learned.items() if not stage.component.traits.keeps), data)
    else:
        tables = dict(data)
        for name in tables:
            if name not in learned:
                nouns = {stage.name: stage.component.traits.noun for stage in stages}
                near = nearest(name, learned)
                hint = f"; did you mean {near!r}?" if near else f"; the learned stages are {sorted(learned)}"
                what = f"no stage is called {name!r}"
                if name in nouns:
                    what = f"stage {name!r} is {nouns[name]} and learns nothing"
                faults.append(f"there is a table for {name!r}, but {what}{hint}")
    learners = []
    for name, stage in learned.items():
        if name in skipped:
            continue
        if name in tables:
            learners.append(stage)
        elif not stage.component.traits.keeps:
            faults.append(f"stage {name!r} is to be trained, but there is no table for it")
    raise_faults(faults, "The tables do not fit the stages")
    return tables, learners


def check_training(
    stages: Sequence[Stage],
    component: Callable[[Stage], Component | None],
    tables: Mapping[str, Table],
    learners: Sequence[Stage],
) -> dict[str, dict[str, Column]]:
    """What the columns of each stage that is to be trained mean.

    Args:
        stages: Of a pipeline.
        component: What does the work of a stage, ready to run, or None.
        tables: By stage; see `assign`.
        learners: The stages that are to be trained.

    Raises:
        PipelineError: targets or inputs that are missing, columns of a kind that cannot be; all of them.
    """
    faults: list[str] = []
    makers: dict[str, Stage] = {}
    added: dict[str, Column] = {}
    found: dict[str, dict[str, Column]] = {}
    for stage in stages:
        if stage in learners:
            if not stage.component.traits.trainable:
                what = type(stage.what).__name__
                faults.append(f"{stage.name!r} holds a {what}, which cannot be trained again: give a Recipe")
            missing = _needs(stage, tables[stage.name], makers)
            found[stage.name], unclear = _meanings(stage, tables[stage.name], makers, added)
            faults += missing or (unclear if stage.component.traits.needs_columns else [])
        elif stage.component.traits.keeps and not stage.component.ready:
            faults.append(f"the Learner of {stage.name!r} has not been trained yet: train it first, or give a Recipe")
        makers |= dict.fromkeys(stage.adds, stage)
        added |= added_columns(stage, component(stage)) | found.get(stage.name, {})
    raise_faults(list(dict.fromkeys(faults)), "This pipeline cannot be trained")
    return found


def _needs(stage: Stage, table: Table, makers: Mapping[str, Stage]) -> list[str]:
    """What stops a stage from being trained on a table: targets it lacks, or inputs that nothing gives."""
    faults = []
    for name in stage.adds:
        if name not in table.columns and stage.label is None:
            faults.append(
                f"{stage.name!r} learns {name!r}, but its table has no column of that ground truth{_like(name, table)}"
            )
    if stage.method != "predict" and stage.label is None and not stage.component.traits.has_network:
        faults.append(
            f"what {stage.name!r} adds, by method={stage.method!r}, is not what it learns: give its targets with "
            "label= and train_on='both' or 'predicted'"
        )
    if stage.train_on == "both" and not any(_has_ground_truth(name, table, makers) for name in stage.reads):
        faults.append(
            f"{stage.name!r} is trained on true and on predicted inputs, but its table has no ground truth of what "
            "the stages before it add: the two would be the same. Use train_on='predicted'"
        )
    for name in stage.reads:
        for true in (True, False) if stage.train_on == "both" else (stage.train_on == "truth",):
            faults += _unmet(stage, name, table, makers, true=true)
    return list(dict.fromkeys(faults))


def _has_ground_truth(name: str, table: Table, makers: Mapping[str, Stage]) -> bool:
    """Whether a column that stages add, or one that it is computed from, stands in the table."""
    maker = makers.get(name)
    return maker is not None and (
        name in table.columns or any(_has_ground_truth(read, table, makers) for read in maker.reads)
    )


def _unmet(stage: Stage, name: str, table: Table, makers: Mapping[str, Stage], *, true: bool) -> list[str]:
    """What stops a column from being read from the table or computed; `true`: from what the table has, if it can."""
    maker = makers.get(name)
    if name in table.columns and (true or maker is None):
        return []
    if maker is None:
        return [
            f"to train {stage.name!r}, {name!r} is needed, which neither its table has nor a stage before it adds"
            + _like(name, table)
        ]
    if maker.learned and true:
        return [
            f"{stage.name!r} is trained on true inputs, and its table has no ground truth for {name!r}, which "
            f"{maker.name!r} learns to add: give the table a column {name!r}, or train the stage on predictions, "
            "train_on='predicted'"
        ]
    return [fault for read in maker.reads for fault in _unmet(stage, read, table, makers, true=true)]


def _meanings(
    stage: Stage, table: Table, makers: Mapping[str, Stage], added: Mapping[str, Column]
) -> tuple[dict[str, Column], list[str]]:
    """What each column means to the network of a stage, and what stops it from meaning anything.

    Args:
        stage: To be trained.
        table: Its table.
        makers: Stages before it by what they add.
        added: What the columns mean that stages before it add, where that is known; with `each` of one element.
    """
    columns: dict[str, Column] = {}
    faults: list[str] = []
    for name in (*stage.reads, *stage.adds):
        element = stage.each is not None and (name == stage.each or name in stage.adds)
        maker = makers.get(name)
        from_table = name in table.columns and (maker is None or name in stage.adds or stage.train_on != "predicted")
        made = None if maker is None else added.get(name)
        verb = "learns" if name in stage.adds else "reads"
        what = "one element of it" if element else "it"
        argument = "adds" if verb == "learns" else "columns"
        cure = (
            f"{stage.name!r} {verb} {name!r}, but nothing says what {what} means to a network: "
            f"{argument}={{{name!r}: ...}} in the stage does"
        )
        if name in stage.columns:
            column = stage.columns[name]
        elif maker is not None and (maker.each is not None) != element:
            if maker.each is not None:
                faults.append(f"{stage.name!r} reads {name!r}, a list in every sample: say each={name!r}, or join it")
            else:
                faults.append(cure)
            continue
        elif from_table and not element:
            column = table.columns[name]
            if made is not None and made.kind != column.kind:
                faults.append(
                    f"{stage.name!r} would be trained on {name!r} as its table has it, {column.kind}, but "
                    f"{maker.name if maker else ''!r} adds it as {made.kind}"
                )
                continue
        elif made is not None:
            column = made
        else:
            faults.append(cure)
            continue
        if not column.for_networks:
            faults.append(
                f"{stage.name!r} {verb} {name!r}, {column.kind} values, which no network reads or predicts: give them "
                "another meaning, such as Category, Number or Text"
            )
        columns[name] = column
    return columns, faults


def _like(name: str, table: Table) -> str:
    near = nearest(name, table.columns)
    return f" (it has {near!r})" if near else ""

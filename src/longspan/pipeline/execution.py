"""One stage run over samples: element by element where it says so, and with the stage and row in every error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, final

import numpy as np

from longspan.errors import DataError, PipelineError
from longspan.heads import TargetPrediction
from longspan.pipeline.components import CallError, Component
from longspan.pipeline.stage_spec import StageSpec
from longspan.pipeline.values import brief

__all__ = ["Call", "calls_of", "run_stage"]

Where = Callable[[int], str]
"""The name of a row, for messages."""


@final
@dataclass(frozen=True, slots=True)
class Call:
    """One run of a stage's work: the values it reads, and for which row and, with `each`, which element."""

    values: tuple[Any, ...]
    row: int
    element: int | None = None


def run_stage(
    spec: StageSpec, component: Component, reads: Sequence[list[Any]], where: Where
) -> dict[str, list[TargetPrediction]]:
    """What a stage adds, one prediction per row; with `each` its value is a list.

    Args:
        spec: The stage.
        component: What does its work, started.
        reads: The values of the columns it reads, in the order of `reads`.
        where: Names a row in messages.

    Raises:
        PipelineError: it fails on a sample, or returns something else than it declares.
    """
    if component.traits.kind == "function":
        reads = [_taken(spec, name, values, where) for name, values in zip(spec.reads, reads, strict=False)]
    calls, lengths = calls_of(spec, reads, where)
    outcomes = _run(spec, component, calls, where) if calls else []
    return {name: _gathered([o[i] for o in outcomes], calls, lengths) for i, name in enumerate(spec.adds)}


def _taken(spec: StageSpec, name: str, values: list[Any], where: Where) -> list[Any]:
    """Values as the function takes them, where the stage declares their column: see `Column.for_function`."""
    if name == spec.each or (column := spec.columns.get(name)) is None:
        return values
    taken = []
    for row, value in enumerate(values):
        try:
            taken.append(None if value is None else column.for_function(value))
        except ValueError as error:
            raise PipelineError(f"Stage {spec.name!r} cannot read {name!r} in {where(row)}: {error}") from error
    return taken


def calls_of(spec: StageSpec, reads: Sequence[list[Any]], where: Where) -> tuple[list[Call], list[int | None]]:
    """The calls that a stage makes, and the length of the list it adds in each row: None where it adds none."""
    calls: list[Call] = []
    lengths: list[int | None] = []
    place = None if spec.each is None else spec.reads.index(spec.each)
    for row, values in enumerate(zip(*reads, strict=True)):
        missing = any(value is None for value in values)
        if place is None:
            lengths.append(None)
            if not missing:
                calls.append(Call(values, row))
            continue
        if missing:
            lengths.append(None)
            continue
        elements = values[place]
        if not isinstance(elements, list | tuple) and not (isinstance(elements, np.ndarray) and elements.ndim):
            raise PipelineError(
                f"Stage {spec.name!r} runs once per element of {spec.each!r}, but in {where(row)} that is "
                f"{brief(elements)}, which is not a list."
            )
        lengths.append(len(elements))
        for number, element in enumerate(elements):
            if element is not None:
                calls.append(Call((*values[:place], element, *values[place + 1 :]), row, number))
    return calls, lengths


def _run(
    spec: StageSpec, component: Component, calls: Sequence[Call], where: Where
) -> list[tuple[TargetPrediction, ...]]:
    try:
        return component.run([call.values for call in calls], spec)
    except CallError as error:
        cause = error.__cause__
        if isinstance(cause, Exception):
            _fail(spec, calls[error.index], where, cause)
        raise PipelineError(f"Stage {spec.name!r} failed {_place(calls[error.index], where)}: {error}.") from None
    except PipelineError:
        raise
    except Exception as error:
        for call in calls:  # slow, but only on the way to an error: which sample is it?
            try:
                component.run([call.values], spec)
            except Exception as cause:
                _fail(spec, call, where, cause)
        raise PipelineError(f"Stage {spec.name!r} failed: {type(error).__name__}: {error}") from error


def _gathered(
    outcomes: list[TargetPrediction], calls: Sequence[Call], lengths: Sequence[int | None]
) -> list[TargetPrediction]:
    """Predictions of calls as predictions of rows."""
    rows: list[TargetPrediction] = [TargetPrediction(None if length is None else [None] * length) for length in lengths]
    for call, outcome in zip(calls, outcomes, strict=True):
        if call.element is None:
            rows[call.row] = outcome
        else:
            rows[call.row].value[call.element] = outcome.value
    return rows


def _fail(spec: StageSpec, call: Call, where: Where, error: Exception) -> NoReturn:
    faults = error.faults if isinstance(error, DataError) else ()
    reason = "; ".join(fault.what for fault in faults) or " ".join(str(error).split())
    raise PipelineError(
        f"Stage {spec.name!r} failed {_place(call, where)}: {type(error).__name__}: {reason}"
    ) from error


def _place(call: Call, where: Where) -> str:
    return f"in {where(call.row)}" + ("" if call.element is None else f", element {call.element}")

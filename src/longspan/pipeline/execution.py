"""One stage run over samples: element by element where it says so, and with the stage and row in every error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, final

import numpy as np

from longspan.columns import Column
from longspan.errors import ConfigError, DataError, PipelineError
from longspan.heads import TargetPrediction
from longspan.inference import Ensemble, Predictor
from longspan.pipeline.estimator import EstimatorModel
from longspan.pipeline.network_features import NetworkFeatures
from longspan.pipeline.stage import Stage
from longspan.pipeline.stage_tables import table_of
from longspan.train import Learner, Trained

__all__ = ["Call", "Taught", "calls_of", "copied", "inputs_and_targets", "run_stage"]

Where = Callable[[int], str]
"""The name of a row, for messages."""


@final
@dataclass(frozen=True, slots=True)
class Call:
    """One run of a stage's work: the values it reads, and for which row and, with `each`, which element."""

    values: tuple[Any, ...]
    row: int
    element: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Taught:
    """What a strategy other than a Recipe trained, with what the columns meant that it was trained on."""

    trained: Trained
    columns: dict[str, Column]


def run_stage(stage: Stage, model: Any, reads: Sequence[list[Any]], where: Where) -> dict[str, list[TargetPrediction]]:
    """What a stage adds, one answer per row; with `each` the answer is a list.

    Args:
        stage: The stage.
        model: What does its work: a function, or what its training gave.
        reads: The values of the columns it reads, in the order of `reads`.
        where: Names a row in messages.

    Raises:
        PipelineError: it fails on a sample, or gives something else than it says.
    """
    calls, lengths = calls_of(stage, reads, where)
    if not calls:
        outcomes: list[tuple[TargetPrediction, ...]] = []
    elif stage.kind == "function":
        outcomes = [_called(stage, call, where) for call in calls]
    else:
        outcomes = _predicted(stage, model, calls, where)
    return {name: _gathered([o[i] for o in outcomes], calls, lengths) for i, name in enumerate(stage.adds)}


def calls_of(stage: Stage, reads: Sequence[list[Any]], where: Where) -> tuple[list[Call], list[int | None]]:
    """The calls that a stage makes, and the length of the list it adds in each row: None where it adds none."""
    calls: list[Call] = []
    lengths: list[int | None] = []
    place = None if stage.each is None else stage.reads.index(stage.each)
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
                f"Stage {stage.name!r} runs once per element of {stage.each!r}, but in {where(row)} that is "
                f"{_brief(elements)}, which is no list."
            )
        lengths.append(len(elements))
        for number, element in enumerate(elements):
            if element is not None:
                calls.append(Call((*values[:place], element, *values[place + 1 :]), row, number))
    return calls, lengths


def inputs_and_targets(stage: Stage, model: Learner | Predictor | Ensemble) -> tuple[dict[str, str], dict[str, str]]:
    """By what names a model knows the columns that a stage reads and adds: by the same ones, else in their order.

    Raises:
        PipelineError: it has more or fewer inputs or targets than the stage has columns.
    """
    first = model.members[0] if isinstance(model, Ensemble) else model
    pairs = []
    for what, own, names in (("reads", first.inputs, stage.reads), ("adds", first.heads, stage.adds)):
        if len(own) != len(names):
            raise PipelineError(
                f"Stage {stage.name!r} {what} {list(names)}, but its model has {len(own)} of them: {list(own)}."
            )
        pairs.append({n: n for n in names} if {*own} == {*names} else dict(zip(names, own, strict=True)))
    return pairs[0], pairs[1]


def _called(stage: Stage, call: Call, where: Where) -> tuple[TargetPrediction, ...]:
    """A function's results. It gets copies: what it does to an image or a list stays its own affair."""
    try:
        result = stage.what(*(copied(value) for value in call.values))
    except Exception as error:
        _fail(stage, call, where, error)
    if len(stage.adds) == 1:
        return (TargetPrediction(result),)
    if not isinstance(result, tuple | list) or len(result) != len(stage.adds):
        raise PipelineError(
            f"Stage {stage.name!r} adds {list(stage.adds)}, so its function must return a tuple of {len(stage.adds)}, "
            f"but {_place(call, where)} it returned {_brief(result)}."
        )
    return tuple(TargetPrediction(value) for value in result)


def _predicted(stage: Stage, model: Any, calls: Sequence[Call], where: Where) -> list[tuple[TargetPrediction, ...]]:
    try:
        return _answers(stage, model, calls)
    except PipelineError:
        raise
    except Exception as error:
        for call in calls:  # slow, but only on the way to an error: which sample is it?
            try:
                _answers(stage, model, [call])
            except Exception as cause:
                _fail(stage, call, where, cause)
        raise PipelineError(f"Stage {stage.name!r} failed: {type(error).__name__}: {error}") from error


def _answers(stage: Stage, model: Any, calls: Sequence[Call]) -> list[tuple[TargetPrediction, ...]]:
    if isinstance(model, EstimatorModel):
        return [(TargetPrediction(value),) for value in model.predict([call.values for call in calls])]
    if isinstance(model, NetworkFeatures):
        return [(TargetPrediction(value),) for value in model.predict([call.values for call in calls], stage.name)]
    if isinstance(model, Learner | Predictor | Ensemble):
        inputs, targets = inputs_and_targets(stage, model)
        names = [inputs[name] for name in stage.reads]
        found = model.predict([dict(zip(names, call.values, strict=True)) for call in calls], views=stage.views)
        return [tuple(prediction.answers[targets[name]] for name in stage.adds) for prediction in found]
    assert isinstance(model, Taught)
    values = zip(*(call.values for call in calls), strict=True)
    data = table_of(dict(zip(stage.reads, map(list, values), strict=True)), model.columns, stage.size_px, stage.name)
    found = model.trained.predict(data)
    if len(found) != len(calls):
        raise ConfigError(f"{type(model.trained).__name__}.predict gave {len(found)} answers for {len(calls)} samples.")
    return [tuple(TargetPrediction(prediction[name]) for name in stage.adds) for prediction in found]


def _gathered(
    outcomes: list[TargetPrediction], calls: Sequence[Call], lengths: Sequence[int | None]
) -> list[TargetPrediction]:
    """Answers of calls as answers of rows."""
    rows: list[TargetPrediction] = [TargetPrediction(None if length is None else [None] * length) for length in lengths]
    for call, outcome in zip(calls, outcomes, strict=True):
        if call.element is None:
            rows[call.row] = outcome
        else:
            rows[call.row].value[call.element] = outcome.value
    return rows


def _fail(stage: Stage, call: Call, where: Where, error: Exception) -> NoReturn:
    faults = error.faults if isinstance(error, DataError) else ()
    said = "; ".join(fault.what for fault in faults) or " ".join(str(error).split())
    raise PipelineError(f"Stage {stage.name!r} failed {_place(call, where)}: {type(error).__name__}: {said}") from error


def _place(call: Call, where: Where) -> str:
    return f"in {where(call.row)}" + ("" if call.element is None else f", element {call.element}")


def copied(value: Any) -> Any:
    """An image or list of its own, for a function that may change what it gets."""
    if isinstance(value, np.ndarray):
        return value.copy()
    return [copied(part) for part in value] if isinstance(value, list) else value


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array {value.shape}"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

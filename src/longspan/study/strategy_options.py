"""The options of a strategy by name, and the same strategy with other ones: what tuning changes.

"lr" is a field of a dataclass such as a recipe, "config.batch_size" one of a dataclass inside it, "classify.lr" one of
what the stage "classify" of a pipeline trains. A class of your own is tuned by a method `with_options(options)` that
gives a changed copy.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from longspan.errors import StudyError, nearest
from longspan.pipeline import Pipeline, Stage
from longspan.train import Phase, Recipe

__all__ = ["option_names", "with_options"]

_OF_PHASE = ("epochs", "lr", "schedule")


def option_names(strategy: Any) -> dict[str, Any]:
    """Every option that can be changed, with its value."""
    if isinstance(strategy, Pipeline):
        return {
            f"{stage.name}.{name}": value
            for stage in strategy.stages
            for name, value in (option_names(stage.what).items() if stage.kind == "strategy" else ())
        }
    inner = _recipe_inside(strategy)
    if inner is not None:
        return option_names(inner)
    if not is_dataclass(strategy) or isinstance(strategy, type):
        return {}
    found: dict[str, Any] = {}
    for field in fields(strategy):
        value = getattr(strategy, field.name)
        if isinstance(strategy, Recipe) and not _plain_phase(strategy) and field.name in ("epochs", "schedule"):
            continue  # several phases have their own
        if isinstance(strategy, Recipe) and field.name == "lr":
            value = max(phase.lr for phase in strategy.phases)
        found[field.name] = value
        if is_dataclass(value) and not isinstance(value, type):
            found |= {f"{field.name}.{name}": inside for name, inside in option_names(value).items()}
    return found


def with_options(strategy: Any, options: Mapping[str, Any]) -> Any:
    """A copy of the strategy with some options changed; the strategy itself where there are none.

    Raises:
        StudyError: a name that is not an option; the message gives the nearest.
        LongspanError: a value that the strategy refuses.
    """
    if not options:
        return strategy
    if callable(getattr(strategy, "with_options", None)):
        return strategy.with_options(dict(options))
    known = option_names(strategy)
    for name in options:
        if name not in known:
            near = nearest(name, known)
            hint = f" Did you mean {near!r}?" if near else f" It has {', '.join(list(known)[:12]) or 'none'}."
            raise StudyError(f"{type(strategy).__name__} has no option {name!r}.{hint}")
    if isinstance(strategy, Pipeline):
        return _pipeline_with(strategy, options)
    inner = _recipe_inside(strategy)
    if inner is not None:
        changed = copy.copy(strategy)
        changed.recipe = with_options(inner, options)
        return changed
    return _recipe_with(strategy, options) if isinstance(strategy, Recipe) else _dataclass_with(strategy, options)


def _recipe_inside(strategy: Any) -> Recipe | None:
    """What Transfer and SingleTask train with."""
    inner = getattr(strategy, "recipe", None)
    return inner if isinstance(inner, Recipe) and not is_dataclass(strategy) else None


def _plain_phase(recipe: Recipe) -> bool:
    """Whether the phases are the one that the recipe's own epochs, rate and schedule make."""
    return recipe.phases == (Phase(epochs=recipe.epochs, lr=recipe.lr, schedule=recipe.schedule),)


def _recipe_with(recipe: Recipe, options: Mapping[str, Any]) -> Recipe:
    """Fields of the one phase are set; with several phases a rate sets the highest one and scales the others."""
    options = dict(options)
    if "phases" in options or not any(name in options for name in _OF_PHASE):
        return _dataclass_with(recipe, options)
    if _plain_phase(recipe):
        return _dataclass_with(recipe, {**options, "phases": ()})
    factor = options.pop("lr") / max(phase.lr for phase in recipe.phases)
    phases = tuple(replace(phase, lr=phase.lr * factor) for phase in recipe.phases)
    return _dataclass_with(recipe, {**options, "phases": phases})


def _dataclass_with(value: Any, options: Mapping[str, Any]) -> Any:
    changes: dict[str, Any] = {}
    inside: dict[str, dict[str, Any]] = {}
    for name, new in options.items():
        first, dot, rest = name.partition(".")
        if dot:
            inside.setdefault(first, {})[rest] = new
        else:
            changes[name] = new
    for name, deeper in inside.items():
        changes[name] = _dataclass_with(changes.get(name, getattr(value, name)), deeper)
    return replace(value, **changes)


def _pipeline_with(pipeline: Pipeline, options: Mapping[str, Any]) -> Pipeline:
    stages = []
    for stage in pipeline.stages:
        own = {name[len(stage.name) + 1 :]: v for name, v in options.items() if name.startswith(f"{stage.name}.")}
        stages.append(_stage_with(stage, with_options(stage.what, own)) if own else stage)
    return Pipeline(stages, outputs=pipeline.outputs)


def _stage_with(stage: Stage, what: Any) -> Stage:
    return Stage(
        stage.name, what, reads=stage.reads, adds=stage.adds, each=stage.each, train_on=stage.train_on,
        label=stage.label, method=stage.method, views=stage.views, size_px=stage.size_px, columns=stage.columns,
    )  # fmt: skip

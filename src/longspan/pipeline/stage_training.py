"""One learned stage trained: its samples gathered, and handed to a strategy or to scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from longspan.columns import Column, Image
from longspan.data import Table
from longspan.errors import LongspanError, PipelineError
from longspan.inference import Ensemble, Predictor
from longspan.pipeline.estimator import SampleError, fit_estimator
from longspan.pipeline.execution import Taught, inputs_and_targets
from longspan.pipeline.flow import Flow
from longspan.pipeline.stage import Stage
from longspan.pipeline.training_examples import gather, task_of
from longspan.train import Budget, Learner, Recipe, Strategy

__all__ = ["teach"]


def teach(
    stage: Stage,
    flow: Flow,
    table: Table,
    makers: Mapping[str, Stage],
    columns: Mapping[str, Column],
    *,
    seed: int,
    budget: Budget | None,
    progress: bool,
) -> tuple[Any, str]:
    """What training the stage gave, and a note on samples that were left out, empty if none were.

    Args:
        stage: A strategy, an estimator, or a Learner that is to be trained again.
        flow: Of the rows of `table`, with the stages before it trained where their output is read.
        table: What the stage learns from.
        makers: Stages before it, by what they add.
        columns: What the columns that it reads and adds mean; an estimator needs that of images only.
        seed: Of everything random.
        budget: Of this stage alone; of no effect on estimators.
        progress: Print a line about what is trained on what.

    Raises:
        PipelineError: there is nothing to learn from, or training failed; it names the stage.
    """
    examples = gather(stage, flow)
    if progress:
        elements = f" ({len(examples):,} elements of {stage.each!r})" if stage.each else ""
        print(f"{stage.name}: {type(stage.what).__name__} learns from {len({*examples.rows}):,} rows{elements}")
    try:
        if stage.kind == "estimator":
            samples = list(zip(*(examples.inputs[name] for name in stage.reads), strict=True))
            read = [columns.get(name) for name in stage.reads]
            targets = examples.targets[stage.adds[0]]
            fitted = fit_estimator(
                stage.what, samples, targets, read, size_px=stage.size_px, seed=seed, method=stage.method
            )
            return fitted, examples.note
        strategy, size_px = _strategy(stage)
        task = task_of(stage, table, examples, columns, makers, size_px)
        trained = strategy.train(task, seed=seed, budget=budget)
    except SampleError as error:
        where = flow.rows.where(int(examples.rows[error.index]))
        raise PipelineError(f"Stage {stage.name!r} cannot learn from {where}: {error}.") from error
    except PipelineError:
        raise
    except LongspanError as error:
        raise PipelineError(f"Stage {stage.name!r} could not be trained: {error}") from error
    except Exception as error:
        raise PipelineError(f"Stage {stage.name!r} could not be trained: {type(error).__name__}: {error}") from error
    if isinstance(trained, Learner | Predictor | Ensemble):
        return trained, examples.note
    return Taught(trained, {name: columns[name] for name in stage.reads}), examples.note


def _strategy(stage: Stage) -> tuple[Strategy, tuple[int, int] | None]:
    """How the stage is trained, and at which size of image; a Learner as it was trained before."""
    if stage.kind == "strategy":
        return stage.what, stage.size_px
    learner = stage.what
    assert isinstance(learner, Learner)
    recipe = Recipe.of(learner)
    _, targets = inputs_and_targets(stage, learner)
    heads = {name: recipe.heads[targets[name]] for name in stage.adds}
    sizes = [column.size_px for column in learner.inputs.values() if isinstance(column, Image)]
    return replace(recipe, heads=heads), stage.size_px or next(iter(sizes), None)

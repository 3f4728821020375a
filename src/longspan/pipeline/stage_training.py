"""One learned stage trained: its samples gathered, and handed to its component."""

from __future__ import annotations

from collections.abc import Mapping

from longspan.columns import Column
from longspan.data import Table
from longspan.errors import LongspanError, PipelineError
from longspan.pipeline.components import Component
from longspan.pipeline.estimator import SampleError
from longspan.pipeline.flow import Flow
from longspan.pipeline.stage import Stage
from longspan.pipeline.training_examples import gather, training_set
from longspan.train import Budget

__all__ = ["train_stage"]


def train_stage(
    stage: Stage,
    flow: Flow,
    table: Table,
    makers: Mapping[str, Stage],
    columns: Mapping[str, Column],
    *,
    seed: int,
    budget: Budget | None,
    progress: bool,
) -> tuple[Component, str]:
    """What training the stage gave, and a note on samples that were left out, empty if none were.

    Args:
        stage: A strategy, an estimator, or a Learner that is to be trained again.
        flow: Of the rows of `table`, with the stages before it trained where their output is read.
        table: What the stage learns from.
        makers: Stages before it, by what they add.
        columns: What the columns that it reads and adds mean; an estimator needs that of images only.
        seed: Random seed.
        budget: Of this stage alone; of no effect on estimators.
        progress: Print a line about what is trained on what.

    Raises:
        PipelineError: there is nothing to learn from, or training failed; it names the stage.
    """
    samples, note = gather(stage, flow)
    if progress:
        elements = f" ({len(samples):,} elements of {stage.each!r})" if stage.each else ""
        print(f"{stage.name}: {type(stage.what).__name__} learns from {len({*samples.rows}):,} rows{elements}")
    data = training_set(stage, table, samples, columns, makers)
    try:
        return stage.component.fit(data, seed=seed, budget=budget), note
    except SampleError as error:
        where = flow.rows.where(int(samples.rows[error.index]))
        raise PipelineError(f"Stage {stage.name!r} cannot learn from {where}: {error}.") from error
    except PipelineError:
        raise
    except LongspanError as error:
        raise PipelineError(f"Stage {stage.name!r} could not be trained: {error}") from error
    except Exception as error:
        raise PipelineError(f"Stage {stage.name!r} could not be trained: {type(error).__name__}: {error}") from error

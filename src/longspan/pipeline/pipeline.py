"""Stages in order: checked, trained, run, measured, saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from longspan.columns import Column
from longspan.data import Table, Task
from longspan.data.batches.context import pixel_inputs
from longspan.errors import ConfigError, PipelineError, unknown_name
from longspan.heads import TargetPrediction
from longspan.inference import Prediction
from longspan.metrics.row_errors import RowError
from longspan.old_names import accepts_old_keywords, warn_renamed
from longspan.pipeline.ceiling import Ceiling, measure_ceiling
from longspan.pipeline.check import added_columns, known_columns, raise_faults, run_faults, structure_faults
from longspan.pipeline.components import Component
from longspan.pipeline.flow import Flow, Rows
from longspan.pipeline.plan import assign, check_training
from longspan.pipeline.runner import Runner
from longspan.pipeline.save import write_pipeline
from longspan.pipeline.scoring import measure_errors
from longspan.pipeline.stage import Stage
from longspan.pipeline.stage_training import train_stage
from longspan.portable import TrainedModel
from longspan.train import Budget

__all__ = ["Pipeline"]

_TOGETHER = 64  # rows whose values are in memory at a time while the pipeline predicts


@final
class Pipeline(TrainedModel):
    """Stages in order, each of which adds columns to a sample. It predicts, measures and saves like a Learner.

    A pipeline is a strategy as well: `train` fits a fresh copy on the training rows of a task.

    Example:
        >>> count = Stage("count", len, reads="word", adds="letters")
        >>> Pipeline([count, Stage("half", lambda n: n / 2, reads="letters", adds="half")]).predict("longspan")
        Prediction(half=4)
    """

    what: ClassVar[str] = "a pipeline"

    @accepts_old_keywords(answers="outputs")
    def __init__(self, stages: Sequence[Stage], *, outputs: Sequence[str] | None = None) -> None:
        """Check that the stages fit together.

        Args:
            stages: In the order in which they run.
            outputs: Added columns that a prediction gives; None: those that no other stage reads.

        Raises:
            PipelineError: names that clash, a column that is added only after it is read, a cycle; all of them.
        """
        self.stages = tuple(stages)
        raise_faults(structure_faults(self.stages), "These stages do not make a pipeline")
        read = {name for stage in self.stages for name in stage.reads}
        added = [name for stage in self.stages for name in stage.adds]
        for name in outputs or ():
            if name not in added:
                raise unknown_name("added column", name, added)
        self.outputs = tuple(outputs or [name for name in added if name not in read])
        self.inputs = tuple(dict.fromkeys(n for stage in self.stages for n in stage.reads if n not in added))
        self.heads = {}  # those of its stages are theirs
        self.notes: list[str] = []
        """What training left out and why."""
        self.fitted: dict[str, Component] = {}
        """What training gave, by stage."""

    @classmethod
    def restored(
        cls, stages: Sequence[Stage], fitted: Mapping[str, Component], *, outputs: Sequence[str], notes: Sequence[str]
    ) -> Pipeline:
        """A trained pipeline from its parts; `load` makes one. `fitted` are the components that stages do not hold."""
        pipeline = cls(stages, outputs=outputs)
        pipeline.fitted = dict(fitted)
        pipeline.notes = list(notes)
        return pipeline

    @property
    def answers(self) -> tuple[str, ...]:
        """`outputs` under its old name, with a warning."""
        warn_renamed("Pipeline.answers", "Pipeline.outputs")
        return self.outputs

    def __repr__(self) -> str:
        steps = []
        for stage in self.stages:
            each = f", each {stage.each}" if stage.each else ""
            steps.append(f"{stage.name}: {', '.join(stage.reads)} -> {', '.join(stage.adds)}{each}")
        return f"Pipeline({'; '.join(steps)})"

    @property
    def input_columns(self) -> dict[str, Column | None]:
        """What it reads, by name, with the columns that stages or their models declare."""
        known: dict[str, Column] = {}
        for stage in self.stages:
            read = getattr(getattr(self._started_or_none(stage), "model", None), "inputs", {})
            known |= {**stage.columns, **(read if isinstance(read, Mapping) else {})}
        return {name: known.get(name) for name in self.inputs}

    @property
    def target_columns(self) -> dict[str, Column | None]:
        """The outputs, with the columns that stages or their models declare; None for a list of values."""
        known: dict[str, Column] = {}
        for stage in self.stages:
            if stage.each is None:
                known |= {**added_columns(stage, self._component(stage)), **stage.columns}
        return {name: known.get(name) for name in self.outputs}

    def to_json(self) -> dict[str, Any]:
        """Stages and recipes as JSON values, the same in every run, which differ where two pipelines do."""
        return {
            "strategy": "pipeline",
            "stages": [stage.to_json() for stage in self.stages],
            "answers": list(self.outputs),
        }

    def model(self, stage: str) -> Any:
        """The function of a stage, or the model that training gave.

        Raises:
            PipelineError: the stage has not been trained yet.
        """
        names = {each.name: each for each in self.stages}
        if stage not in names:
            raise unknown_name("stage", stage, names)
        return self._started(names[stage]).model

    @property
    def steps_done(self) -> int:
        """Batches learned from in `fit`, over all stages."""
        return sum(getattr(self.model(name), "steps_done", 0) for name in self.fitted)

    # --- checking ------------------------------------------------------------------------------------------------

    def check(self, columns: Table | Task | Mapping[str, Column | None] | Sequence[str] | set[str]) -> None:
        """Whether the pipeline can run on data with these columns; nothing is run.

        Args:
            columns: A table, a task (its inputs alone), the meaning of each column, or only their names.

        Raises:
            PipelineError: a column that nothing gives (with the nearest that is there), of another kind than a trained
                stage wants, or `each` over what is not a list; all of them.
        """
        raise_faults(run_faults(self.stages, self._started_or_none, known_columns(columns)), "This pipeline cannot run")

    # --- training ------------------------------------------------------------------------------------------------

    def fit(
        self,
        data: Table | Mapping[str, Table],
        *,
        seed: int = 0,
        budget: Budget | None = None,
        skip_fitted: bool = False,
        progress: bool = False,
    ) -> Pipeline:
        """Train the learned stages in order, each on a table with the columns it reads and the targets it adds.

        A stage trained with `train_on="truth"` reads the table's own columns, and what the table lacks is computed from
        them by function stages; with "predicted" it reads what the stages before it predict, with "both" the one and
        the other. What a finished stage adds to a table is computed once and used by all stages after it.

        Args:
            data: One table for all stages, or one per learned stage, by its name. A stage that holds a trained model is
                trained again only if a table is named for it.
            seed: Random seed.
            budget: Shared equally by the stages that count steps; scikit-learn's estimators do not.
            skip_fitted: Go on after a training that failed or was interrupted: stages that are trained stay so.
            progress: Print a line per stage.

        Raises:
            PipelineError: targets, columns or tables that are missing, all of them, before anything is trained; or a
                stage that fails, by name and row. Stages trained before it stay trained.
        """
        tables, learners = assign(self.stages, data, skipped=self.fitted if skip_fitted else ())
        columns = check_training(self.stages, self._started_or_none, tables, learners)
        if not skip_fitted:
            self.fitted = {}
            self.notes = []
        traits = {stage.name: stage.component.traits for stage in self.stages}
        sharing = [n for n, each in traits.items() if each.counts_steps and (not each.keeps or n in tables)]
        fraction = None if budget is None or not sharing else budget.fraction(1 / len(sharing))
        flows: dict[int, Flow] = {}
        makers: dict[str, Stage] = {}
        added: dict[str, Column] = {}  # what trained stages add, with all classes they know
        for stage in self.stages:
            if stage in learners:
                table = tables[stage.name]
                if stage.train_on != "truth":
                    columns[stage.name] |= {
                        k: v for k, v in added.items() if k in stage.reads and k not in stage.columns
                    }
                flow = flows.setdefault(id(table), Flow(self.stages, self._started, Rows.of_table(table)))
                self.fitted[stage.name], note = train_stage(
                    stage, flow, table, makers, columns[stage.name], seed=seed, budget=fraction, progress=progress
                )
                self.notes += [note] if note else []
            makers |= dict.fromkeys(stage.adds, stage)
            added |= added_columns(stage, self._started_or_none(stage))
        return self

    def train(self, task: Task, *, seed: int = 0, budget: Budget | None = None) -> Pipeline:
        """A fresh copy, fitted on the training rows of a task alone; targets mean what they mean to the task.

        Raises:
            PipelineError: no stage adds a target of the task; or see `fit`.
        """
        added = [name for stage in self.stages for name in stage.adds]
        for name in task.target_names:
            if name not in added:
                raise unknown_name("added column", name, added)
        table = task.table.take(np.asarray(task.train))
        for name, column in task.targets.items():
            table = table.with_column(name, column)
        fresh = Pipeline(self.stages, outputs=tuple(dict.fromkeys([*task.target_names, *self.outputs])))
        return fresh.fit(table, seed=seed, budget=budget)

    def _component(self, stage: Stage) -> Component:
        return self.fitted.get(stage.name, stage.component)

    def _started_or_none(self, stage: Stage) -> Component | None:
        """What does the work of a stage, with fresh state; None if it, or one that it uses, is not trained."""
        component = self._component(stage)
        uses = component.traits.uses
        used = [each for each in self.stages if each.name == uses]
        if not all(each.ready for each in (component, *map(self._component, used))):
            return None
        return component.start(lambda name: self._component(next(each for each in self.stages if each.name == name)))

    def _started(self, stage: Stage) -> Component:
        component = self._started_or_none(stage)
        if component is None:
            raise PipelineError(f"Stage {stage.name!r} has not been trained yet: pipeline.fit(table) trains it.")
        return component

    # --- using ---------------------------------------------------------------------------------------------------

    def run(self, table: Table) -> dict[str, list[Any]]:
        """Every column that the stages add, one value per row.

        Raises:
            PipelineError: a column is missing or of another kind, or a stage fails on a sample, named with its row.
        """
        flow = self._flow(table)
        return {name: flow.values(name) for stage in self.stages for name in stage.adds}

    def predict(self, data: Any) -> Any:
        """Predictions for one sample, several, or a table, in order.

        Args:
            data: One value of the input column, or a dict by input where there are several; a list of such; or a Table
                with the input columns.

        Returns:
            One `Prediction`, or a list of them, as many as samples. A value that is missing stays missing.

        Raises:
            PipelineError: a stage fails on a sample; or see `run`.
        """
        if isinstance(data, Table):
            self.check(data)
            rows = Rows.of_table(data)
            images = pixel_inputs({name: data.columns[name] for name in self.inputs})
            sources = rows.read(images[0]) if images else [None] * len(data)
        else:
            samples = list(data) if isinstance(data, list | tuple) else [data]
            if not samples:
                return []
            columns = {name: [self._input(sample, name) for sample in samples] for name in self.inputs}
            rows = Rows.of_samples(columns)
            sources = [sample if isinstance(sample, Path) else None for sample in samples]
        outputs: dict[str, list[TargetPrediction]] = {name: [] for name in self.outputs}
        started = {stage.name: self._started(stage) for stage in self._needed()}  # state goes on from part to part
        for part in rows.parts(_TOGETHER):  # what stages in between add to an image may be much larger than it
            flow = Flow(self.stages, lambda stage: started[stage.name], part)
            for name in self.outputs:
                outputs[name] += flow.predictions(name)
        located = self.located
        predictions = [
            Prediction({name: column[row] for name, column in outputs.items()}, _path_of(source), located)
            for row, source in enumerate(sources)
        ]
        return predictions if isinstance(data, Table | list | tuple) else predictions[0]

    def start(self, *, deadline_s: float | None = None) -> Runner:
        """A runner that takes one sample at a time and keeps the state of stages between them, for loops that act.

        It works with the components of this moment; several runners share no state.

        Args:
            deadline_s: How long a step may take; three late steps in a row are an error that names the slowest stage.

        Raises:
            PipelineError: a stage is not trained.
        """
        stages = self._needed()
        return Runner(
            stages, lambda: [self._started(stage) for stage in stages], self.inputs, self.outputs, self.located,
            deadline_s=deadline_s,
        )  # fmt: skip

    def evaluate(self, table: Table) -> dict[str, float]:
        """The error of each output for which the table has ground truth, averaged over rows.

        It is the error of the table's column (`Column.error`): "error", such as the fraction of wrong predictions, or
        "mae" for numbers. With several outputs the names are "digit.error" and so on. Rows without ground truth count
        for nothing; a missing prediction is wrong, and for numbers their fraction is given as "unanswered".

        Raises:
            PipelineError: the table has no ground truth for any output; or see `run`.
        """
        return measure_errors(self._flow(table), table, self.outputs)

    def ceiling(
        self,
        table: Table,
        *,
        target: str | None = None,
        error: RowError | None = None,
        level: float = 0.95,
        seed: int = 0,
        bootstrap: int = 2000,
    ) -> Ceiling:
        """Which stage is to blame: the error left when what the stages add is replaced by the ground truth, in turn.

        Args:
            table: Rows with the ground truth of the output, and of what the stages before it add where that is known.
            target: The added column whose error is analysed; may be None where only one output has ground truth.
            error: How one prediction is measured; None: as its column does.
            level: Of the intervals.
            seed: Of the bootstrap.
            bootstrap: How many times the rows are drawn anew.

        Raises:
            PipelineError: the table has no ground truth for the target; or see `run`.
        """
        return measure_ceiling(
            self.stages, self._flow(table), table, self.outputs, target, error=error, level=level, seed=seed,
            bootstrap=bootstrap,
        )  # fmt: skip

    def save(self, path: str | Path) -> Path:
        """One safetensors file; `ls.load(path, functions={...})` reads it, and is handed your functions again.

        Raises:
            PipelineError: a stage is not trained, or holds what a file without code cannot hold.
        """
        return write_pipeline(Path(path), self.stages, self._started, self.outputs, self.notes)

    def _flow(self, table: Table) -> Flow:
        self.check(table)
        return Flow(self.stages, self._started, Rows.of_table(table))

    def _needed(self) -> list[Stage]:
        """The stages that the outputs are computed from, in order."""
        wanted = {*self.outputs}
        found = []
        for stage in reversed(self.stages):
            if wanted & {*stage.adds}:
                wanted |= {*stage.reads}
                found.append(stage)
        return found[::-1]

    def _input(self, sample: Any, name: str) -> Any:
        if isinstance(sample, dict):
            if name not in sample:
                raise unknown_name("input", name, sample)
            return sample[name]
        if len(self.inputs) > 1:
            raise ConfigError(f"This pipeline reads {sorted(self.inputs)}: give each sample as a dict of them.")
        return sample


def _path_of(value: Any) -> str | None:
    return str(value) if isinstance(value, str | Path) else None

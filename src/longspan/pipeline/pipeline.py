"""Stages in order: checked, trained, run, measured, saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from longspan.columns import Column, Image, Spatial
from longspan.data import Table, Task
from longspan.errors import ConfigError, PipelineError, unknown_name
from longspan.heads import TargetPrediction
from longspan.inference import Prediction
from longspan.pipeline.ceiling import Ceiling, measure_ceiling
from longspan.pipeline.check import added_columns, known_columns, refuse, run_faults, structure_faults
from longspan.pipeline.execution import Taught
from longspan.pipeline.flow import Flow, Rows
from longspan.pipeline.identity import describe_stage
from longspan.pipeline.network_features import FeaturesOf, NetworkFeatures
from longspan.pipeline.plan import assign, check_training, is_trained
from longspan.pipeline.save import write_pipeline
from longspan.pipeline.scoring import measure_errors
from longspan.pipeline.stage import Stage
from longspan.pipeline.stage_training import teach
from longspan.train import Budget

__all__ = ["Pipeline"]

_TOGETHER = 64  # rows whose values are in memory at a time while the pipeline predicts


@final
class Pipeline:
    """Stages in order, each of which adds columns to a sample. It predicts, measures and saves like a Learner.

    A pipeline is a strategy as well: `train` fits a fresh copy on the training rows of a task.

    Example:
        >>> count = Stage("count", len, reads="word", adds="letters")
        >>> Pipeline([count, Stage("half", lambda n: n / 2, reads="letters", adds="half")]).predict("longspan")
        Prediction(half=4)
    """

    def __init__(self, stages: Sequence[Stage], *, answers: Sequence[str] | None = None) -> None:
        """Check that the stages fit together.

        Args:
            stages: In the order in which they run.
            answers: Added columns that a prediction gives; None: those that no other stage reads.

        Raises:
            PipelineError: names that clash, a column that is added only after it is read, a cycle; all of them.
        """
        self.stages = tuple(stages)
        refuse(structure_faults(self.stages), "These stages make no pipeline")
        read = {name for stage in self.stages for name in stage.reads}
        added = [name for stage in self.stages for name in stage.adds]
        for name in answers or ():
            if name not in added:
                raise unknown_name("added column", name, added)
        self.answers = tuple(answers or [name for name in added if name not in read])
        self.inputs = tuple(dict.fromkeys(n for stage in self.stages for n in stage.reads if n not in added))
        self.notes: list[str] = []
        """What training left out and why."""
        self._models: dict[str, Any] = {}

    @classmethod
    def restored(
        cls, stages: Sequence[Stage], models: Mapping[str, Any], *, answers: Sequence[str], notes: Sequence[str]
    ) -> Pipeline:
        """A trained pipeline from its parts; `load` makes one. `models` are those that are not in the stages."""
        pipeline = cls(stages, answers=answers)
        pipeline._models = dict(models)
        pipeline.notes = list(notes)
        return pipeline

    def __repr__(self) -> str:
        steps = []
        for stage in self.stages:
            each = f", each {stage.each}" if stage.each else ""
            steps.append(f"{stage.name}: {', '.join(stage.reads)} -> {', '.join(stage.adds)}{each}")
        return f"Pipeline({'; '.join(steps)})"

    def to_json(self) -> dict[str, Any]:
        """Stages and recipes as JSON values, the same in every run: what tells one pipeline from another."""
        return {
            "strategy": "pipeline",
            "stages": [describe_stage(stage) for stage in self.stages],
            "answers": list(self.answers),
        }

    def model(self, stage: str) -> Any:
        """What does the work of a stage: its function, or the model that training gave.

        Raises:
            PipelineError: the stage is not trained yet.
        """
        names = {each.name: each for each in self.stages}
        if stage not in names:
            raise unknown_name("stage", stage, names)
        model = self._working_model(names[stage])
        return model.trained if isinstance(model, Taught) else model

    @property
    def steps_done(self) -> int:
        """Batches learned from in `fit`, over all stages."""
        return sum(getattr(self.model(name), "steps_done", 0) for name in self._models)

    # --- checking ------------------------------------------------------------------------------------------------

    def check(self, columns: Table | Mapping[str, Column | None] | Sequence[str] | set[str]) -> None:
        """Whether the pipeline can run on data with these columns; nothing is run.

        Args:
            columns: A table, the meaning of each column, or only their names.

        Raises:
            PipelineError: a column that nothing gives (with the nearest that is there), of another kind than a trained
                stage wants, or `each` over what is no list; all of them.
        """
        refuse(run_faults(self.stages, self._model_or_none, known_columns(columns)), "This pipeline cannot run")

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
        """Train the learned stages in order, each on a table with the columns it reads and the truth it adds.

        A stage trained with `train_on="truth"` reads the table's own columns, and what the table lacks is computed from
        them by given stages; with "predicted" it reads what the stages before it say, with "both" the one and the
        other. What a finished stage says of a table is computed once and used by all stages after it.

        Args:
            data: One table for all stages, or one per learned stage, by its name. A stage that holds a trained model is
                trained again only if a table is named for it.
            seed: Of everything random.
            budget: Shared equally by the stages that count steps; scikit-learn's estimators do not.
            skip_fitted: Go on after a training that failed or was interrupted: stages that are trained stay so.
            progress: Print a line per stage.

        Raises:
            PipelineError: truth, columns or tables that are missing, all of them, before anything is trained; or a
                stage that fails, by name and row. Stages trained before it stay trained.
        """
        tables, learners = assign(self.stages, data, skipped=self._models if skip_fitted else ())
        columns = check_training(self.stages, self._model_or_none, tables, learners)
        if not skip_fitted:
            self._models = {}
            self.notes = []
        sharing = [s for s in self.stages if s.kind == "strategy" or (s.kind == "trained" and s.name in tables)]
        fraction = None if budget is None or not sharing else budget.fraction(1 / len(sharing))
        flows: dict[int, Flow] = {}
        makers: dict[str, Stage] = {}
        said: dict[str, Column] = {}  # what trained stages add, with all classes they know
        for stage in self.stages:
            if stage in learners:
                table = tables[stage.name]
                if stage.train_on != "truth":
                    columns[stage.name] |= {
                        k: v for k, v in said.items() if k in stage.reads and k not in stage.columns
                    }
                flow = flows.setdefault(id(table), Flow(self.stages, self._working_model, Rows.of_table(table)))
                self._models[stage.name], note = teach(
                    stage, flow, table, makers, columns[stage.name], seed=seed, budget=fraction, progress=progress
                )
                self.notes += [note] if note else []
            makers |= dict.fromkeys(stage.adds, stage)
            said |= added_columns(stage, self._model_or_none(stage))
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
        fresh = Pipeline(self.stages, answers=tuple(dict.fromkeys([*task.target_names, *self.answers])))
        return fresh.fit(table, seed=seed, budget=budget)

    def _model_or_none(self, stage: Stage) -> Any:
        if stage.name in self._models:
            return self._models[stage.name]
        if isinstance(stage.what, FeaturesOf):
            of = next(each for each in self.stages if each.name == stage.what.stage)
            model = self._model_or_none(of)
            return None if model is None or not is_trained(model) else NetworkFeatures(stage.what, model)
        return stage.what if stage.kind in ("function", "trained") else None

    def _working_model(self, stage: Stage) -> Any:
        model = self._model_or_none(stage)
        if model is None or (stage.kind == "trained" and not is_trained(model)):
            raise PipelineError(f"Stage {stage.name!r} is not trained yet: pipeline.fit(table) trains it.")
        return model

    # --- using ---------------------------------------------------------------------------------------------------

    def run(self, table: Table) -> dict[str, list[Any]]:
        """Every column that the stages add, one value per row.

        Raises:
            PipelineError: a column is missing or of another kind, or a stage fails on a sample, named with its row.
        """
        flow = self._flow(table)
        return {name: flow.values(name) for stage in self.stages for name in stage.adds}

    def predict(self, data: Any) -> Any:
        """Answers for one sample, several, or a table, in order.

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
            images = [name for name in self.inputs if isinstance(data.columns[name], Image)]
            sources = rows.read(images[0]) if images else [None] * len(data)
        else:
            samples = list(data) if isinstance(data, list | tuple) else [data]
            if not samples:
                return []
            columns = {name: [self._input(sample, name) for sample in samples] for name in self.inputs}
            rows = Rows.of_samples(columns)
            sources = [sample if isinstance(sample, Path) else None for sample in samples]
        answers: dict[str, list[TargetPrediction]] = {name: [] for name in self.answers}
        for part in rows.parts(_TOGETHER):  # what stages in between say of an image may be much larger than it
            flow = Flow(self.stages, self._working_model, part)
            for name in self.answers:
                answers[name] += flow.answers(name)
        located = self._located()
        predictions = [
            Prediction({name: column[row] for name, column in answers.items()}, _path_of(source), located)
            for row, source in enumerate(sources)
        ]
        return predictions if isinstance(data, Table | list | tuple) else predictions[0]

    def evaluate(self, table: Table) -> dict[str, float]:
        """The error of each answer that the table has the truth of: "error", the fraction wrong, or "mae" for numbers.

        With several answers the names are "digit.error" and so on. Rows without truth count for nothing; an answer that
        is missing is wrong, and for numbers their share is given as "unanswered".

        Raises:
            PipelineError: the table has the truth of no answer; or see `run`.
        """
        return measure_errors(self._flow(table), table, self.answers)

    def ceiling(
        self, table: Table, *, target: str | None = None, level: float = 0.95, seed: int = 0, bootstrap: int = 2000
    ) -> Ceiling:
        """Which stage is to blame: the error left when what the stages add is replaced by the truth, in turn.

        Args:
            table: Rows with the truth of the answer, and of what the stages before it add where that is known.
            target: The added column whose error is looked at; may be None where only one answer has truth.
            level: Of the intervals.
            seed: Of the bootstrap.
            bootstrap: How many times the rows are drawn anew.

        Raises:
            PipelineError: the target has no truth in the table; or see `run`.
        """
        return measure_ceiling(
            self.stages, self._flow(table), table, self.answers, target, level=level, seed=seed, bootstrap=bootstrap
        )

    def save(self, path: str | Path) -> Path:
        """One safetensors file; `ls.load(path, functions={...})` reads it, and is handed your functions again.

        Raises:
            PipelineError: a stage is not trained, or holds what a file without code cannot hold.
        """
        return write_pipeline(Path(path), self.stages, self._working_model, self.answers, self.notes)

    def _flow(self, table: Table) -> Flow:
        self.check(table)
        return Flow(self.stages, self._working_model, Rows.of_table(table))

    def _located(self) -> dict[str, Spatial]:
        """The answers that lie in the image, with the columns that stages or their networks name."""
        found: dict[str, Spatial] = {}
        for stage in self.stages:
            heads = getattr(self._working_model(stage), "heads", {})
            for name in stage.adds:
                column = stage.columns.get(name) or getattr(heads.get(name), "column", None)
                if name in self.answers and isinstance(column, Spatial) and stage.each is None:
                    found[name] = column
        return found

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

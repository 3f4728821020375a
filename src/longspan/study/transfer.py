"""Transfer: a network is trained on another task first."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import polars as pl

from longspan.columns import ImageSpec
from longspan.data import Table, Task
from longspan.errors import ConfigError, StudyError
from longspan.inference import Predictor, load
from longspan.old_names import accepts_old_keywords
from longspan.study.identity import rows_digest, shared_rows, tensors_digest
from longspan.study.scoring import measure_for
from longspan.train import Budget, Learner, Recipe
from longspan.train.checkpoints.checkpoint import latest_steps

__all__ = ["Conditions", "Transfer"]


@final
@dataclass(frozen=True, slots=True)
class Conditions:
    """Whether the conditions hold under which transfer usually helps; it may help without them, or fail with them."""

    same_input: bool
    """Both tasks read the same kind of input, with as many channels."""
    more_source: bool
    """The source task has more training rows than the target task."""
    source_rows: int | None
    """Training rows of the source task; None where only the network is known."""
    target_rows: int
    notes: tuple[str, ...]
    """What was found, in sentences."""

    @property
    def hold(self) -> bool:
        """All of them."""
        return self.same_input and self.more_source

    def __str__(self) -> str:
        """The notes, line by line."""
        return "\n".join(self.notes)


@accepts_old_keywords(lower_rate="backbone_lr_mult")
@final
class Transfer:
    """A strategy: train a network on a source task, then on the target task from the weights it has.

    The source network is trained once, when it is first needed, and serves every training after that: the spread over
    seeds is that of the target task. Its heads are handed over too, where both tasks have the same classes.
    """

    def __init__(
        self,
        recipe: Recipe,
        source: Task | Learner | Predictor,
        *,
        source_recipe: Recipe | None = None,
        source_seed: int = 0,
        keep_in: str | Path | None = None,
        frozen: float | None = None,
        backbone_lr_mult: float | None = None,
    ) -> None:
        """Name the two trainings.

        Args:
            recipe: Of the target task; also gives the network.
            source: The task that the network is trained on first, or a network that already was.
            source_recipe: Of the source task; the same recipe if None. The network must be the same.
            source_seed: Of everything random in the source training.
            keep_in: Folder in which the trained source network is kept, and found again by a later call: a study that
                goes on does not train it twice, and a source training that was killed continues from its checkpoints.
                Its file is named by the source rows and recipe.
            frozen: Fraction of the layer groups, lowest first, that keep what they learned on the source task; None: as
                the recipe's phases say.
            backbone_lr_mult: Learning rate of the lowest layers as a fraction of the heads'; None: as the recipe's
            phases say.
        """
        changes = {"frozen": frozen, "backbone_lr_mult": backbone_lr_mult}
        changes = {name: value for name, value in changes.items() if value is not None}
        self.recipe = replace(recipe, phases=tuple(replace(phase, **changes) for phase in recipe.phases))
        self.source_recipe = source_recipe or recipe
        self.source = source if isinstance(source, Task) else None
        self._source_task = source.task if isinstance(source, Learner) else self.source
        self._cleared: set[int] = set()
        """Tables of target tasks whose held-out rows were looked for in the source task."""
        self.source_seed = source_seed
        self.keep_in = None if keep_in is None else Path(keep_in)
        self.source_steps = source.steps_done if isinstance(source, Learner) else 0
        self._trained: Predictor | None = None
        self._source_rows: int | None = None
        if isinstance(source, Learner):
            if not source.phases:
                raise ConfigError("The source learner has not been trained yet: fit it, or give its task.")
            self._trained, self._source_rows = source.predictor(), len(source.task.train)
        elif isinstance(source, Predictor):
            rows = source.info.get("training", {}).get("rows", {})
            self._trained, self._source_rows = source, rows.get("train")

    def __repr__(self) -> str:
        return f"Transfer({self.recipe.model!r} from {self.source or self._trained!r})"

    @property
    def starting_point(self) -> Predictor:
        """The network as the source task left it; trained now if it was not yet."""
        if self._trained is None:
            assert self.source is not None
            kept = None if self.keep_in is None else self.keep_in / f"source-{self._digest()}.safetensors"
            self._source_rows = len(self.source.train)
            if kept is not None and kept.exists():
                found = load(kept)
                if not isinstance(found, Predictor) or "steps" not in found.info.get("training", {}):
                    raise StudyError(
                        f"{kept} is not a source network that was kept here. Move it away, and it is trained again."
                    )
                self._trained, self.source_steps = found, found.info["training"]["steps"]
                return found
            learner = self._train_source(None if kept is None else kept.with_suffix(".checkpoints"))
            self._trained, self.source_steps = learner.predictor(), learner.steps_done
            if kept is not None:
                learner.save(kept)
                shutil.rmtree(kept.with_suffix(".checkpoints"), ignore_errors=True)
        return self._trained

    @property
    def fixed_rows(self) -> Table | None:
        """The inputs that the source network is trained on, where they are known: a study holds out none of them."""
        source = self._source_task
        if source is None:
            return None
        return source.table.select(*source.input_names).take(source.train.numpy())

    def prepare_source(self) -> None:
        """Train the source network now, if it has not been trained yet."""
        _ = self.starting_point

    def check(self, task: Task) -> None:
        """Train the source network and see that its weights fit: before a study begins, not in its middle.

        Raises:
            StudyError: the two networks differ, or the source task has inputs that the study holds out.
        """
        self._check_held_out(task)
        self._start(self.recipe.learner(task))

    def train(self, task: Task, *, seed: int = 0, budget: Budget | None = None, progress: bool = False) -> Learner:
        """A learner of the target task that began where the source task ended; the budget is that of this part.

        `progress` prints a line per epoch of this part.

        Raises:
            StudyError: the two networks differ, or rows that the target task holds out train in the source task.
        """
        self._check_held_out(task)
        learner = self.recipe.learner(task, seed=seed, progress=progress)
        self._start(learner)
        return learner.run(self.recipe.phases_for(learner, budget))

    def conditions(self, task: Task) -> Conditions:
        """Whether the conditions under which transfer usually helps hold for this target task."""
        task.prepare()
        source = self.starting_point
        theirs, ours = next(iter(source.inputs.values())), next(iter(task.inputs.values()))
        same = theirs.kind == ours.kind and getattr(theirs, "channels", None) == getattr(ours, "channels", None)
        rows = self._source_rows
        more = rows is not None and rows > len(task.train)
        known = "an unknown number of" if rows is None else f"{rows:,}"
        notes = [
            f"Same kind of input: {'yes' if same else 'no'} ({theirs.kind} and {ours.kind}).",
            f"More source rows than target rows: {'yes' if more else 'no' if rows is not None else 'not known'} "
            f"({known} against {len(task.train):,}).",
        ]
        specs = theirs.spec(), ours.spec()
        if isinstance(specs[0], ImageSpec) and isinstance(specs[1], ImageSpec) and specs[0].size_px != specs[1].size_px:
            notes.append(f"The images differ in size: {_size(specs[0])} and {_size(specs[1])} px.")
        return Conditions(same, more, rows, len(task.train), tuple(notes))

    @accepts_old_keywords(shares="fractions")
    def depths(
        self,
        task: Task,
        table: Table,
        *,
        fractions: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
        seeds: Sequence[int] = (0, 1, 2),
        budget: Budget | None = None,
    ) -> pl.DataFrame:
        """What freezing at each depth gives: the error on a table for every fraction of frozen layer groups and seed.

        Args:
            task: Its training rows are trained on.
            table: Rows to measure on.
            fractions: Of the backbone's layer groups, lowest first; 1 trains the heads alone.
            seeds: Of the trainings.
            budget: Of each training.

        Returns:
            Columns frozen, seed, target, error: one row for each training and target.
        """
        rows = []
        for fraction in fractions:
            deep = Transfer(self.recipe, self.starting_point, frozen=fraction)
            for seed in seeds:
                predicted = deep.train(task, seed=seed, budget=budget).predict(table)
                for name, column in task.targets.items():
                    error, _ = measure_for(name, column)(table.column_values(name), [each[name] for each in predicted])
                    rows.append({"frozen": float(fraction), "seed": seed, "target": name, "error": error})
        return pl.DataFrame(rows)

    def to_json(self) -> dict[str, Any]:
        """As JSON values: what a study compares to know whether the strategy is still the same."""
        return {
            "strategy": "transfer",
            "recipe": self.recipe.to_json(),
            "source": self._source_identity(),
            "source_recipe": self.source_recipe.to_json(),
            "source_seed": self.source_seed,
        }

    def _train_source(self, checkpoints: Path | None) -> Learner:
        """The source training; one that was killed continues from its last checkpoint."""
        assert self.source is not None
        recipe = self.source_recipe
        learner = recipe.learner(self.source, seed=self.source_seed)
        if checkpoints is not None and latest_steps(checkpoints):
            return learner.resume(checkpoints)
        return learner.run(recipe.phases, checkpoints=checkpoints)

    def _source_identity(self) -> str:
        """Fingerprint of the rows that the source network learns from, or of the weights that it has."""
        source = self.source
        if source is not None:
            return rows_digest(source.table, source.train.numpy(), [*source.input_names, *source.target_names])
        assert self._trained is not None
        return tensors_digest(self._trained.network.state_dict())

    def _digest(self) -> str:
        """What distinguishes this source network from another."""
        described = {name: value for name, value in self.to_json().items() if name.startswith("source")}
        return hashlib.blake2b(json.dumps(described, sort_keys=True).encode(), digest_size=8).hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        """What goes to a worker process: the trained source network instead of its task."""
        point = self.starting_point
        return {**self.__dict__, "source": None, "_source_task": None, "_trained": point}

    def _check_held_out(self, task: Task) -> None:
        """Held-out rows of the target task must not train the source network; searched once for each table."""
        theirs = self._source_task
        if theirs is None or id(task.table) in self._cleared:
            return
        held_out = np.concatenate([task.valid.numpy(), task.split.vault.rows_for_leak_check()])
        shared = shared_rows(task.table, held_out, theirs.table, theirs.train.numpy(), task.input_names)
        if shared:
            raise StudyError(
                f"The source task trains on {shared} rows with the inputs of rows that the target task holds out: give "
                "it other rows."
            )
        if len(held_out):  # a subset of a task holds nothing out, and stands for itself alone
            self._cleared.add(id(task.table))

    def _start(self, learner: Learner) -> None:
        """Put the source network's weights, and the scale of its inputs, into a fresh learner."""
        source = self.starting_point
        theirs, ours = source.network.backbone.state_dict(), learner.network.backbone.state_dict()
        unlike = [name for name in ours if name not in theirs or theirs[name].shape != ours[name].shape]
        if unlike:
            raise StudyError(
                f"The source network and {learner.model_name} differ: {unlike[0]} is "
                f"{tuple(ours[unlike[0]].shape)} here and {_shape(theirs.get(unlike[0]))} there. Both recipes must "
                "name the same network, one that reads images of either size."
            )
        learner.network.backbone.load_state_dict({name: theirs[name] for name in ours})
        for index, head in enumerate(learner.heads.values()):
            for position, other in enumerate(source.heads.values()):
                layers, known = learner.network.heads[index], source.network.heads[position].state_dict()
                shapes = {key: value.shape for key, value in layers.state_dict().items()}
                vocab = getattr(head.column, "vocab", None)
                if (
                    vocab is not None
                    and vocab == getattr(other.column, "vocab", None)
                    and head.kind == other.kind
                    and shapes == {key: value.shape for key, value in known.items()}
                ):
                    layers.load_state_dict(known)
        for name, column in learner.inputs.items():
            alike = [theirs for theirs in source.inputs.values() if theirs.kind == column.kind]
            if alike:
                learner.inputs[name] = column.with_statistics_of(alike[0])


def _size(spec: ImageSpec) -> str:
    return f"{spec.size_px[0]} x {spec.size_px[1]}"


def _shape(tensor: Any) -> str:
    return "missing" if tensor is None else str(tuple(tensor.shape))

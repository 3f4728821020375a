"""Trains one network on one task."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

import polars as pl
import torch
from torch import nn

from longspan.data import Table, Task
from longspan.data.batches.augmentation import augmentation_by_input
from longspan.errors import ConfigError, unknown_name
from longspan.heads import Head, check_extras, head_for
from longspan.inference.network import Network, eval_view, place
from longspan.inference.precision import pick_dtype
from longspan.inference.predictor import Predictor
from longspan.inference.scores import Scores, score_rows
from longspan.inference.source import prepare_inputs, whole_source
from longspan.metrics.per_class import ClassMetrics
from longspan.models import Backbone, ModelConfig, model_names
from longspan.models.fused import SMALL_ENCODERS
from longspan.old_names import accepts_old_keywords
from longspan.randomness import step_seed
from longspan.train.backbone_factory import make_backbone, normalised_for
from longspan.train.callbacks import Callback
from longspan.train.checkpoints.checkpoint import Checkpoints, latest_steps, name_of, read_latest
from longspan.train.checkpoints.checkpoint_state import check_same_training, go_back
from longspan.train.class_balance import count_classes
from longspan.train.config import Phase, TrainConfig, fine_tune_phases
from longspan.train.designs import DESIGNS, full_name, resolve_design, with_weights
from longspan.train.distributed.agreement import check_agreement
from longspan.train.distributed.processes import Distributed, device_of, join_processes, was_restarted
from longspan.train.distributed.spread import check_spread
from longspan.train.label_review import SuspectLabel, suspect_labels, write_relabel_page
from longspan.train.optimization.lr_find import LRFind, range_test
from longspan.train.optimization.schedules import Schedule
from longspan.train.phases import own_randomness, train_phases
from longspan.train.sequence_lengths import find_too_long
from longspan.train.training import MakeStep, Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Learner"]


@final
class Learner:
    """Trains a network on a task.

    Same seed, same machine: the same weights, bit for bit. Diagnostics (`lr_find`, `evaluate`, `predict`, `show_*`,
    `report`) leave no trace in what is trained after them. After training the network has the weights of the epoch with
    the lowest validation loss (see `TrainConfig.keep`).
    """

    def __init__(
        self,
        task: Task,
        model: str | ModelConfig | nn.Module,
        *,
        weights: str | Path | None = None,
        pool: Literal["avg", "avg_max"] | None = None,
        heads: Mapping[str, Head] | None = None,
        config: TrainConfig | None = None,
        callbacks: Sequence[Callback] = (),
        step: MakeStep | None = None,
        seed: int = 0,
        device: str = "auto",
        distributed: Distributed = "auto",
        progress: bool = True,
    ) -> None:
        """Read the task's rows (see `Task.prepare`) and build the network.

        Args:
            task: The table, its split, inputs and targets.
            model: A name (`longspan models` lists them), the config of a network with options, a design on a backbone
                ("unet:resnet18", see `DESIGNS`), or a module of yours (see `Network`).
            weights: Initial weights of the backbone: None for fresh ones, "imagenet", or a file. They may also stand
                after the name: "resnet18:imagenet".
            pool: Global pooling of the backbone, where it ends in one.
            heads: By target, in place of the default heads.
            config: Batch size, optimizer, augmentation and so on.
            callbacks: Run in this order, in every phase.
            step: What is done with a batch, where it is not supervised learning: a function that gets the
                `SupervisedStep` of a phase and returns your `TrainStep`.
            seed: Of everything random: first weights, order, augmentation, dropout.
            device: "auto" takes a GPU if there is one; of several processes each takes one of its own.
            distributed: "auto": train together with the other processes where `torchrun` has started several; see
                `docs/guides/several-processes.md`. "off": in this process alone.
            progress: Show bars and a line per epoch.
        """
        config = config or TrainConfig()
        processes = join_processes(distributed)
        picked = device_of(processes, device)
        # Names and libraries come before the data: reading it may take minutes.
        model, weights = with_weights(model, weights)
        unfitted = {name: task.table.columns[name] for name in task.target_names}
        named, designed = resolve_design(model, unfitted, heads or {})
        if isinstance(named, str) and named not in (SMALL_ENCODERS, *model_names()):
            raise unknown_name("model", named, [*model_names(), *DESIGNS])
        check_extras(unfitted, designed)
        task.prepare()
        for name in heads or {}:
            if name not in task.targets:
                raise unknown_name("target", name, task.targets)
        if isinstance(model, nn.Module) and (weights is not None or pool is not None):
            raise ConfigError("weights= and pool= are for networks by name; a module of yours comes with its own.")
        unblendable = [name for name, column in task.inputs.items() if not column.blendable]
        if config.mixup and unblendable:
            raise ConfigError(
                f"MixUp blends the inputs of two rows, but {', '.join(map(repr, unblendable))} "
                f"({task.inputs[unblendable[0]].kind}) cannot be blended: set mixup=0."
            )
        augmentation_by_input(config.augment, task.inputs)  # the names and kinds must fit
        wanted = model
        model, chosen = resolve_design(model, task.targets, heads or {})
        fitted = {name: head_for(column, chosen.get(name)) for name, column in task.targets.items()}
        fitted = count_classes(task, fitted)
        unblended = [name for name, head in fitted.items() if head.sees_targets or head.compares_rows]
        if config.mixup and unblended:
            raise ConfigError(f"MixUp needs losses that can be blended; that of {unblended[0]!r} cannot: mixup=0.")
        inputs = normalised_for(weights, task.inputs)
        with own_randomness(picked):
            torch.manual_seed(step_seed(seed, "weights", 0))
            backbone = model if isinstance(model, nn.Module) else make_backbone(model, inputs, weights, pool, fitted)
            network = place(Network(backbone, fitted), picked).eval()
            few = next(task.samples.batches(task.train[:2], 2)).to(picked)
            network.check(prepare_inputs(few, inputs), fitted)
        task.leave_out(find_too_long(task, backbone, inputs, fitted))
        self.training = Training(
            task=task,
            network=network,
            inputs=inputs,
            heads=fitted,
            config=config,
            seed=seed,
            device=picked,
            dtype=pick_dtype(config.precision, picked),
            model_name=backbone.name if isinstance(backbone, Backbone) else type(backbone).__name__,
            weights=None if weights is None else str(weights),
            make_step=step,
            callbacks=list(callbacks),
            progress=progress and processes.is_first,
            processes=processes,
        )
        with processes.together():
            check_spread(self.training)
        check_agreement(self.training, processes)
        self.task = task
        self.network = network
        self.inputs = inputs
        self.heads = fitted
        self.config = config
        self.seed = seed
        self.device = picked
        self.dtype = self.training.dtype
        self.weights = self.training.weights
        self.model_name = self.training.model_name
        self.full_name = full_name(wanted, self.model_name)
        self.callbacks = self.training.callbacks
        self.history = self.training.history
        self.phases = self.training.phases
        self.evaluations = self.training.evaluations
        self.notes = self.training.notes

    @property
    def epochs_done(self) -> int:
        """Epochs trained so far, over all phases."""
        return self.training.epochs_done

    @property
    def steps_done(self) -> int:
        """Batches trained on so far, over all phases."""
        return self.training.steps_done

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights the network has, if not the last one's; see `TrainConfig.keep`."""
        return self.training.best_epoch

    def __repr__(self) -> str:
        parameters = sum(p.numel() for p in self.network.parameters())
        return f"Learner({self.model_name}, {parameters:,} parameters; {self.task!r}; {self.epochs_done} epochs done)"

    # --- training ------------------------------------------------------------------------------------------------

    def fit(
        self,
        epochs: int,
        lr: float = 1e-3,
        *,
        schedule: Schedule = "linear",
        warmup: float = 0.0,
        checkpoints: str | Path | Checkpoints | None = None,
    ) -> Learner:
        """Train all layers at one rate.

        Args:
            epochs: Passes over the training rows.
            lr: Peak learning rate.
            schedule: How it moves; see `schedules.lr_factor`.
            warmup: Fraction of the steps in which it rises first.
            checkpoints: A folder, or `Checkpoints` that also say how often; a killed training goes on with `resume`.
        """
        phases = [Phase(epochs=epochs, lr=lr, schedule=schedule, warmup=warmup)]
        if not self._goes_on(checkpoints):
            train_phases(self.training, phases, checkpoints)
        return self

    def fit_one_cycle(
        self,
        epochs: int,
        lr: float = 3e-3,
        *,
        warmup: float = 0.25,
        checkpoints: str | Path | Checkpoints | None = None,
    ) -> Learner:
        """Train all layers; the rate rises to `lr`, then falls to nothing (Smith 2018)."""
        phases = [Phase(epochs=epochs, lr=lr, schedule="one_cycle", warmup=warmup)]
        if not self._goes_on(checkpoints):
            train_phases(self.training, phases, checkpoints)
        return self

    @accepts_old_keywords(lower_rate="backbone_lr_mult")
    def fine_tune(
        self,
        epochs: int,
        lr: float = 2e-3,
        *,
        freeze_epochs: int = 1,
        backbone_lr_mult: float = 0.01,
        checkpoints: str | Path | Checkpoints | None = None,
    ) -> Learner:
        """Train the heads on the frozen backbone, then everything, with smaller rates for lower layers.

        Without augmentation the frozen backbone runs over each row once, however many epochs the heads train for.

        Args:
            epochs: Of the second phase.
            lr: Peak rate of the heads in the first phase; half of it in the second.
            freeze_epochs: Of the first phase.
            backbone_lr_mult: Rate of the lowest layers as a fraction of the heads'.
            checkpoints: A folder, or `Checkpoints` that also say how often; a killed training goes on with `resume`.
        """
        phases = fine_tune_phases(epochs, lr, freeze_epochs=freeze_epochs, backbone_lr_mult=backbone_lr_mult)
        if not self._goes_on(checkpoints):
            train_phases(self.training, phases, checkpoints)
        return self

    def run(self, phases: Sequence[Phase], *, checkpoints: str | Path | Checkpoints | None = None) -> Learner:
        """Train phase after phase; `fit`, `fit_one_cycle` and `fine_tune` do this with phases of their own.

        Where `torchrun` has started all processes again because one died, this goes on from the last checkpoint.
        """
        if not self._goes_on(checkpoints):
            train_phases(self.training, phases, checkpoints)
        return self

    def _goes_on(self, checkpoints: str | Path | Checkpoints | None) -> bool:
        """Whether the training has gone on from a checkpoint, because all processes were started again."""
        if checkpoints is None or not was_restarted():
            return False
        done, _ = self.training.processes.from_first(latest_steps(Checkpoints.of(checkpoints).path))
        if done <= self.steps_done:
            return False
        self.resume(checkpoints)
        return True

    def resume(self, checkpoints: str | Path | Checkpoints) -> Learner:
        """Resume from the last whole checkpoint in a folder, as if there had never been an interruption.

        The learner must be made as the first one was: same task, model, config and seed.

        Raises:
            CheckpointError: there is none, it belongs to another training, or another process works in the folder.
        """
        checkpoints, processes = Checkpoints.of(checkpoints), self.training.processes
        with contextlib.ExitStack() as stack:
            tensors: dict[str, torch.Tensor] = {}
            values: dict[str, Any] = {}
            with processes.together():
                if processes.is_first:
                    stack.enter_context(checkpoints.locked())
                    tensors, values, damaged = read_latest(checkpoints.path)
                    if damaged:
                        print(
                            f"Damaged checkpoints were skipped: {'; '.join(damaged)} Resuming from {name_of(values)}."
                        )
                    check_same_training(self.training, values, checkpoints.path)
            values, tensors = processes.from_first(values, tensors)
            phases = go_back(self.training, values, tensors)
            train_phases(self.training, phases, checkpoints, resumed=(values["phase_index"], values, tensors))
        return self

    # --- looking, without a trace --------------------------------------------------------------------------------

    def lr_find(self, *, start: float = 1e-7, end: float = 10.0, steps: int = 100) -> LRFind:
        """Train over a few rising rates on a copy, and suggest one (Smith 2015, section 3.3); leaves no trace.

        Args:
            start: The first rate.
            end: The last one, unless the loss blows up before.
            steps: Batches; rates lie evenly on a log scale.

        Raises:
            TrainingError: the loss is not a finite number from the start.
        """
        with own_randomness(self.device):
            return range_test(self.training, start, end, steps)

    def scores(self, part: Literal["train", "valid"] = "valid") -> Scores:
        """Predictions, targets and losses of each training or validation row."""
        if part not in ("train", "valid"):
            raise ConfigError(f"scores() takes 'train' or 'valid', got {part!r}; test rows: evaluate('test').")
        return self._score(self.task.train if part == "train" else self.task.valid)

    def per_class(self, part: Literal["train", "valid"] = "valid") -> dict[str, list[ClassMetrics]]:
        """By target precision, recall, F1, average precision and ROC AUC of each class."""
        return self.scores(part).per_class(self.heads)

    def evaluate(
        self,
        part: Literal["train", "valid", "test"] | Table = "valid",
        *,
        reason: str = "evaluate('test')",
        views: int = 1,
    ) -> dict[str, float]:
        """Loss and metrics, on rows of the split or on another table.

        Args:
            part: "test" opens the vault: counted, dated, and kept with `reason` in the model file and the report.
            reason: Why the vault is opened.
            views: More than 1 averages over augmented views of each image; the loss is then left out.
        """
        if isinstance(part, Table):
            self.task.check_not_sealed(part)
            return self.predictor().evaluate(part, views=views)
        if part not in ("train", "valid", "test"):
            raise unknown_name("part", str(part), ("train", "valid", "test"))
        rows = self.task.open_vault(reason) if part == "test" else getattr(self.task, part)
        scores = self._score(rows)
        metrics = scores.metrics(self.heads)
        if views > 1:
            metrics = scores.metrics_of(self.predictor().predict_rows(self.task.samples, rows, views=views), self.heads)
        if part != "train":
            self.evaluations[part if views == 1 else f"{part}, {views} views"] = metrics
        return metrics

    def _score(self, rows: torch.Tensor) -> Scores:
        source = whole_source(self.task.samples, self.inputs, self.device, self.dtype)
        network = eval_view(self.network)
        return score_rows(source, network, rows, self.heads, self.task.targets, self.config.batch_size * 2)

    def suspect_labels(self) -> list[SuspectLabel]:
        """Labels of validation rows that are probably wrong, the surest first (confident learning).

        Training rows are left out: a network that has learned a wrong label finds nothing wrong with it. For all rows
        see `cross_validate`.
        """
        return suspect_labels(self.heads, self.scores())

    def relabel_page(self, path: str | Path, target: str | None = None) -> Path:
        """A page that shows the suspect labels of one target, to relabel or drop them; it writes a CSV file."""
        target = target or next(iter(self.heads))
        return write_relabel_page(Path(path), self.task, [s for s in self.suspect_labels() if s.target == target])

    def predict(self, data: Any, *, views: int = 1) -> Any:
        """Predictions for one value, several, or a table, in order; see `Predictor.predict`."""
        return self.predictor().predict(data, views=views)

    def show_batch(self, n: int = 9) -> Figure:
        """Training images as the network gets them, augmented, with their targets."""
        from longspan.train.reports.show import batch_figure

        return batch_figure(self, n)

    def show_results(self, n: int = 9) -> Figure:
        """Validation images with prediction and target; the worst errors first."""
        from longspan.train.reports.show import results_figure

        return results_figure(self, n)

    def frame(self) -> pl.DataFrame:
        """The history, one row per epoch."""
        return pl.DataFrame([{k: v for k, v in record.items() if k != "step_losses"} for record in self.history])

    def report(self, path: str | Path) -> Path:
        """One self-contained HTML file: curves, confusion, worst mistakes, samples, settings, environment."""
        from longspan.train.reports.learner_report import write_report

        return write_report(self, Path(path))

    def settings(self) -> dict[str, Any]:
        """Everything that was chosen, as JSON values by group."""
        return {
            "model": {"name": self.model_name, "weights": self.weights or "none", "seed": self.seed},
            "training": self.config.to_json(),
            **{f"phase {i + 1}": phase.to_json() for i, phase in enumerate(self.phases)},
            **{
                f"head of {name}": {k: v for k, v in head.to_json().items() if k != "column"}
                for name, head in self.heads.items()
            },
        }

    # --- using what was learned -----------------------------------------------------------------------------------

    def predictor(self) -> Predictor:
        """The trained model; it follows the weights of this learner."""
        return self.training.predictor()

    def save(self, path: str | Path) -> Path:
        """One safetensors file with everything needed to use the model; `ls.load` reads it."""
        return self.predictor().save(path)

    def info(self) -> dict[str, Any]:
        """What a model file records of the training, as JSON values."""
        return self.training.info()

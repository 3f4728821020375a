"""Training after the first training: a pruned network is fine-tuned, a student is taught."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from longspan.columns.augmentation import Augmentation
from longspan.data import Table, Task
from longspan.deploy.distillation import DistillationStep, teachable
from longspan.inference import Predictor
from longspan.inference.new_inputs import column_of
from longspan.train import Learner, TrainConfig

__all__ = ["fine_tuned", "taught"]

_TEACHER = 0.9  # of the loss of a pruned network: what the original says
_FEATURES = 4.0  # how often the distance to the original's features counts beside it


def fine_tuned(
    predictor: Predictor,
    teacher: Predictor,
    table: Table,
    *,
    epochs: int,
    lr: float,
    batch_size: int,
    augment: Augmentation | Mapping[str, Augmentation],
    seed: int,
    progress: bool,
) -> Predictor:
    """The model, trained for some more epochs with all its layers; the rates rise and fall once.

    It also learns the features of the model that it was made of, which it still has in the same width, and what that
    model says where its heads can be distilled.

    Args:
        predictor: Reads the table's inputs and predicts its targets; it stays as it is.
        teacher: What it was made of.
        table: Training rows, and nothing else.
        epochs: Over them.
        lr: The peak rate.
        batch_size: Rows per step.
        augment: Of the rows; the teacher sees the same.
        seed: Of order and augmentation.
        progress: Show bars.
    """
    backbone = copy.deepcopy(predictor.network.backbone).requires_grad_(True)
    weight = _TEACHER if teachable(predictor.heads) else 0.0
    learner = Learner(
        _task(predictor, table), backbone, heads=predictor.heads,
        config=_config(predictor, batch_size, augment),
        step=lambda step: DistillationStep(step, teacher, weight=weight, features=_FEATURES), seed=seed,
        device="cpu", progress=progress,
    )  # fmt: skip
    learner.network.load_state_dict(predictor.network.state_dict())
    learner.fit_one_cycle(epochs, lr)
    return _with_info(learner, predictor)


def taught(
    teacher: Predictor,
    student: str,
    table: Table,
    *,
    weights: str | Path | None = None,
    epochs: int,
    lr: float,
    batch_size: int,
    augment: Augmentation | Mapping[str, Augmentation],
    seed: int,
    progress: bool,
) -> Predictor:
    """A network by name that learned from the targets and from the teacher; see `DistillationStep`.

    Args:
        teacher: The trained model.
        student: Name of a network; weights may stand behind it, as in "resnet18:imagenet".
        table: Training rows, and nothing else.
        weights: That the student starts from.
        epochs: Over them.
        lr: The peak rate.
        batch_size: Rows per step.
        augment: Of the rows; the teacher sees the same.
        seed: Of first weights, order and augmentation.
        progress: Show bars.
    """

    def make(supervised: Any) -> DistillationStep:
        return DistillationStep(supervised, teacher)

    learner = Learner(
        _task(teacher, table), student, weights=weights, heads=teacher.heads,
        config=_config(teacher, batch_size, augment), step=make, seed=seed, device="cpu", progress=progress,
    )  # fmt: skip
    learner.fit_one_cycle(epochs, lr)
    return _with_info(learner, teacher)


def _task(predictor: Predictor, table: Table) -> Task:
    """Columns as the model knows them: nothing is fitted again."""
    for name, column in {**predictor.inputs, **{n: column_of(h) for n, h in predictor.heads.items()}}.items():
        table = table.with_column(name, column)
    split = table.split(valid=0, stratify=None)
    return Task(split, inputs=list(predictor.inputs), targets=list(predictor.heads), allow_leaks=True)


def _config(predictor: Predictor, batch_size: int, augment: Augmentation | Mapping[str, Augmentation]) -> TrainConfig:
    return TrainConfig(
        batch_size=batch_size, augment=augment, precision=predictor.precision, clip_norm=5.0, keep="last"
    )


def _with_info(learner: Learner, origin: Predictor) -> Predictor:
    """What was learned, with what the original's file says of rows, vault and leaks."""
    found = learner.predictor()
    return Predictor(
        found.network, found.inputs, found.heads, augment=found.augment, info=origin.info, device="cpu",
        precision=origin.precision,
    )  # fmt: skip

"""How a learner trains: settings for all its phases, and those of one phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, final

from longspan.columns.augmentation import Augmentation
from longspan.inference.precision import Precision
from longspan.old_names import accepts_old_keywords
from longspan.train.optimization.schedules import Schedule
from longspan.valid_values import check_phase, check_train_config
from longspan.vision.augment import Augment

__all__ = ["Phase", "TrainConfig", "fine_tune_phases"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Settings of all phases of a training."""

    batch_size: int = 64
    """Rows per step; batches of an epoch differ by one row at most."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW (Loshchilov and Hutter 2019), or SGD with Nesterov momentum."""
    weight_decay: float = 0.01
    """Decoupled for AdamW, as an L2 term for SGD; not on biases and normalisation weights."""
    momentum: float = 0.9
    """SGD's momentum, AdamW's beta1; the one-cycle schedule moves it."""
    beta2: float = 0.99
    """AdamW's decay of squared gradients."""
    clip_norm: float | None = None
    """Largest norm of the whole gradient; larger ones are scaled down to it."""
    accumulate: int = 1
    """Batches whose gradients are averaged for one step of the optimizer."""
    mixup: float = 0.0
    """Alpha of MixUp's Beta distribution (Zhang et al. 2018); 0 = off."""
    augment: Augmentation | Mapping[str, Augmentation] = field(default_factory=Augment)
    """How training inputs are augmented: one config for all inputs of its kind, or configs by input."""
    precision: Precision = "auto"
    """bfloat16 where the processor has it natively, else float32."""
    sampling: Literal["shuffled", "balanced", "by_class"] = "shuffled"
    """Which rows an epoch has: each of them once; or as many, drawn so that every class of the targets that are labels
    comes equally often, where rows of rare classes repeat, each time augmented anew; or each once, with
    `rows_per_class` of a class together in a batch, as losses that compare rows need it (Hermans et al. 2017)."""
    rows_per_class: int = 4
    """With sampling "by_class": how many rows of a class come together; fewer where a class has no more."""
    short_first: int = 0
    """First epochs whose batches come in the order of their rows' lengths, the shortest first, where rows have several
    (Amodei et al. 2016, "Deep Speech 2", section 3.2)."""
    row_weights: str | None = None
    """A column of the table: how much each row counts in the training loss, next to their mean. Validation weighs all
    rows the same."""
    virtual_workers: int | None = None
    """Into how many equal parts each batch is cut, whose gradients are computed apart and added in a fixed order:
    weights are then bit-equal for any number of processes that divides this one. Batch normalisation sees a part. None:
    a batch is computed as a whole, or by DistributedDataParallel."""
    keep: Literal["best", "last"] = "best"
    """Which weights the network has at the end: those of the epoch with the lowest validation loss, or the last ones.
    Without validation rows they are the last; `EarlyStopping` makes its own choice."""

    def __post_init__(self) -> None:
        """Check every value, and name all that are invalid."""
        check_train_config({field.name: getattr(self, field.name) for field in fields(self)})

    def to_json(self) -> dict[str, Any]:
        """As JSON values; without later options that are not used, so that older studies and runs can go on."""
        fields_ = asdict(self)
        if self.sampling != "by_class":
            del fields_["rows_per_class"]
        if not self.short_first:
            del fields_["short_first"]
        if self.row_weights is None:
            del fields_["row_weights"]
        if self.virtual_workers is None:
            del fields_["virtual_workers"]
        return fields_


@accepts_old_keywords(lower_rate="backbone_lr_mult")
@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """A stretch of training with one schedule; `fine_tune` is two of them."""

    epochs: int
    """Passes over the training rows."""
    lr: float = 1e-3
    """Peak learning rate."""
    schedule: Schedule = "one_cycle"
    """How the learning rate moves."""
    warmup: float = 0.25
    """Fraction of the steps in which the learning rate rises."""
    frozen: float = 0.0
    """Fraction of the backbone's layer groups, lowest first, that are frozen and run as in evaluation; 1 trains the
    heads only."""
    backbone_lr_mult: float = 1.0
    """Learning rate of the lowest layers as a fraction of the heads'; those between lie evenly on a log scale."""

    def __post_init__(self) -> None:
        """Check every value."""
        check_phase({field.name: getattr(self, field.name) for field in fields(self)})

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def fine_tune_phases(
    epochs: int, lr: float = 2e-3, *, freeze_epochs: int = 1, backbone_lr_mult: float = 0.01
) -> tuple[Phase, Phase]:
    """The heads alone on the frozen backbone, then everything with smaller rates for lower layers.

    Args:
        epochs: Of the second phase.
        lr: Peak rate of the heads in the first phase; half of it in the second.
        freeze_epochs: Of the first phase.
        backbone_lr_mult: Rate of the lowest layers as a fraction of the heads'.
    """
    return (
        Phase(epochs=freeze_epochs, lr=lr, schedule="one_cycle", frozen=1.0),
        Phase(epochs=epochs, lr=lr / 2, schedule="one_cycle", backbone_lr_mult=backbone_lr_mult),
    )

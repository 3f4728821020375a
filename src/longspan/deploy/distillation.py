"""A smaller network that learns from a larger one: its step of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch.nn import functional as F

from longspan.columns.ragged import Ragged
from longspan.data.batches.samples import Batch
from longspan.errors import ConfigError
from longspan.heads import Classify, Head, MultiLabelClassify, Regress, Segment
from longspan.inference import Predictor
from longspan.inference.network import Features, Network
from longspan.inference.source import Inputs, autocast, prepare_inputs, prepare_targets, sum_losses
from longspan.models import Backbone
from longspan.train.loop import SupervisedStep
from longspan.train.mixup import draw_mixture
from longspan.train.optimization.optimizer import clip_gradients
from longspan.train.step import StepInfo

__all__ = ["DistillationStep", "check_teachable", "teachable"]

_TEACHABLE = (Classify, MultiLabelClassify, Regress, Segment)


@final
class DistillationStep:
    """Learns from the targets, and from what a teacher says of the same rows (Hinton et al. 2015, sections 2 and 2.1).

    The loss is `(1 - weight) * supervised + weight * distance`. For classes, of an image or of each pixel, the distance
    is the Kullback-Leibler divergence at a temperature T, times T squared; for several labels the cross-entropy with
    the teacher's probabilities; for numbers the squared difference of the outputs. With MixUp the teacher sees the
    mixed inputs too (Beyer et al. 2022, "A good teacher is patient and consistent").

    With `features`, the student's features also come to those of the teacher, which must be as wide: what the heads
    read, and the map that a vector is pooled from. The squared difference, relative to how far the teacher's lie from
    their mean over the batch, is added that many times (after Romero et al. 2015, "FitNets"; no layer stands between
    the two). Then heads need not be distilled.

    Example:
        learner = ls.Learner(task, "resnet20", step=lambda step: ls.DistillationStep(step, teacher))
    """

    def __init__(
        self,
        supervised: SupervisedStep,
        teacher: Predictor,
        *,
        temperature: float = 4.0,
        weight: float = 0.9,
        features: float = 0.0,
    ) -> None:
        """Put the parts together.

        Args:
            supervised: Of the student, from the learner.
            teacher: Reads the same inputs and predicts the same targets.
            temperature: That both divide logits by.
            weight: Of the teacher's word in the loss, from 0 to 1; 0 where heads cannot be distilled.
            features: How much the features' distance to the teacher's counts in the loss; 0 for features of another
                width.

        Raises:
            ConfigError: numbers out of range, a head that cannot be distilled, or features that cannot be compared.
        """
        if not temperature > 0:
            raise ConfigError(f"DistillationStep.temperature must be above 0, got {temperature}.")
        if not 0 <= weight <= 1:
            raise ConfigError(f"DistillationStep.weight must be from 0 to 1, got {weight}.")
        if not features >= 0:
            raise ConfigError(f"DistillationStep.features must be at least 0, got {features}.")
        if weight or not features:
            check_teachable(teacher.heads)
        if features:
            _check_features(supervised.networks["network"], teacher.network)
        if supervised.module is not supervised.networks["network"]:
            raise ConfigError(
                "A student learns with all its layers: its teacher needs the rows, and a phase with frozen layers "
                "keeps their features only. Train it with fit or fit_one_cycle."
            )
        self.networks, self.optimizers = supervised.networks, supervised.optimizers
        self.supervised = supervised
        self.teacher = teacher
        self.temperature = temperature
        self.weight = weight
        self.features = features

    def run(self, batch: Batch, step: StepInfo) -> dict[str, torch.Tensor]:
        """See `TrainStep.run`."""
        given = self.supervised
        inputs, targets = given.source.prepare(batch), prepare_targets(batch, given.columns)
        taught_by = prepare_inputs(batch, self.teacher.inputs)  # its own mean and spread
        mixture = None
        if given.config.mixup:
            mixture = draw_mixture(given.config.mixup, len(batch), given.seed, step.number, given.source.device)
            inputs, taught_by = mixture.inputs(inputs), mixture.inputs(taught_by)
        network, teacher = self.networks["network"], self.teacher.network
        with autocast(given.source.device, step.dtype):
            read, mine = self._read(network, inputs, targets)
            outputs = network.from_features(read, targets)
            with torch.no_grad():
                read_by_teacher, theirs = self._read(teacher, taught_by, None)
                taught = teacher.from_features(read_by_teacher) if self.weight else {}
        if mixture is not None:
            loss = mixture.loss(given.heads, outputs, targets, batch.present)
        else:
            weights = None if given.row_weights is None else given.row_weights[batch.rows].to(given.source.device)
            loss = sum_losses(given.heads, outputs, targets, batch.present, weights)
        distance = loss.new_zeros(())
        for name in taught:
            distance = distance + self._distance(given.heads[name], outputs[name], taught[name])
        whole = (1 - self.weight) * loss + self.weight * distance
        if self.features:
            whole = whole + self.features * _features_distance(mine, theirs)
        (whole * step.fraction).backward()
        if step.ends:
            clip_gradients(self.networks["network"], given.config.clip_norm)
            self.optimizers["optimizer"].step()
            self.optimizers["optimizer"].zero_grad(set_to_none=True)
        return {"loss": whole.detach(), "distance": distance.detach()}

    def _read(
        self, network: Network, inputs: Inputs, targets: dict[str, torch.Tensor] | None
    ) -> tuple[Features, list[torch.Tensor]]:
        """What the heads read, and the features that are compared."""
        backbone = network.backbone
        if self.features and network.reads == {"vector"} and isinstance(backbone, Backbone) and backbone.strides:
            vector, maps = backbone.both(*inputs)
            return Features(vector), [vector, maps[-1]]
        read = network.features(*inputs, targets=targets)
        maps = [] if read.maps is None else [*read.maps.maps]
        vector = read.vector.values if isinstance(read.vector, Ragged) else read.vector
        return read, maps if vector is None else [vector, *maps]

    def _distance(self, head: Head, outputs: Any, taught: Any) -> torch.Tensor:
        if isinstance(head, Regress):
            return F.mse_loss(outputs.float(), taught.float())
        t = self.temperature
        if isinstance(head, MultiLabelClassify):
            return F.binary_cross_entropy_with_logits(outputs.float() / t, (taught.float() / t).sigmoid()) * t**2
        said, wanted = ((each.float() / t).log_softmax(dim=1) for each in (outputs, taught))
        divergence = F.kl_div(said, wanted, log_target=True, reduction="none").sum(dim=1)
        return divergence.mean() * t**2


def _features_distance(mine: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean over features of the same shape of the squared difference, relative to the variance of the teacher's."""
    apart = []
    for one, other in zip(mine, theirs, strict=True):
        if one.shape == other.shape:  # a map below fully connected layers may have lost channels
            spread = (other.float() - other.float().mean(dim=0, keepdim=True)).square().mean()
            apart.append((one.float() - other.float()).square().mean() / spread.clamp_min(1e-12))
    return torch.stack(apart).mean()


def _check_features(student: Network, teacher: Network) -> None:
    """ConfigError for networks whose features cannot be compared."""
    widths = [
        None if each.whole else (each.reads, each.backbone.num_features, getattr(each.backbone, "channels", None))
        for each in (student, teacher)
    ]
    if widths[0] is None or widths[0] != widths[1]:
        raise ConfigError(
            "DistillationStep.features compares what heads read: student and teacher need features of the same width. "
            "Leave features= out."
        )


def teachable(heads: Mapping[str, Head]) -> bool:
    """Whether a student can be taught by the outputs of all these heads."""
    return all(isinstance(head, _TEACHABLE) for head in heads.values())


def check_teachable(heads: Mapping[str, Head]) -> None:
    """ConfigError for a head whose outputs a student cannot be taught by."""
    for target, head in heads.items():
        if not teachable({target: head}):
            raise ConfigError(
                f"Target {target!r} has head {type(head).__name__}, which cannot be distilled: a student learns from "
                f"the outputs of {', '.join(each.__name__ for each in _TEACHABLE[:-1])} and {_TEACHABLE[-1].__name__}."
            )

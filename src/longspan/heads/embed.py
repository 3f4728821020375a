"""Head for identities: a unit vector for each row, so that rows of one person lie close and of two people apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, final, get_args

import torch
import torch.nn.functional as F
from torch import nn

from longspan.columns import Category
from longspan.columns.base import Column
from longspan.errors import ConfigError
from longspan.heads.base import FeatureKind, Head, Metric, TargetPrediction, check_layers, perceptron, vector_fault
from longspan.models import FeatureShapes
from longspan.portable.decoders import Vector

__all__ = ["Embed", "batch_hard_triplets", "margin_logits"]

# B rows, D numbers of a vector, K classes (people) of the training rows

Objective = Literal["arcface", "cosface", "triplet"]

_MARGINS = {"arcface": 0.5, "cosface": 0.35, "triplet": 0.2}
_EPSILON = 1e-6
_MOST_ROWS = 4000  # that are compared with each other when it is measured
_FAR = 0.01


@final
@dataclass(frozen=True, kw_only=True)
class Embed(Head):
    """Unit vectors whose products say how alike rows are: for people and things that are not known in training.

    Predictions are `(B, D)`; a vector and not a label, so that people who were never seen can be compared, enrolled and
    forgotten. Targets are class numbers `(B,)`: who it is.

    With a margin ("arcface", "cosface") a unit vector for each training person is learned beside the network, and the
    loss is the cross-entropy of scaled cosines, that of the row's own person made worse by the margin. Outputs are
    `(B, D + K)`: the vector, and the cosines. With "triplet" outputs are `(B, D)`, and in each batch a row's farthest
    row of its person must be closer than the nearest row of another: it needs `TrainConfig(sampling="by_class")`.

    Sources: Deng et al. 2019, "ArcFace", equation 3; Wang et al. 2018, "CosFace", equation 4; triplets: Schroff et al.
    2015, "FaceNet", with the hardest of each batch as in Hermans et al. 2017, "In defense of the triplet loss",
    equation 5. Differs: ArcFace past pi - margin goes on as a straight line, as in its authors' code; triplets compare
    lengths, not squares, and their vectors are not normalised over the batch.

    Metrics, over all pairs of validation rows (4,000 rows at most): `eer`, where false accepts and false rejects are
    equally frequent; `frr`, the false rejects where 1 % of the pairs of two people are accepted; `rank1`, how often the
    most similar other row is of the same person. Split by person (`group=`), or they are measured on people who
    trained. People without training rows have no loss: choose the epoch by `EarlyStopping("eer")`, or take the last.
    """

    kind: ClassVar[str] = "embed"
    column_kinds: ClassVar[tuple[str, ...]] = ("category",)
    reads: ClassVar[FeatureKind] = "vector"
    counts_classes: ClassVar[bool] = True
    predicts_values: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("eer", "lower"),
        Metric("frr", "lower"),
        Metric("rank1", "higher"),
    )

    dim: int = 128
    """Length D of the vector."""
    objective: Objective = "arcface"
    """What is learned."""
    margin: float | None = None
    """Of the angle in radians (arcface, 0.5), the cosine (cosface, 0.35) or the distance (triplet, 0.2)."""
    scale: float = 32.0
    """What cosines are multiplied by before the cross-entropy; 64 in the papers, with millions of images."""
    hidden: tuple[int, ...] = ()
    """Widths of layers between features and vector."""
    dropout: float = 0.0
    """Probability that a feature is dropped, before each linear layer."""
    batch_norm: bool = True
    """With a margin, whether each number of the vector is normalised over the batch before the vector gets its length
    (Deng et al. 2019, section 3.1). Off for batches of a single row."""
    absent: tuple[int, ...] = ()
    """Numbers of classes without training rows; found by the learner. They are no rivals in the loss."""
    column: Column | None = None
    """The fitted category; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.objective not in get_args(Objective):
            raise ConfigError(
                f"Embed.objective must be one of {', '.join(get_args(Objective))}, got {self.objective!r}."
            )
        if not isinstance(self.dim, int) or self.dim < 2:
            raise ConfigError(f"Embed.dim must be a whole number of at least 2, got {self.dim!r}.")
        if self.margin is not None and not 0 <= self.margin < math.pi:
            raise ConfigError(f"Embed.margin must be at least 0 and below 3.14, got {self.margin!r}.")
        if not 0 < self.scale < math.inf:
            raise ConfigError(f"Embed.scale must be above 0, got {self.scale!r}.")
        check_layers("Embed", self.hidden, self.dropout)
        object.__setattr__(self, "absent", tuple(self.absent))

    @classmethod
    def is_default_for(cls, column: Column) -> bool:
        """Never: a category is a class unless one asks for vectors."""
        del column
        return False

    @property
    def compares_rows(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Triplets do."""
        return self.objective == "triplet"

    @property
    def _people(self) -> Category:
        assert isinstance(self.column, Category)
        return self.column

    @property
    def _margin(self) -> float:
        return _MARGINS[self.objective] if self.margin is None else self.margin

    @property
    def num_outputs(self) -> int:
        """D, and with a margin K more."""
        return self.dim + (0 if self.objective == "triplet" else len(self._people.vocab))

    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """Linear layers to D numbers; with a margin, the people's vectors behind them.

        Raises:
            ConfigError: the network is an ensemble.
        """
        if shapes.members > 1:
            raise ConfigError("Embed reads one vector of each row; an ensemble such as tabm gives several.")
        vector = perceptron(shapes, self.hidden, self.dropout, self.dim)
        if self.objective == "triplet":
            return vector
        if self.batch_norm:
            vector = nn.Sequential(vector, nn.BatchNorm1d(self.dim))
        return _WithCosines(vector, self.dim, len(self._people.vocab))

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than `(rows, num_outputs)`."""
        return vector_fault(outputs, rows, self.num_outputs)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Of each row: nats with a margin, a distance with triplets (0 without a partner in the batch)."""
        outputs = outputs.float()
        if self.objective == "triplet":
            return batch_hard_triplets(outputs, targets, self._margin)
        logits = margin_logits(outputs[:, self.dim :], targets, self.objective, self._margin, self.scale)
        if self.absent:
            rivals = torch.ones(logits.shape[1], dtype=torch.bool, device=logits.device)
            rivals[list(self.absent)] = False
            # The row's own person stays, so that the loss is finite also where it means nothing.
            own = F.one_hot(targets.long(), logits.shape[1]).bool()
            logits = logits.masked_fill(~(rivals | own), -torch.inf)
        return F.cross_entropy(logits, targets.long(), reduction="none")

    def has_loss(self, targets: torch.Tensor) -> torch.Tensor | None:
        """Rows of people who train; with triplets none, whose loss is about the batches it is measured in."""
        if self.objective == "triplet":
            return torch.zeros(len(targets), dtype=torch.bool)
        if not self.absent:
            return None
        return ~torch.isin(targets.cpu(), torch.tensor(self.absent))

    def postprocess(self, outputs: torch.Tensor) -> torch.Tensor:
        """Unit vectors `(B, D)`."""
        return F.normalize(outputs[:, : self.dim].float(), dim=1)

    @property
    def value_decoder(self) -> Vector:
        """The vector."""
        return Vector()

    def decode(self, predictions: torch.Tensor) -> list[TargetPrediction]:
        """The vector of each row as a list, of length 1 again where it is the mean over views."""
        return self.value_decoder.decode(predictions.numpy(force=True), ())

    def with_class_counts(self, counts: torch.Tensor, rows: int) -> Self:
        """The same head, knowing which people have no training rows."""
        del rows
        return replace(self, absent=tuple((counts == 0).nonzero()[:, 0].tolist()))

    def measure(self, predictions: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """Error rates over pairs of rows, and the fraction of rows whose nearest other row is of their person."""
        from longspan.metrics.verification import equal_error_rate, roc

        if len(targets) > _MOST_ROWS:  # evenly over people, who often stand one after the other
            kept = torch.linspace(0, len(targets) - 1, _MOST_ROWS).round().long()
            predictions, targets = predictions[kept], targets[kept]
        vectors = F.normalize(predictions.double(), dim=1)
        similarities = vectors @ vectors.T
        same = targets[:, None] == targets
        similarities.fill_diagonal_(-torch.inf)
        partners = same.sum(dim=1) > 1
        figures = {}
        if partners.any() and not same.all():
            upper = torch.triu(torch.ones_like(same), diagonal=1)
            scores, alike = similarities[upper].numpy(), same[upper].numpy()
            _, far, frr = roc(scores, alike)
            figures["eer"] = equal_error_rate(scores, alike)
            figures["frr"] = float(frr[far <= _FAR].min())
        if partners.any():
            nearest = targets[similarities.argmax(dim=1)]
            figures["rank1"] = float((nearest == targets)[partners].double().mean())
        return {name: round(figure, 6) for name, figure in figures.items()}


@final
class _WithCosines(nn.Module):
    """A vector `(B, D)`, and behind it the cosines to the vectors of K people: `(B, D + K)`."""

    def __init__(self, vector: nn.Module, dim: int, people: int) -> None:
        super().__init__()
        self.vector = vector
        self.people = nn.Parameter(torch.empty(people, dim))
        nn.init.normal_(self.people, std=0.01)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        vectors = self.vector(features)
        # In half precision an angle of a few degrees is lost: 1 - cos is below the spacing of its numbers.
        with torch.autocast(vectors.device.type, enabled=False):
            cosines = F.normalize(vectors.float(), dim=1) @ F.normalize(self.people.float(), dim=1).T
        return torch.cat([vectors.float(), cosines], dim=1)


def margin_logits(
    cosines: torch.Tensor, targets: torch.Tensor, objective: Objective, margin: float, scale: float
) -> torch.Tensor:
    """Scaled cosines `(B, K)`, those of each row's own person made worse by the margin.

    Args:
        cosines: `(B, K)`, -1 to 1.
        targets: `(B,)` whole numbers.
        objective: "arcface", whose margin is an angle, or "cosface", whose margin is of the cosine.
        margin: At least 0.
        scale: Above 0.
    """
    cosines = cosines.clamp(-1, 1)
    own = cosines.gather(1, targets.long()[:, None])
    if objective == "arcface":
        sine = (1 - own.square()).clamp_min(_EPSILON).sqrt()
        turned = own * math.cos(margin) - sine * math.sin(margin)
        # Past pi - margin the cosine would rise again and reward what is worst.
        worse = torch.where(own > math.cos(math.pi - margin), turned, own - math.sin(math.pi - margin) * margin)
    else:
        worse = own - margin
    return scale * cosines.scatter(1, targets.long()[:, None], worse)


def batch_hard_triplets(outputs: torch.Tensor, targets: torch.Tensor, margin: float) -> torch.Tensor:
    """Loss of each row `(B,)`: how much its farthest row of the same person is not closer than the nearest other one.

    0 for a row that has no other row of its person in the batch, or none of somebody else.

    Args:
        outputs: `(B, D)`, of any length.
        targets: `(B,)` whole numbers.
        margin: By which the other is to be farther, in distances of unit vectors.
    """
    vectors = F.normalize(outputs, dim=1)
    distances = (2 - 2 * vectors @ vectors.T).clamp_min(_EPSILON).sqrt()
    same = targets[:, None] == targets
    itself = torch.eye(len(targets), dtype=torch.bool, device=targets.device)
    farthest = distances.masked_fill(~same | itself, -torch.inf).amax(dim=1)
    nearest = distances.masked_fill(same, torch.inf).amin(dim=1)
    known = farthest.isfinite() & nearest.isfinite()
    apart = torch.where(known, farthest, 0.0) - torch.where(known, nearest, 0.0)
    return torch.where(known, (margin + apart).clamp_min(0), 0.0)

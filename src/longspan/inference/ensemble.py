"""Several models whose predictions are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch

from longspan.columns import Column
from longspan.data import Table
from longspan.errors import ConfigError
from longspan.inference.labelled_rows import labelled_rows
from longspan.inference.new_inputs import encode_targets
from longspan.inference.predictions import Predictions
from longspan.inference.predictor import HasPredictor, Predictor, as_predictor
from longspan.inference.scores import measure
from longspan.portable.known_rows import ROW_PARTS, PartMetrics
from longspan.portable.trained_model import Ability, TrainedModel
from longspan.storage.files import write_tensors
from longspan.version import __version__

__all__ = ["ENSEMBLE_FORMAT", "Ensemble"]

ENSEMBLE_FORMAT = {"format": "longspan ensemble", "format_version": 1}
"""What marks the header of an ensemble's file."""


@final
class Ensemble(TrainedModel):
    """The mean of its members' predictions: of probabilities for classes, of values for quantities.

    Members may differ in network, size of image and normalisation; they predict the same targets with the same
    classes in the same order.
    """

    what: ClassVar[str] = "an ensemble"
    abilities: ClassVar[frozenset[Ability]] = frozenset({"batch_size", "views", "score"})

    def __init__(self, members: Sequence[HasPredictor | Predictor]) -> None:
        """Combine trained learners or loaded models.

        Raises:
            ConfigError: fewer than two members, predictions without a mean, or members with other targets or classes.
        """
        self.members = [as_predictor(member) for member in members]
        if len(self.members) < 2:
            raise ConfigError(f"An ensemble needs at least two members, got {len(self.members)}.")
        for name, head in self.members[0].heads.items():
            if not head.averages:
                raise ConfigError(
                    f"Predictions of {type(head).__name__} ({name!r}) have no mean: an ensemble takes classes, "
                    "quantities and masks."
                )
        self.inputs = self.members[0].inputs
        self.heads = self.members[0].heads
        first = _targets(self.members[0])
        for number, member in enumerate(self.members[1:], start=2):
            if _targets(member) != first:
                raise ConfigError(
                    f"Member {number} predicts {_targets(member)}, the first one {first}: train them on one split."
                )

    def __repr__(self) -> str:
        return f"Ensemble({len(self.members)} x {self.members[0]!r})"

    @property
    def input_columns(self) -> dict[str, Column | None]:
        """What it reads, by name."""
        return dict(self.inputs)

    def predict(self, data: Any, *, views: int = 1, batch_size: int = 64) -> Any:
        """Predictions for one sample, several, or a table, in order; see `Predictor.predict`."""
        return self._predictions(data, views, batch_size).decode(self.heads, data)

    def evaluate(self, data: Table | str | Path, *, views: int = 1, batch_size: int = 64) -> dict[str, float]:
        """Metrics of the averaged predictions over rows that have the targets; see `Predictor.evaluate`."""
        heads = self.heads
        table = labelled_rows(data, self.inputs, heads)
        samples = encode_targets(table, self.inputs, heads)
        rows = torch.arange(len(table))
        raw = self._predictions(table, views, batch_size).values
        predictions = {name: heads[name].reduce(values) for name, values in raw.items()}
        targets = {name: store.read(rows) for name, store in samples.targets.items()}
        present = {name: store.present(rows) for name, store in samples.targets.items()}
        return measure(heads, predictions, targets, present)

    def recognise(self, table: Table) -> dict[str, np.ndarray]:
        """Row numbers by what they were in training; one that trained any member is a training row of the ensemble."""
        rows, parts = np.arange(len(table)), np.full(len(table), len(ROW_PARTS) - 1)
        for member in self.members:
            found = member.recognise(table)
            for place, part in enumerate(ROW_PARTS):
                parts[found[part]] = np.minimum(parts[found[part]], place)
        return {part: rows[parts == place] for place, part in enumerate(ROW_PARTS)}

    def evaluate_parts(
        self, table: Table, *, parts: Sequence[str] = ROW_PARTS, views: int = 1, batch_size: int = 64
    ) -> dict[str, PartMetrics]:
        """Metrics by what the rows were when the members were trained; see `Predictor.evaluate_parts`."""
        return {
            part: PartMetrics(
                rows,
                self.evaluate(table.take(rows), views=views, batch_size=batch_size) if part in parts else {},
            )
            for part, rows in self.recognise(table).items()
            if len(rows)
        }

    def save(self, path: str | Path) -> Path:
        """One safetensors file with all members; `ls.load` reads it."""
        path = Path(path)
        tensors = {
            f"{i}.{name}": tensor
            for i, member in enumerate(self.members)
            for name, tensor in member.network.state_dict().items()
        }
        described = {"library_version": __version__, "members": [member.describe() for member in self.members]}
        write_tensors(path, tensors, {**ENSEMBLE_FORMAT, **described})
        return path

    def _predictions(self, data: Any, views: int, batch_size: int) -> Predictions:
        if isinstance(data, list | tuple) and not data:
            return Predictions({}, [], [])
        found = [
            member.raw_predictions(data, views=views, batch_size=batch_size, reduce=False) for member in self.members
        ]
        means = {name: torch.stack([each.values[name] for each in found]).mean(dim=0) for name in self.heads}
        return Predictions(means, found[0].sources, found[0].transforms, reduced=False)


def _targets(member: Predictor) -> dict[str, Any]:
    """Targets with what their outputs stand for; mean and spread of a quantity may differ between members."""
    return {name: getattr(head.column, "vocab", head.kind) for name, head in member.heads.items()}

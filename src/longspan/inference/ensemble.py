"""Several models that answer together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import torch

from longspan.data import Table
from longspan.errors import ConfigError
from longspan.inference.predictions import Predictions
from longspan.inference.predictor import HasPredictor, Predictor, as_predictor, encode_truth
from longspan.inference.scores import measure
from longspan.storage.files import write_tensors
from longspan.version import __version__

__all__ = ["ENSEMBLE_FORMAT", "Ensemble"]

ENSEMBLE_FORMAT = {"format": "longspan ensemble", "format_version": 1}
"""What marks the header of an ensemble's file."""


@final
class Ensemble:
    """The mean of what its members say: of probabilities for classes, of values for quantities.

    Members may differ in network, size of image and normalisation; they predict the same targets with the same
    classes in the same order.
    """

    def __init__(self, members: Sequence[HasPredictor | Predictor]) -> None:
        """Take trained learners or loaded models together.

        Raises:
            ConfigError: fewer than two members, targets whose answers have no mean, or members with other targets or
                classes.
        """
        self.members = [as_predictor(member) for member in members]
        if len(self.members) < 2:
            raise ConfigError(f"An ensemble needs at least two members, got {len(self.members)}.")
        for name, head in self.members[0].heads.items():
            if not head.averages:
                raise ConfigError(
                    f"What {type(head).__name__} finds ({name!r}) has no mean: an ensemble is for classes, quantities "
                    "and masks."
                )
        first = _targets(self.members[0])
        for number, member in enumerate(self.members[1:], start=2):
            if _targets(member) != first:
                raise ConfigError(
                    f"Member {number} predicts {_targets(member)}, the first one {first}: train them on one split."
                )

    def __repr__(self) -> str:
        return f"Ensemble({len(self.members)} x {self.members[0]!r})"

    def predict(self, data: Any, *, views: int = 1, batch_size: int = 64) -> Any:
        """Answers for one sample, several, or a table, in order; see `Predictor.predict`."""
        return self._answer(data, views, batch_size).predictions(self.members[0].heads, data)

    def evaluate(self, table: Table, *, views: int = 1, batch_size: int = 64) -> dict[str, float]:
        """Metrics of the joint answers over the rows of a table that has the targets."""
        heads = self.members[0].heads
        truth = encode_truth(table, self.members[0].inputs, heads)
        rows = torch.arange(len(table))
        activated = self._answer(table, views, batch_size).activated
        targets = {name: store.read(rows) for name, store in truth.targets.items()}
        present = {name: store.present(rows) for name, store in truth.targets.items()}
        return measure(heads, activated, targets, present)

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

    def _answer(self, data: Any, views: int, batch_size: int) -> Predictions:
        if isinstance(data, list | tuple) and not data:
            return Predictions({}, [], [])
        said = [member.answer(data, views=views, batch_size=batch_size, compact=False) for member in self.members]
        heads = self.members[0].heads
        means = {name: torch.stack([each.activated[name] for each in said]).mean(dim=0) for name in heads}
        compact = {name: heads[name].compact(mean) for name, mean in means.items()}
        return Predictions(compact, said[0].sources, said[0].transforms)


def _targets(member: Predictor) -> dict[str, Any]:
    """Targets with what their outputs stand for; mean and spread of a quantity may differ between members."""
    return {name: getattr(head.column, "vocab", head.kind) for name, head in member.heads.items()}

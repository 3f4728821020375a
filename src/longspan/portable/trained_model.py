"""What every trained model says of itself, so that whoever uses one need not ask which kind it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from longspan.errors import ConfigError
from longspan.portable.known_rows import ROW_PARTS, PartMetrics

if TYPE_CHECKING:
    from longspan.columns import Column
    from longspan.data import Table

__all__ = ["Ability", "TrainedModel"]

Ability = Literal["batch_size", "views", "tiles", "per_class", "open_vault", "score", "explain"]

_NEEDED = {
    "views": "images and a single network or an ensemble",
    "tiles": "single networks",
    "per_class": "single networks",
    "open_vault": "single networks: the members of an ensemble have vaults of their own, other models have none",
    "score": "networks that find boxes or instances",
}


class TrainedModel(ABC):
    """A model that predicts: a network, an ensemble, trees, a pipeline, an exported model. `ls.load` gives one."""

    what: ClassVar[str]
    """As a sentence calls it, such as "a pipeline"."""
    abilities: ClassVar[frozenset[Ability]] = frozenset()
    """What it can do beyond predicting: keywords of `predict` and `evaluate_parts`, and what commands offer."""
    heads: dict[str, Any]
    """The heads that predictions come from, by target; a pipeline and an exported model have none of their own."""

    @abstractmethod
    def predict(self, data: Any, /) -> Any:
        """Predictions for one sample, several, or a table; in order."""

    @property
    @abstractmethod
    def input_columns(self) -> dict[str, Column | None]:
        """What it reads, by name; None for an input of a pipeline whose column no stage declares."""

    @property
    def target_columns(self) -> dict[str, Column | None]:
        """What it predicts, by name and in order; None where it does not know the column."""
        return {name: head.column for name, head in self.heads.items()}

    def evaluate(self, data: Any, /) -> dict[str, float]:
        """The metrics of its predictions over rows that have the targets."""
        raise ConfigError(f"This model is {self.what}, which cannot be evaluated: evaluate the model it was made of.")

    # --- the same for all ----------------------------------------------------------------------------------------

    @property
    def located(self) -> dict[str, Column]:
        """The targets that lie in an image, with their columns."""
        return {name: column for name, column in self.target_columns.items() if column and column.context_kind}

    @property
    def reads(self) -> Literal["rows", "texts", "files"]:
        """What predictions are made for: rows of a table, texts, or images and recordings."""
        columns = [*self.input_columns.values()]
        if columns and all(column is not None and column.sources for column in columns):
            return "rows"
        return "texts" if len(columns) == 1 and columns[0] is not None and columns[0].kind == "text" else "files"

    def check_abilities(self, **asked: bool) -> None:
        """Whether the model can do what is asked for.

        Args:
            asked: By ability, with the name that the user typed as `views=True`.

        Raises:
            ConfigError: it cannot; all such options are named.
        """
        for name, wanted in asked.items():
            if wanted and name not in self.abilities:
                option = f"--{name.replace('_', '-')}"
                raise ConfigError(f"{option} is for {_NEEDED[name]}; this model is {self.what}.")

    def single_network(self, use: str) -> Any:
        """The model itself, where it is one network.

        Args:
            use: What only a network can do, as in "a pipeline cannot be exported".

        Raises:
            ConfigError: it is not.
        """
        raise ConfigError(f"This model is {self.what}, which cannot {use}: only single networks can.")

    def recognise(self, table: Table) -> dict[str, np.ndarray]:
        """Row numbers of a table by what they were in training; a model that does not keep them calls all "new"."""
        return {part: np.arange(len(table) if part == "new" else 0) for part in ROW_PARTS}

    def evaluate_parts(self, table: Table, *, parts: Sequence[str] = ROW_PARTS) -> dict[str, PartMetrics]:
        """Metrics by what the rows of a table were when the model was trained.

        Args:
            table: With inputs and targets.
            parts: Which parts to measure; of the others the rows are counted.
        """
        return {
            part: PartMetrics(rows, self.evaluate(table.take(rows)) if part in parts else {})
            for part, rows in self.recognise(table).items()
            if len(rows)
        }

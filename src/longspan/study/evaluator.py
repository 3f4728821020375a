"""A custom error: a function that judges a trained predictor, row by row or episode by episode."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from longspan.data import Table
from longspan.errors import ConfigError, StudyError

__all__ = ["Evaluator"]


@final
@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """How a study measures what no column measures: driving, games, a detector at a fixed speed.

    The function gets the trained predictor and the held-out rows with their targets, and returns one value per row, or
    one per episode. It judges, so it may read targets; the predictor should see the inputs alone.

    Example:
        >>> Evaluator(of=lambda trained, rows: [0.0] * len(rows), name="metres off the lane", unit="m").measure_name
        'metres off the lane (m)'
        >>> Evaluator(of=len, name="success", direction="higher", best=1.0, episodes=50).measure_name
        '1 - success'
    """

    of: Callable[[Any, Table], Sequence[float]]
    """Trained predictor and held-out rows, to one value per row or episode. In worker processes: importable."""
    name: str
    """Of one value, in words, for axes and tables."""
    unit: str = ""
    """Of the value; "%" for a fraction that is shown as percent."""
    direction: Literal["lower", "higher"] = "lower"
    """Which way is better."""
    best: float | None = None
    """The best value there can be; needed with "higher", where a study compares the distance to it."""
    episodes: int | None = None
    """How many values the function gives; None for one per held-out row."""
    largest: float = math.inf
    """The largest error there can be."""

    def __post_init__(self) -> None:
        """Check what can be checked before a run.

        Raises:
            ConfigError: everything that is wrong, at once.
        """
        faults = []
        if not callable(self.of):
            faults.append(f"of={self.of!r}: a function of the trained predictor and the held-out rows.")
        if not self.name.strip():
            faults.append("name='': say in words what one value is.")
        if self.direction not in ("lower", "higher"):
            faults.append(f"direction={self.direction!r}: 'lower' or 'higher'.")
        if self.direction == "higher" and (self.best is None or not math.isfinite(self.best)):
            faults.append("direction='higher' needs best=, the highest value there can be: the error is best - value.")
        if self.episodes is not None and self.episodes < 1:
            faults.append(f"episodes={self.episodes}: at least 1, or None for one value per held-out row.")
        if not self.largest > 0:
            faults.append(f"largest={self.largest}: the largest error there can be, above 0.")
        if faults:
            raise ConfigError("This Evaluator cannot be used: " + " ".join(faults))

    @property
    def measure_name(self) -> str:
        """What the mean error is called."""
        name = self.name if self.direction == "lower" else f"{self.best:g} - {self.name}"
        return f"{name} ({self.unit})" if self.unit not in ("", "%") else name

    def errors(self, trained: Any, rows: Table) -> np.ndarray:
        """`(N,)` errors, lower is better: of rows, or of episodes.

        Raises:
            StudyError: another number of values than rows or episodes, a value that is not a finite number, or an
                error below 0.
        """
        values = self.of(trained, rows)
        try:
            found = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise StudyError(
                f"The evaluator {self.name!r} gave {values!r:.80}, which is not a sequence of numbers."
            ) from None
        wanted = len(rows) if self.episodes is None else self.episodes
        what = "held-out rows" if self.episodes is None else "episodes"
        if found.shape != (wanted,):
            given = f"{len(found):,} values" if found.ndim == 1 else f"values of shape {found.shape}"
            raise StudyError(
                f"The evaluator {self.name!r} gave {given} for {wanted:,} {what}: it must give one each. Where an "
                "episode is not a row, say how many there are: episodes=N."
            )
        (wrong,) = np.nonzero(~np.isfinite(found))
        if len(wrong):
            raise StudyError(
                f"The evaluator {self.name!r} gave {found[wrong[0]]} for {what[:-1]} {wrong[0]} ({len(wrong):,} such "
                "values): every value must be a finite number. Give a failed one the largest error."
            )
        errors = found if self.direction == "lower" else float(self.best or 0.0) - found
        (below,) = np.nonzero(errors < 0)
        if len(below):
            cure = (
                "a value lies above best=, the highest there can be"
                if self.direction == "higher"
                else "an error must be at least 0"
            )
            raise StudyError(
                f"The evaluator {self.name!r} gave {found[below[0]]:g} for {what[:-1]} {below[0]}: {cure}."
            )
        return errors

    def to_json(self) -> dict[str, Any]:
        """What a study file keeps of it."""
        return {
            "name": self.name, "unit": self.unit, "direction": self.direction, "best": self.best,
            "episodes": self.episodes, "largest": None if math.isinf(self.largest) else self.largest,
        }  # fmt: skip

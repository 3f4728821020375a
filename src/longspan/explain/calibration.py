"""Do probabilities hold? Of the rows predicted with 80 %, about 80 % should be right; a temperature mends the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.data import Table
from longspan.explain.expected_cost import HOUR, check_predictions
from longspan.heads import TargetPrediction
from longspan.inference.measured_rows import MeasuredRows, measured_rows

__all__ = ["Calibration", "CalibrationBin", "calibration"]

_RESAMPLES = 200
_FOLDS = 5


@final
@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows of like confidence."""

    rows: int
    confidence: float
    """Mean probability of the predicted class."""
    accuracy: float
    """Fraction of rows whose predicted class is right."""


@final
@dataclass(frozen=True, slots=True)
class Calibration:
    """How a model's probabilities compare with how often it is right."""

    bins: list[CalibrationBin]
    """Of equal numbers of rows, from the least to the most confident."""
    error: float
    """Expected calibration error: mean distance of confidence and accuracy over the bins."""
    interval: tuple[float, float]
    """95 % percentile interval of `error` over resampled rows; finite bins keep it above zero."""
    temperature: float
    """What logits are divided by for the lowest log loss on these rows; above 1 the model is too sure."""
    scaled_error: float
    """The expected calibration error after scaling, each row with a temperature fitted to the others (five folds)."""

    def scale(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities `(N, K)` at this temperature."""
        return _scaled(probabilities, self.temperature)


def calibration(
    model: Any,
    table: Table,
    target: str | None = None,
    *,
    bins: int = 15,
    rows: int = 10_000,
    seed: int = 0,
    max_seconds: float | None = HOUR,
) -> Calibration:
    """Compare probabilities with outcomes on held-out rows, and fit a temperature.

    Args:
        model: A trained network or boosted trees whose target is one of several classes.
        table: Rows that the model was not trained on.
        target: Of a model with several.
        bins: Of equal numbers of rows; fewer where there are few rows.
        rows: At most so many rows, drawn at random.
        seed: Of draws and folds.
        max_seconds: Refused if it would take longer; None: never.

    Raises:
        ConfigError: the target is not one of several classes.

    Source: Guo et al. 2017, "On calibration of modern neural networks", sections 2 and 4.2. Differs: bins of equal
    numbers of rows instead of equal widths.
    """
    measured = measured_rows(model, table, target, rows=rows, seed=seed)
    check_predictions("Calibration", measured, 1, max_seconds)
    return calibration_of(measured, measured.predictions(), bins=bins, seed=seed)


def calibration_of(
    measured: MeasuredRows, predictions: Sequence[TargetPrediction], *, bins: int = 15, seed: int = 0
) -> Calibration:
    """The same from rows and their predictions."""
    probabilities, labels = measured.probabilities(predictions)
    targets = np.array([labels.index(value) if value in labels else -1 for value in measured.values])
    known = targets >= 0
    return calibrate(probabilities[known], targets[known], bins=bins, seed=seed)


def calibrate(probabilities: np.ndarray, targets: np.ndarray, *, bins: int = 15, seed: int = 0) -> Calibration:
    """The same from probabilities `(N, K)` and class numbers `(N,)`."""
    count = max(1, min(bins, len(targets) // 20))
    confidence, right = _top(probabilities, targets)
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, count)
    found = [CalibrationBin(len(p), float(confidence[p].mean()), float(right[p].mean())) for p in parts]
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(_RESAMPLES):
        drawn = rng.integers(0, len(targets), len(targets))
        draws.append(_expected_error(confidence[drawn], right[drawn], count))
    low, high = np.quantile(draws, [0.025, 0.975])
    temperature = _fit_temperature(probabilities, targets)
    fold = rng.permutation(len(targets)) % _FOLDS
    scaled = np.empty_like(probabilities)
    for k in range(_FOLDS):
        others = fold != k if (fold != k).any() else fold == k
        scaled[fold == k] = _scaled(probabilities[fold == k], _fit_temperature(probabilities[others], targets[others]))
    return Calibration(
        found, _expected_error(confidence, right, count), (float(low), float(high)), temperature,
        _expected_error(*_top(scaled, targets), count),
    )  # fmt: skip


def _top(probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability of the predicted class, and whether it is right."""
    return probabilities.max(axis=1), (probabilities.argmax(axis=1) == targets).astype(np.float64)


def _expected_error(confidence: np.ndarray, right: np.ndarray, bins: int) -> float:
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, bins)
    return float(sum(len(p) * abs(confidence[p].mean() - right[p].mean()) for p in parts) / len(confidence))


def _scaled(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    logits = np.log(np.clip(probabilities, 1e-12, 1)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def _fit_temperature(probabilities: np.ndarray, targets: np.ndarray) -> float:
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(targets))

    def log_loss(log_temperature: float) -> float:
        scaled = _scaled(probabilities, float(np.exp(log_temperature)))
        return float(-np.log(np.clip(scaled[rows, targets], 1e-12, 1)).mean())

    found: Any = minimize_scalar(log_loss, bounds=(-3, 3), method="bounded")
    return float(np.exp(found.x))

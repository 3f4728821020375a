"""What `Features` learns of one number or one category from training rows, a chunk of rows at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import polars as pl

from longspan.errors import DataError

__all__ = ["CategoryCounter", "CategoryStats", "NumberCounter", "NumberStats", "Scaling"]

Scaling = Literal["standard", "robust", "quantile"]

_SAMPLE = 1 << 17
"""Values that quantiles are taken from: their error in rank is then below 0.2 %."""
_KNOTS = 256
_EDGE_DIGITS = 7


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class NumberStats:
    """How one number is scaled, what stands for a missing one, and the edges of its bins."""

    name: str
    mean: float
    std: float
    """1 where all values are equal."""
    median: float
    """Stands for a missing value."""
    missing: bool
    """Whether a training row lacks it: then a second number says where it is missing."""
    edges: tuple[float, ...]
    """Of the bins of piecewise-linear embeddings, ascending, on the scale that networks read; at least two."""
    knots: tuple[float, ...] = ()
    """Quantiles that are mapped to those of the normal distribution; empty for a linear scale."""

    def scale(self, values: np.ndarray) -> np.ndarray:
        """`(N,)` float64 as networks read them; NaN stands for the median."""
        filled = np.where(np.isnan(values), self.median, values)
        if not self.knots:
            return (filled - self.mean) / self.std
        return np.interp(filled, self.knots, _normal_quantiles(len(self.knots)))

    def unscale(self, value: float) -> float:
        """The number that a scaled one stands for, to six digits, as single precision has them."""
        if self.knots:
            number = float(np.interp(value, _normal_quantiles(len(self.knots)), self.knots))
        else:
            number = value * self.std + self.mean
        return float(f"{number:.6g}")


@final
class NumberCounter:
    """Mean and spread of all values, quantiles of every n-th of them, chunk by chunk.

    Source of the mean and spread of parts put together: Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise
    algorithm for computing sample variances".
    """

    def __init__(self, name: str) -> None:
        """Start with no values."""
        self.name = name
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0
        self._low, self._high = np.inf, -np.inf
        self._missing = 0
        self._seen = 0
        self._step = 1
        self._sample: list[np.ndarray] = []

    def add(self, values: np.ndarray) -> None:
        """Count `(N,)` float64; NaN is missing."""
        there = values[~np.isnan(values)]
        self._missing += len(values) - len(there)
        if not len(there):
            return
        self._low, self._high = min(self._low, there.min()), max(self._high, there.max())
        first = -self._seen % self._step
        self._seen += len(there)
        self._sample.append(there[first :: self._step])
        while sum(map(len, self._sample)) > _SAMPLE:
            self._sample = [np.concatenate(self._sample)[::2]]
            self._step *= 2
        count, mean = len(there), float(there.mean())
        total, gap = self._count + count, mean - self._mean
        self._squares += float(((there - mean) ** 2).sum()) + gap**2 * self._count * count / total
        self._mean += gap * count / total
        self._count = total

    def stats(self, scaling: Scaling, bins: int) -> NumberStats:
        """What was learned.

        Args:
            scaling: See `Features.scaling`.
            bins: The most bins that the number is cut into.

        Raises:
            DataError: no row has a value.
        """
        if not self._count:
            raise DataError(f"{self.name!r} has no number in any training row. Leave it out of numbers=.")
        sample = np.concatenate(self._sample)
        center, spread = self._mean, float(np.sqrt(self._squares / self._count))
        if scaling == "robust":
            low, center, high = (float(q) for q in np.quantile(sample, [0.25, 0.5, 0.75]))
            spread = (high - low) / 1.349 or spread  # the ratio of a normal distribution
        knots: tuple[float, ...] = ()
        if scaling == "quantile":
            found = np.unique(np.quantile(sample, np.linspace(0, 1, min(_KNOTS, len(sample)))))
            knots = tuple(found.tolist()) if len(found) > 1 else ()
        if self._low >= self._high:  # the rounded mean of equal values may be off by a bit, which is not a spread
            spread = 1.0
        bare = NumberStats(
            name=self.name, mean=center, std=spread, median=float(np.median(sample)), missing=self._missing > 0,
            edges=(0.0, 1.0), knots=knots,
        )  # fmt: skip
        edges = np.unique(_bin_edges(bare.scale(sample), bins).astype(np.float32))
        if len(edges) < 2:
            edges = np.asarray([edges[0], edges[0] + 1])
        return NumberStats(
            name=self.name, mean=center, std=spread, median=bare.median, missing=bare.missing,
            edges=tuple(float(f"{edge:.{_EDGE_DIGITS}g}") for edge in edges), knots=knots,
        )  # fmt: skip


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class CategoryStats:
    """The labels of one category: class 0 is every other label, class 1 a missing one if training rows lack it."""

    name: str
    labels: tuple[str, ...]
    """In the order of their classes, the most frequent first."""
    missing: bool
    """Whether a training row lacks it."""

    @property
    def num_classes(self) -> int:
        """With the class of unknown labels, and that of missing ones where there is one."""
        return len(self.labels) + 1 + self.missing

    def codes(self, labels: pl.Series) -> np.ndarray:
        """`(N,)` class numbers."""
        first = 1 + self.missing
        known = pl.Series(self.labels, dtype=pl.String)
        classes = pl.Series(range(first, first + len(known)), dtype=pl.Int64)
        found = labels.replace_strict(known, classes, default=0, return_dtype=pl.Int64)
        return found.set(labels.is_null(), 1 if self.missing else 0).fill_null(0).to_numpy()

    def label(self, code: int) -> str | None:
        """The label of a class; None for a missing or unknown one."""
        first = 1 + self.missing
        return self.labels[code - first] if code >= first else None


@final
class CategoryCounter:
    """How often each label occurs, chunk by chunk."""

    def __init__(self, name: str) -> None:
        """Start with no labels."""
        self.name = name
        self._counts: Counter[str] = Counter()
        self._missing = 0

    def add(self, labels: pl.Series) -> None:
        """Count labels, None where missing."""
        self._missing += labels.null_count()
        counts = labels.drop_nulls().value_counts()
        self._counts.update(dict(zip(counts[:, 0].to_list(), counts[:, 1].to_list(), strict=True)))

    def stats(self, min_count: int, max_labels: int) -> CategoryStats:
        """What was learned; labels with fewer rows, and all beyond the most frequent, are unknown ones.

        Raises:
            DataError: no row has a label.
        """
        if not self._counts:
            raise DataError(f"{self.name!r} has no label in any training row. Leave it out of categories=.")
        return CategoryStats(
            name=self.name, labels=tuple(_frequent(self._counts.items(), min_count, max_labels)),
            missing=self._missing > 0,
        )  # fmt: skip


def _frequent(counts: Iterable[tuple[str, int]], min_count: int, max_labels: int) -> list[str]:
    kept = sorted((pair for pair in counts if pair[1] >= min_count), key=lambda pair: (-pair[1], pair[0]))
    return [label for label, _ in kept[:max_labels]]


def _bin_edges(values: np.ndarray, bins: int) -> np.ndarray:
    """At most `bins + 1` edges: quantiles, but values that alone fill a bin, such as a 0 in most rows, count once.

    Quantiles alone would all fall on such a value and leave hardly any bin for the others. Numbers of few different
    values have an edge at each. Source of the idea: Ke et al. 2017, "LightGBM", whose histograms treat them so.
    """
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= bins + 1:
        return distinct
    heavy = distinct[counts * bins > len(values)]
    others = values[~np.isin(values, heavy)]
    left = bins + 1 - len(heavy)
    if len(heavy) == 0:
        return np.quantile(values, np.linspace(0, 1, bins + 1))
    ends = distinct[[0, -1]]
    return np.concatenate([heavy, ends, np.quantile(others, np.linspace(0, 1, max(left, 2)))])


def _normal_quantiles(count: int) -> np.ndarray:
    """Quantiles of the standard normal distribution at evenly spaced ranks; the ends at 0.1 and 99.9 %."""
    import torch

    ranks = torch.linspace(0, 1, count, dtype=torch.float64).clamp(1e-3, 1 - 1e-3)
    return torch.special.ndtri(ranks).numpy()

"""Many columns of a table as one input: numbers, categories and dates."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any, ClassVar, Literal, Self, final

import numpy as np
import numpy.typing as npt
import polars as pl

from longspan.columns.base import Column
from longspan.columns.feature_stats import CategoryCounter, CategoryStats, NumberCounter, NumberStats, Scaling
from longspan.columns.feature_values import date_values, frame_of, holidays_of, label_values, number_values
from longspan.columns.spec import FeaturesSpec
from longspan.errors import ConfigError
from longspan.metrics.row_errors import RAW_VALUE, RowError

__all__ = ["Features"]

_CHUNK = 1 << 16
"""Rows whose values are in memory at a time."""


@final
@dataclass(frozen=True, kw_only=True)
class Features(Column):
    """Many columns of a table as one input of a network. Only an input, never a target.

    A raw value is a dict by column. It is encoded as `(F,)` float32: all numbers on the scale of the training rows,
    then for each number that training rows lack a 1 where it is missing (which the median stands in for), then the
    class number of each category. Class 0 of a category is every label that training rows do not have, or have too
    rarely; networks learn it by masking some labels at random (see `nn.FeatureInput`).

    Example:
        >>> people = Features(numbers=["age"], categories=["job"], min_count=1)
        >>> fitted = people.fit([{"age": 20, "job": "baker"}, {"age": 40, "job": "smith"}])
        >>> fitted.encode({"age": 50, "job": "clown"}).tolist()
        [2.0, 0.0]
    """

    kind: ClassVar[str] = "features"

    numbers: Sequence[str] = ()
    """Columns that are quantities."""
    categories: Sequence[str] = ()
    """Columns that are labels."""
    dates: Sequence[str] = ()
    """Columns that are dates or moments: read as year, days, month, weekday, and cycles of year, week and day."""
    scaling: Scaling = "standard"
    """How numbers are scaled: mean 0 and spread 1; "robust": median 0 and interquartile range as of a normal
    distribution; "quantile": mapped to a normal distribution by their ranks, which also bounds new ones."""
    logs: Sequence[str] = ()
    """Numbers of which the logarithm is read: log(1 + x), and -log(1 - x) below zero."""
    holidays: str | None = None
    """A country, "DE", or a part of one, "DE-BY": of each date, whether it is a public holiday there, and which."""
    bins: int = 48
    """The most bins that a number is cut into, for piecewise-linear embeddings."""
    min_count: int = 3
    """Labels that fewer training rows have are unknown ones."""
    max_labels: int = 1000
    """The most labels of a category; rarer ones are unknown."""
    reasons: tuple[str, ...] = ()
    """What was decided for each column of the table, and why, where `Features` was chosen for it."""
    number_stats: tuple[NumberStats, ...] | None = None
    """Learned from training rows."""
    category_stats: tuple[CategoryStats, ...] | None = None
    """Learned from training rows."""

    def __post_init__(self) -> None:
        """Check names and counts."""
        for field in ("numbers", "categories", "dates", "logs", "reasons"):
            if isinstance(getattr(self, field), str):
                raise ConfigError(f"Features.{field} must be a list of column names, got {getattr(self, field)!r}.")
            object.__setattr__(self, field, tuple(getattr(self, field)))
        twice = sorted(name for name, count in Counter(self.sources).items() if count > 1)
        if twice:
            raise ConfigError(f"Features names {', '.join(map(repr, twice))} twice.")
        strangers = sorted(set(self.logs) - set(self.numbers))
        if strangers:
            raise ConfigError(f"Features.logs names {', '.join(map(repr, strangers))}, which numbers= does not.")
        if self.scaling not in ("standard", "robust", "quantile"):
            raise ConfigError(f"Features.scaling must be 'standard', 'robust' or 'quantile', got {self.scaling!r}.")
        if self.holidays is not None:
            if not self.dates:
                raise ConfigError(f"Features.holidays={self.holidays!r} is read of dates=, and there are none.")
            holidays_of(self.holidays, pl.Series([], dtype=pl.Date))
        for field in ("bins", "min_count", "max_labels"):
            if not isinstance(getattr(self, field), int) or getattr(self, field) < 1:
                raise ConfigError(f"Features.{field} must be a whole number of at least 1.")

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (*self.numbers, *self.categories, *self.dates)

    def describe(self) -> str:
        """What is read, a line for each column of the table, with the reason where it was chosen."""
        if self.reasons:
            return "\n".join(self.reasons)
        kinds = (("number", self.numbers), ("category", self.categories), ("date", self.dates))
        return "\n".join(f"{name}: {kind}" for kind, names in kinds for name in names)

    # --- learning from the training rows -------------------------------------------------------------------------

    def fit(self, values: Iterable[Any]) -> Self:
        """Scales, medians, bins and labels of the training rows, in chunks.

        Raises:
            ConfigError: no column is named.
            DataError: a column has no value in any row.
        """
        if self.number_stats is not None:
            return self
        return self._fit_frames(_frames_of(values, self.sources))

    def fit_cells(self, parts: Iterable[pl.Series]) -> Self:
        """As `fit`, from rows in columns of structs, without making Python objects of them."""
        if self.number_stats is not None:
            return self
        return self._fit_frames(
            self._frame(cells[at : at + _CHUNK]) for cells in parts for at in range(0, len(cells), _CHUNK)
        )

    def _fit_frames(self, frames: Iterable[pl.DataFrame]) -> Self:
        if not self.sources:
            raise ConfigError(
                "Features names no column. Give numbers=, categories= or dates=, or let table.with_features choose."
            )
        numbers: dict[str, NumberCounter] = {}
        categories: dict[str, CategoryCounter] = {}
        for frame in frames:
            found, labels, faults = self._read(frame)
            for name, values in found.items():
                values[list(faults)] = np.nan
                numbers.setdefault(name, NumberCounter(name)).add(values)
            for name, cells in labels.items():
                categories.setdefault(name, CategoryCounter(name)).add(cells)
        if not numbers and not categories:
            raise ConfigError("Features has no training row to learn from.")
        return replace(
            self,
            number_stats=tuple(each.stats(self.scaling, self.bins) for each in numbers.values()),
            category_stats=tuple(each.stats(self.min_count, self.max_labels) for each in categories.values()),
        )

    # --- values --------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers, indicators and categories."""
        spec = self.spec()
        return (spec.numbers + len(spec.categories),)

    @property
    def dtype(self) -> npt.DTypeLike:
        """Single precision; class numbers too, which it holds exactly."""
        return np.float32

    def check(self, value: Any) -> str | None:
        """A row that lacks a column, or a cell that is not a number or date; labels that are not known are none."""
        try:
            frame = frame_of([value], self.sources)
        except ValueError as error:
            return str(error)
        return self._read(frame)[2].get(0)

    def encode(self, value: Any) -> np.ndarray:
        """Numbers on their scales, indicators, class numbers."""
        encoded, faults = self._encode_frame(frame_of([value], self.sources))
        if faults:
            raise ValueError(faults[0])
        return encoded[0]

    def encode_cells(self, cells: pl.Series) -> tuple[np.ndarray, dict[int, str]]:
        """All rows of a column of structs at once: `(N, F)` float32, and what is wrong by position."""
        encoded = np.empty((len(cells), *self.shape), np.float32)
        faults: dict[int, str] = {}
        for start in range(0, len(cells), _CHUNK):
            encoded[start : start + _CHUNK], bad = self._encode_frame(self._frame(cells[start : start + _CHUNK]))
            faults |= {start + row: what for row, what in bad.items()}
        return encoded, faults

    def made_up(self, random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Random numbers on the scale of the training rows, and class numbers."""
        encoded, classes = super().made_up(random, shape), self.spec().categories
        for place, count in enumerate(classes, start=shape[-1] - len(classes)):
            encoded[..., place] = random.integers(0, count, shape[:-1])
        return encoded

    def decode(self, encoded: Any) -> dict[str, Any]:
        """The row, to six digits; None for missing values and unknown labels. Of a date its day."""
        number_stats, category_stats = self._learned()
        values = np.asarray(encoded, np.float64)
        absent = iter(values[len(number_stats) :])
        numbers = {
            stats.name: None if stats.missing and next(absent) else stats.unscale(float(value))
            for stats, value in zip(number_stats, values, strict=False)
        }
        row: dict[str, Any] = {name: numbers[name] for name in self.numbers}
        for name in self.logs:
            if row[name] is not None:
                row[name] = float(f"{np.sign(row[name]) * np.expm1(abs(row[name])):.6g}")
        codes, labels = values[len(values) - len(category_stats) :].astype(int), set(self.categories)
        row |= {s.name: s.label(int(c)) for s, c in zip(category_stats, codes, strict=True) if s.name in labels}
        for name in self.dates:
            days = next(value for key, value in numbers.items() if key.startswith(f"{name}: days since"))
            row[name] = None if days is None else str(np.datetime64("1970-01-01") + np.timedelta64(round(days), "D"))
        return row

    def spec(self) -> FeaturesSpec:
        """Numbers with their bins, indicators, and classes of each category."""
        numbers, categories = self._learned()
        indicators = sum(stats.missing for stats in numbers)
        return FeaturesSpec(
            numbers=len(numbers) + indicators,
            categories=tuple(stats.num_classes for stats in categories),
            edges=(*(stats.edges for stats in numbers), *((0.0, 1.0),) * indicators),
        )

    @property
    def missing_input(self) -> Literal["fault", "value"]:
        """A row that is missing as a whole is a fault; single cells may be missing."""
        return "fault"

    @property
    def names(self) -> tuple[str, ...]:
        """What each encoded value is: numbers, indicators, categories."""
        numbers, categories = self._learned()
        indicators = tuple(f"{stats.name} is missing" for stats in numbers if stats.missing)
        return (*(stats.name for stats in numbers), *indicators, *(stats.name for stats in categories))

    @property
    def owners(self) -> tuple[str, ...]:
        """Of each encoded value the column of the table that it comes from."""
        numbers, categories = self._learned()
        columns = {*self.numbers, *self.categories}

        def owner(name: str) -> str:
            if name in columns:
                return name
            return max((date for date in self.dates if name.startswith(f"{date}: ")), key=len)

        indicators = [stats.name for stats in numbers if stats.missing]
        return tuple(map(owner, [*(s.name for s in numbers), *indicators, *(s.name for s in categories)]))

    @property
    def row_error(self) -> RowError:
        """Equal or not."""
        return RAW_VALUE

    def show_html(self, value: Any) -> str:
        """The values by name."""
        if not isinstance(value, dict):
            return html.escape(str(value))
        return html.escape(", ".join(f"{name} {value.get(name)}" for name in self.sources or value))

    # --- files ---------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this column again."""
        fields = super().to_json()
        if self.holidays is None:  # as before there were any
            del fields["holidays"]
        for name in ("number_stats", "category_stats"):
            stats = getattr(self, name)
            fields[name] = None if stats is None else [asdict(each) for each in stats]
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The column that `to_json` described."""
        made: dict[str, Any] = {}
        for name, stats in (("number_stats", NumberStats), ("category_stats", CategoryStats)):
            given = fields.get(name)
            made[name] = None if given is None else tuple(stats(**_tuples(each)) for each in given)
        return cls(**{**{k: v for k, v in _tuples(fields).items() if k != "kind"}, **made})

    # --- helpers -------------------------------------------------------------------------------------------------

    def unfamiliar(self, cells: pl.DataFrame) -> list[str]:
        """Labels that are not known, and columns most of whose numbers lie beyond those of the training rows."""
        number_stats, category_stats = self._learned()
        numbers, labels, _ = self._read(cells)
        found = []
        for stats in category_stats:
            there = labels[stats.name].drop_nulls()
            unknown = there.filter(~there.is_in(stats.labels))
            if len(unknown):
                found.append(
                    f"{len(unknown):,} of {len(there):,} labels in {stats.name!r}, such as {unknown[0]!r}, did not "
                    "occur "
                    "in training, or too rarely, and count as unknown"
                )
        quantities = set(self.numbers)
        for stats in number_stats:
            there = numbers[stats.name][np.isfinite(numbers[stats.name])]
            low, high = stats.unscale(stats.edges[0]), stats.unscale(stats.edges[-1])
            slack = 1e-6 * (high - low)  # edges are kept scaled: 0 comes back as 0.0002 where others are 99,999
            beyond = int(((there < low - slack) | (there > high + slack)).sum())
            if 2 * beyond > len(there) and stats.name in quantities:
                found.append(
                    f"{beyond:,} of {len(there):,} numbers in {stats.name!r} lie beyond those of the training rows, "
                    f"{low:g} to {high:g} (another unit?)"
                )
        return found

    def _learned(self) -> tuple[tuple[NumberStats, ...], tuple[CategoryStats, ...]]:
        if self.number_stats is None or self.category_stats is None:
            raise ConfigError("This Features column has learned nothing yet: call fit, or let a Task do it.")
        return self.number_stats, self.category_stats

    def _frame(self, cells: pl.Series) -> pl.DataFrame:
        """The columns of a column of structs."""
        return cells.struct.unnest().select(self.sources)

    def _read(self, frame: pl.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, pl.Series], dict[int, str]]:
        """Numbers and labels by name, and what is wrong by row."""
        numbers: dict[str, np.ndarray] = {}
        labels: dict[str, pl.Series] = {}
        faults: dict[int, list[str]] = {}

        def note(bad: dict[int, str]) -> None:
            for row, what in bad.items():
                faults.setdefault(row, []).append(what)

        logs = set(self.logs)
        for name in self.numbers:
            numbers[name], bad = number_values(frame[name])
            if name in logs:
                numbers[name] = np.sign(numbers[name]) * np.log1p(np.abs(numbers[name]))
            note(bad)
        for name in self.categories:
            labels[name], bad = label_values(frame[name])
            note(bad)
        for name in self.dates:
            some, others, bad = date_values(frame[name], self.holidays)
            numbers |= some
            labels |= others
            note(bad)
        return numbers, labels, {row: "; ".join(whats) for row, whats in sorted(faults.items())}

    def _encode_frame(self, frame: pl.DataFrame) -> tuple[np.ndarray, dict[int, str]]:
        number_stats, category_stats = self._learned()
        numbers, labels, faults = self._read(frame)
        encoded = np.empty((len(frame), *self.shape), np.float32)
        indicator = len(number_stats)
        for place, stats in enumerate(number_stats):
            values = numbers[stats.name]
            encoded[:, place] = stats.scale(np.where(np.isinf(values), np.nan, values))
            if stats.missing:
                encoded[:, indicator] = np.isnan(values)
                indicator += 1
        for place, stats in enumerate(category_stats, indicator):
            encoded[:, place] = stats.codes(labels[stats.name])
        return encoded, faults


def _frames_of(values: Iterable[Any], names: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    """Rows as frames of some rows each; what is not a row is left out, and refused when it is encoded."""
    rows = (value for value in values if isinstance(value, dict) and all(name in value for name in names))
    while chunk := list(islice(rows, _CHUNK)):
        yield frame_of(chunk, names)


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}

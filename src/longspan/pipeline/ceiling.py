"""Ceiling analysis: how much of a pipeline's error each stage is to blame for.

Stage by stage, from the first on, what a stage adds is replaced by ground truth, and the stages after it run on that.
The error that is left is the ceiling: what the pipeline could reach if these stages were perfect. The drop in
error when a stage is replaced is that stage's gain.

Source: Ng, "Machine Learning" (Coursera 2011), part XVIII, ceiling analysis. Differs: every gain has an interval, from
a bootstrap over rows that draws the same rows for all variants (paired), by percentiles (Efron & Tibshirani 1993,
section 13.3); rows are taken as independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import polars as pl

from longspan.data import Table
from longspan.errors import ConfigError, PipelineError, unknown_name
from longspan.pipeline.flow import Flow
from longspan.pipeline.scoring import row_errors
from longspan.pipeline.stage import Stage
from longspan.randomness import step_seed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from longspan.metrics.row_errors import RowError

__all__ = ["Ceiling", "StageCeiling", "measure_ceiling"]

_CELLS = 4_000_000  # drawn row numbers held at a time


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class StageCeiling:
    """One stage replaced by ground truth, with all stages before it that have some. None where that cannot be done."""

    stage: str
    """Name of the stage."""
    adds: tuple[str, ...]
    """What is replaced."""
    error: float | None = None
    """Error that is left."""
    gain: float | None = None
    """Drop in error from the variant before; below 0 where the ground truth makes the stages after it worse."""
    gain_low: float | None = None
    """Lower end of the interval of the gain."""
    gain_high: float | None = None
    """Upper end of the interval of the gain."""
    note: str = ""
    """Why there is no number."""

    @property
    def certain(self) -> bool:
        """Whether the interval lies above 0."""
        return self.gain_low is not None and self.gain_low > 0


@final
@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Ceiling:
    """The error of a pipeline as it is, and how much of it each stage is to blame for."""

    target: str
    """The column whose error is analysed."""
    measure: str
    """"error", such as the fraction of wrong predictions, "mae" in the unit of the target, or the name of `error`."""
    error: float
    """Of the pipeline as it is."""
    stages: tuple[StageCeiling, ...]
    """In the order of the pipeline."""
    level: float
    """Of the intervals."""
    num_rows: int
    """Rows measured, the same for all variants."""
    notes: tuple[str, ...] = ()
    """What was left out."""

    @property
    def worst(self) -> str | None:
        """The stage with the largest gain among those whose interval lies above 0; None if there is none."""
        certain = [stage for stage in self.stages if stage.certain]
        return max(certain, key=lambda stage: stage.gain or 0.0).stage if certain else None

    def frame(self) -> pl.DataFrame:
        """One row per stage: error left, gain, its interval, and a note where there is no number."""
        schema = {
            "stage": pl.String, "error": pl.Float64, "gain": pl.Float64, "gain_low": pl.Float64,
            "gain_high": pl.Float64, "note": pl.String,
        }  # fmt: skip
        return pl.DataFrame([{k: getattr(stage, k) for k in schema} for stage in self.stages], schema=schema)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        fields = asdict(self)
        stages = [{**stage, "adds": list(stage["adds"])} for stage in fields["stages"]]
        return {**fields, "stages": stages, "notes": list(self.notes), "worst": self.worst}

    @classmethod
    def from_json(cls, values: Any) -> Ceiling:
        """What `to_json` gave.

        Raises:
            PipelineError: the values are not those of a ceiling analysis.
        """
        try:
            fields = {name: values[name] for name in ("target", "measure", "error", "level", "num_rows")}
            stages = [StageCeiling(**{**stage, "adds": tuple(stage["adds"])}) for stage in values["stages"]]
            return cls(**fields, stages=tuple(stages), notes=tuple(values.get("notes", ())))
        except (AttributeError, KeyError, TypeError) as error:
            raise PipelineError(
                f"These are not the values of a ceiling analysis, as pipeline.ceiling(table).to_json() gives them: "
                f"{type(error).__name__}: {error}."
            ) from error

    def figure(self) -> Figure:
        """The gain of each stage as a bar with its interval."""
        from longspan.pipeline.ceiling_figure import draw_ceiling

        return draw_ceiling(self)

    def __repr__(self) -> str:
        wide = max(len("stage"), *(len(stage.stage) for stage in self.stages))
        lines = [
            f"Ceiling of {self.target!r}: {self.measure} {self.error:.4g} over {self.num_rows:,} rows",
            f"  {'stage':<{wide}}  {'left':>8}  {'gain':>8}  {self.level:.0%} interval",
        ]
        for stage in self.stages:
            if stage.gain is None or stage.error is None:
                lines.append(f"  {stage.stage:<{wide}}  {'-':>8}  {'-':>8}  {stage.note}")
                continue
            interval = f"{stage.gain_low:.4g} to {stage.gain_high:.4g}"
            worst = "  <- the largest" if stage.stage == self.worst else ""
            lines.append(f"  {stage.stage:<{wide}}  {stage.error:>8.4g}  {stage.gain:>8.4g}  {interval}{worst}")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


def measure_ceiling(
    stages: Sequence[Stage],
    flow: Flow,
    table: Table,
    outputs: Sequence[str],
    target: str | None,
    *,
    error: RowError | None,
    level: float,
    seed: int,
    bootstrap: int,
) -> Ceiling:
    """Run every variant on the rows of `flow` and compare them; see `Pipeline.ceiling`."""
    if not 0 < level < 1:
        raise ConfigError(f"level must lie between 0 and 1, got {level!r}.")
    if bootstrap < 100:
        raise ConfigError(f"bootstrap must be at least 100 draws, or the interval's ends are chance; got {bootstrap}.")
    target = _target(stages, table, outputs, target)
    column = table.columns[target]
    ground_truth = flow.rows.read(target)
    plans = [_Plan(stage, *_plan(stages, stage, target, table)) for stage in stages]
    known = [row for row, value in enumerate(ground_truth) if value is not None]
    for name in {name for plan in plans for name in plan.replaced}:
        values = flow.rows.read(name)
        known = [row for row in known if values[row] is not None]

    def errors_of(taken: frozenset[str]) -> np.ndarray:
        values = flow.values(target, taken)
        return row_errors(target, column, [ground_truth[r] for r in known], [values[r] for r in known], error)

    taken: frozenset[str] = frozenset()
    variants = [errors_of(taken)] if known else []
    notes: dict[str, str] = {}
    for plan in plans:
        if plan.note or not known:
            notes[plan.stage.name] = plan.note
            continue
        try:
            variants.append(errors_of(taken | plan.replaced))
            taken |= plan.replaced
        except PipelineError as fault:  # a stage that cannot work with ground truth here and predictions there
            notes[plan.stage.name] = f"not measured: {fault}"
    errors = np.stack(variants) if variants else np.empty((0, 0))
    usable = np.isfinite(errors).all(axis=0)
    if usable.sum() < 2:
        raise PipelineError(
            f"Ceiling analysis needs at least two rows with a prediction and ground truth, of {target!r} and of what "
            f"is replaced; the table has {int(usable.sum())}."
        )
    errors = errors[:, usable]
    low, high = _intervals(errors[:-1] - errors[1:], level, seed, bootstrap)
    means = errors.mean(axis=1)
    found = []
    number = 0
    for plan in plans:
        name, adds = plan.stage.name, plan.stage.adds
        if name in notes:
            found.append(StageCeiling(stage=name, adds=adds, note=notes[name]))
            continue
        found.append(
            StageCeiling(
                stage=name,
                adds=adds,
                error=float(means[number + 1]),
                gain=float(means[number] - means[number + 1]),
                gain_low=float(low[number]),
                gain_high=float(high[number]),
            )
        )
        number += 1
    left_out = len(ground_truth) - int(usable.sum())
    return Ceiling(
        target=target,
        measure=column.row_error.metric if error is None else error.name,
        error=float(means[0]),
        stages=tuple(found),
        level=level,
        num_rows=int(usable.sum()),
        notes=(f"{left_out} of {len(ground_truth)} rows were left out: they lack ground truth or a prediction.",)
        if left_out
        else (),
    )


@final
@dataclass(frozen=True, slots=True)
class _Plan:
    """What is replaced when a stage's turn comes; a note where it has none."""

    stage: Stage
    replaced: frozenset[str]
    note: str


def _plan(stages: Sequence[Stage], stage: Stage, target: str, table: Table) -> tuple[frozenset[str], str]:
    used = {target}
    for later in reversed(stages):
        if used & {*later.adds}:
            used |= {*later.reads}
    leading = [name for name in stage.adds if name in used]
    if not leading:
        used_by = [each.name for each in stages if each.component.traits.uses == stage.name]
        if used_by:
            names = ", ".join(map(repr, used_by))
            return frozenset(), f"its predictions are not read: {names} uses its network's features"
        return frozenset(), f"does not lead to {target!r}"
    missing = [name for name in leading if name not in table.columns or not table.frame[name].count()]
    if missing:
        names = ", ".join(map(repr, missing))
        return (
            frozenset(),
            f"no ground truth for {names} in the table; its part is in the gain of the next stage that has some",
        )
    return frozenset(leading), ""


def _target(stages: Sequence[Stage], table: Table, outputs: Sequence[str], target: str | None) -> str:
    added = [name for stage in stages for name in stage.adds]
    if target is not None:
        if target not in added:
            raise unknown_name("added column", target, added)
        if target not in table.columns:
            raise PipelineError(f"The table has no ground truth for {target!r}, so there is no error to analyse.")
        return target
    found = [name for name in outputs if name in table.columns]
    if not found:
        raise PipelineError(f"The table has no ground truth for {', '.join(map(repr, outputs))}: no error to analyse.")
    if len(found) > 1:
        raise PipelineError(f"The table has ground truth for {found}: choose one with target=.")
    return found[0]


def _intervals(gains: np.ndarray, level: float, seed: int, bootstrap: int) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of the means of `gains`, `(variants, N)`, over rows drawn anew: lower and upper ends."""
    generator = np.random.default_rng(step_seed(seed, "ceiling", 0))
    num_rows = gains.shape[1]
    at_a_time = max(1, _CELLS // max(1, num_rows))
    means = []
    for start in range(0, bootstrap, at_a_time):
        drawn = generator.integers(0, num_rows, (min(at_a_time, bootstrap - start), num_rows))
        means.append(np.stack([gain[drawn].mean(axis=1) for gain in gains]))
    ends = np.quantile(np.concatenate(means, axis=1), [(1 - level) / 2, (1 + level) / 2], axis=1)
    return ends[0], ends[1]

"""k-fold cross-validation: every row is predicted by a model that was not trained on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
import polars as pl
import torch

from longspan.columns import Column
from longspan.data import Split, Table, Task
from longspan.errors import ConfigError
from longspan.heads import Head
from longspan.inference import Ensemble, Predictor
from longspan.inference.scores import Scores
from longspan.train.label_review import SuspectLabel, suspect_labels, write_relabel_page
from longspan.train.learner import Learner
from longspan.train.recipe import Recipe

__all__ = ["CrossValidation", "cross_validate", "with_all_labels"]


@final
@dataclass(kw_only=True, slots=True)
class CrossValidation:
    """The models of all folds and their predictions for the rows that each was not trained on."""

    task: Task
    """Of the first fold; all share its table."""
    heads: dict[str, Head]
    models: list[Predictor] = field(default_factory=list)
    metrics: list[dict[str, float]] = field(default_factory=list)
    """Of each fold, on its validation rows."""
    scores: Scores
    """Out of fold, in the order of the table's rows."""
    folds: torch.Tensor
    """`(N,)` the fold, from 1, in which each of those rows was predicted."""

    @property
    def mean(self) -> dict[str, float]:
        """Mean of every metric over the folds that define it."""
        return {name: float(np.mean(values)) for name, values in self._by_name().items()}

    @property
    def spread(self) -> dict[str, float]:
        """Standard deviation of every metric over the folds (n - 1); 0 for a single one.

        Training rows of the folds overlap, so it is smaller than the spread over independent samples.
        """
        return {name: float(np.std(v, ddof=1)) if len(v) > 1 else 0.0 for name, v in self._by_name().items()}

    def ensemble(self) -> Ensemble:
        """The models of all folds, whose predictions are averaged."""
        return Ensemble(self.models)

    def suspect_labels(self) -> list[SuspectLabel]:
        """Labels that are probably wrong, the surest first (confident learning on the out-of-fold predictions)."""
        return suspect_labels(self.heads, self.scores)

    def relabel_page(self, path: str | Path, target: str | None = None) -> Path:
        """A page that shows the suspect labels of one target, to relabel or drop them; it writes a CSV file."""
        target = target or next(iter(self.heads))
        return write_relabel_page(Path(path), self.task, [s for s in self.suspect_labels() if s.target == target])

    def frame(self) -> pl.DataFrame:
        """Out-of-fold predictions: row, file, fold, and by target the value, the prediction, probabilities, the loss.

        Values that are not words or numbers (masks, boxes) are left out.
        """
        table, rows = self.task.table, self.scores.rows.tolist()
        found: dict[str, Any] = {_free("row", self.heads): rows}
        for name in self.task.input_names:
            if table.columns[name].in_files and name not in table.arrays:
                found[name] = [table.frame[name][row] for row in rows]
        found[_free("fold", self.heads)] = self.folds.tolist()
        for name, head in self.heads.items():
            present = self.scores.present[name].tolist()
            column = head.column
            assert column is not None
            if not column.context_kind:
                decoded = head.decode(self.scores.predictions[name])
                targets = self.scores.targets[name]
                found[name] = [
                    _plain(column.decode(targets[i].numpy())) if present[i] else None for i in range(len(rows))
                ]
                found[f"{name}.predicted"] = [_plain(each.value) for each in decoded]
                if decoded and decoded[0].probability is not None:
                    found[f"{name}.probability"] = [each.probability for each in decoded]
                for label in decoded[0].probabilities or () if decoded else ():
                    found[f"{name}.p.{label}"] = [(each.probabilities or {}).get(label) for each in decoded]
            losses = self.scores.losses[name].tolist()
            found[f"{name}.loss"] = [loss if there else None for loss, there in zip(losses, present, strict=True)]
        return pl.DataFrame(found, strict=False)

    def _by_name(self) -> dict[str, list[float]]:
        names = dict.fromkeys(name for metrics in self.metrics for name in metrics)
        return {name: [metrics[name] for metrics in self.metrics if name in metrics] for name in names}


def cross_validate(
    data: Split | Table,
    inputs: str | Sequence[str],
    targets: str | Sequence[str],
    train: Recipe | Callable[[Task], Learner],
    *,
    folds: int = 5,
    group: str | None = None,
    seed: int = 0,
    **options: Any,
) -> CrossValidation:
    """Train a model per fold on the other folds, and predict each fold with the model that did not see it.

    Args:
        data: A table; or a split, whose test rows stay sealed and whose other rows are divided into folds.
        inputs: Columns that the network reads.
        targets: Columns that it predicts.
        train: A recipe, or a function that makes a learner on a task and trains it.
        folds: How many.
        group: A column no value of which may stand in two folds; see `Split.folds`.
        seed: Of the folds of a bare table, and of the recipe.
        **options: Of `Task`, such as size_px.

    Raises:
        SplitError: the rows cannot be divided so.
        LongspanError: what Task and training raise.
    """
    split = data.split(valid=0, seed=seed) if isinstance(data, Table) else data
    names = (targets,) if isinstance(targets, str) else tuple(targets)
    result: CrossValidation | None = None
    scores, numbers = [], []
    for number, fold in enumerate(with_all_labels(split, names).folds(folds, group=group), start=1):
        task = Task(fold, inputs, targets, group=group, **options)
        learner = train.train(task, seed=seed) if isinstance(train, Recipe) else train(task)
        if learner.task is not task:
            raise ConfigError("The function that trains got a task and made a learner of another one.")
        scores.append(learner.scores())
        numbers.append(torch.full((len(scores[-1].rows),), number))
        result = result or CrossValidation(
            task=task, heads=dict(learner.heads), scores=scores[0], folds=numbers[0]
        )  # fmt: skip
        result.metrics.append(learner.evaluate())
        result.models.append(learner.predictor())
    assert result is not None
    result.scores, result.folds = _joined(scores, numbers)
    return result


def with_all_labels(split: Split, targets: Sequence[str]) -> Split:
    """The split with target columns that know all labels outside the vault, so that every fold has the same classes."""
    from dataclasses import replace

    table, rows = split.table, np.union1d(split.train, split.valid)
    for name in targets:
        column: Column = table.column(name)
        if getattr(column, "vocab", None) == () and not column.in_files and not column.context_kind:
            cells = [value for value in table.frame[name].gather(rows).to_list() if value is not None]
            table = table.with_column(name, column.fit(cells))
    return replace(split, table=table)


def _joined(scores: Sequence[Scores], numbers: Sequence[torch.Tensor]) -> tuple[Scores, torch.Tensor]:
    """All folds' rows in the order of the table."""
    rows = torch.cat([each.rows for each in scores])
    order = rows.argsort()

    def join(kind: str) -> dict[str, torch.Tensor]:
        return {name: _cat([getattr(each, kind)[name] for each in scores])[order] for name in scores[0].losses}

    parts = {kind: join(kind) for kind in ("predictions", "targets", "present", "losses")}
    return Scores(rows[order], **parts), torch.cat(list(numbers))[order]


def _cat(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """All rows; without values where those of the folds have different shapes, such as lists of objects."""
    if len({part.shape[1:] for part in parts}) > 1:
        return torch.zeros(sum(map(len, parts)), 0)
    return torch.cat(list(parts))


def _free(name: str, targets: Mapping[str, Head]) -> str:
    """A name of our own that is not a target's."""
    while name in targets:
        name += "_"
    return name


def _plain(value: Any) -> Any:
    return "; ".join(map(str, value)) if isinstance(value, list) else value

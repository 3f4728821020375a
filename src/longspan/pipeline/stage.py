"""One step of a pipeline: what it reads, what it adds, and what does the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, final, get_args

from torch import nn

from longspan.columns import Column
from longspan.errors import PipelineError, nearest
from longspan.inference import Ensemble, Predictor
from longspan.pipeline.network_features import FeaturesOf
from longspan.train import Learner

__all__ = ["Method", "Stage", "StageKind", "TrainOn"]

StageKind = Literal["function", "features", "strategy", "estimator", "trained"]
"""Given: a function, the features of another stage's network; trained by `fit`: a strategy, a scikit-learn estimator;
trained before: a model that is kept."""
TrainOn = Literal["truth", "predicted", "both"]
Method = Literal["predict", "predict_proba", "decision_function"]


@final
class Stage:
    """One step: reads some columns of a sample and adds others. Given (a function) or learned. Nothing in it changes.

    Where something that a stage reads is missing (None), the stage is not run, and what it adds is missing too.

    Example:
        >>> Stage("double", lambda n: 2 * n, reads="n", adds="twice")
        Stage(double: n -> twice)
    """

    def __init__(
        self,
        name: str,
        what: Any,
        *,
        reads: str | Sequence[str],
        adds: str | Sequence[str] | Mapping[str, Column],
        each: str | None = None,
        train_on: TrainOn = "truth",
        label: Callable[..., Any] | None = None,
        method: Method = "predict",
        views: int = 1,
        size_px: int | tuple[int, int] | None = None,
        columns: Mapping[str, Column] | None = None,
    ) -> None:
        """Check the parts of one stage; how stages fit together is checked by the pipeline.

        Args:
            name: Of the stage, for messages, tables and files.
            what: A function of one sample's values, in the order of `reads`, that returns the value of `adds`, or a
                tuple of them; or how to learn one: a `Recipe` or another strategy, or a scikit-learn estimator; or a
                model that is trained already: a Learner, Predictor or Ensemble. Its inputs and targets are matched by
                name where the names are the same, else by order. `FeaturesOf` gives what the network of an earlier
                stage sees.
            reads: Columns of the sample, from the data or added by stages before.
            adds: New columns; as a mapping it also says what they mean, and with `each` what one element means.
                Needed where a network reads or learns what the data has no column for.
            each: One of `reads`, a list in every sample: the stage runs once per element, the other reads are passed
                whole, and what it adds is the list of results.
            train_on: Whether a learned stage is trained on the true values of what it reads, on what the stages before
                it predict, or on both.
            label: For `train_on` "predicted" or "both": a function `label(predicted, truth)` that says what the stage
                should have answered to what was predicted; with `each` a list, one per predicted element. `predicted`
                holds what the stage reads and all it was computed from (with "both" also what comes of the true values
                where the table has them), `truth` the row of the table, both by column. None stands for no label.
                With it the table needs no column of what the stage adds.
            method: Of a scikit-learn estimator that answers: its label or number, the probabilities of its classes, or
                its distances to their borders. With another than "predict", `label` says what it learns.
            views: Of a network that reads images: more than 1 averages its answers over so many augmented views (see
                `Augment.views`).
            size_px: Height and width, or one side of a square, of the images that the stage's network sees.
            columns: What columns that the stage reads mean to it, where neither the data nor an earlier stage says so,
                or says otherwise; with `each`, of one element.

        Raises:
            PipelineError: arguments that cannot be, all of them.
        """
        self.name = name
        self.what = what
        self.reads = (reads,) if isinstance(reads, str) else tuple(reads)
        self.adds = (adds,) if isinstance(adds, str) else tuple(adds)
        self.columns: dict[str, Column] = {**(columns or {}), **(adds if isinstance(adds, Mapping) else {})}
        self.each = each
        self.train_on = train_on
        self.label = label
        self.method = method
        self.views = views
        self.size_px = (size_px, size_px) if isinstance(size_px, int) else size_px
        if not isinstance(name, str) or not name:
            raise PipelineError(f"A stage has a name, a word that is not empty, got {name!r}.")
        self.kind: StageKind = _kind_of(name, what)
        faults = self._faults()
        if faults:
            raise PipelineError(f"Stage {name!r} cannot be: {'; '.join(faults)}.")

    @property
    def learned(self) -> bool:
        """Whether it holds something that learns or has learned, and is not given."""
        return self.kind not in ("function", "features")

    def __repr__(self) -> str:
        each = f", each {self.each}" if self.each else ""
        how = f"; {self.kind} {type(self.what).__name__}" if self.learned else ""
        if isinstance(self.what, FeaturesOf):
            how = f"; features of {self.what.stage!r}"
        return f"Stage({self.name}: {', '.join(self.reads)} -> {', '.join(self.adds)}{each}{how})"

    def _faults(self) -> list[str]:
        faults = []
        for what, names in (("reads", self.reads), ("adds", self.adds)):
            if not names or not all(isinstance(each, str) and each for each in names) or len({*names}) < len(names):
                faults.append(f"{what}= are names of columns, each once and at least one, got {list(names)}")
        if not faults and {*self.reads} & {*self.adds}:
            faults.append(f"it reads what it adds itself, {sorted({*self.reads} & {*self.adds})}: a cycle")
        if self.each is not None and self.each not in self.reads:
            near = nearest(self.each, [name for name in self.reads if isinstance(name, str)])
            hint = f"; did you mean {near!r}?" if near else ""
            faults.append(f"each={self.each!r} is none of the columns it reads, {list(self.reads)}{hint}")
        for name, column in self.columns.items():
            if name not in (*self.reads, *self.adds):
                faults.append(f"columns= says what {name!r} means, which it neither reads nor adds")
            if not isinstance(column, Column):
                brackets = f" (with brackets: {column.__name__}())" if isinstance(column, type) else ""
                faults.append(f"column {name!r} must be a Column such as ls.Image(){brackets}, got {column!r}")
        return faults + self._training_faults()

    def _training_faults(self) -> list[str]:
        """What cannot be in how it learns and what of it answers."""
        faults = []
        given = "a function" if self.kind == "function" else "given: the features of a network"
        if self.train_on not in get_args(TrainOn):
            faults.append(f"train_on must be 'truth', 'predicted' or 'both', got {self.train_on!r}")
        if not self.learned and (self.train_on != "truth" or self.label is not None):
            faults.append(f"train_on= and label= are for learned stages, and this one is {given}")
        elif self.label is not None and (self.train_on == "truth" or len(self.adds) != 1):
            faults.append("label= goes with train_on='predicted' or 'both' and one added column")
        if self.kind in ("estimator", "features") and len(self.adds) != 1:
            what = "a scikit-learn estimator" if self.kind == "estimator" else "a stage of features"
            faults.append(f"{what} adds one column, not {list(self.adds)}")
        if self.method not in get_args(Method):
            faults.append(f"method must be one of {', '.join(map(repr, get_args(Method)))}, got {self.method!r}")
        elif self.method != "predict" and not (self.kind == "estimator" and hasattr(self.what, self.method)):
            what = type(self.what).__name__ if self.kind == "estimator" else "what is no scikit-learn estimator"
            faults.append(f"method={self.method!r} is nothing that {what} has")
        if not isinstance(self.views, int) or self.views < 1:
            faults.append(f"views must be a whole number of at least 1, got {self.views!r}")
        elif self.views > 1 and self.kind not in ("strategy", "trained"):
            faults.append("views= is for stages with a network")
        return faults


def _kind_of(name: str, what: Any) -> StageKind:
    if isinstance(what, Learner | Predictor | Ensemble):
        return "trained"
    if isinstance(what, FeaturesOf):
        return "features"
    if isinstance(what, nn.Module):
        raise PipelineError(
            f"Stage {name!r}: a bare network says not how it is trained; give a Recipe with a function that makes it."
        )
    trains = callable(getattr(what, "train", None))
    fits = callable(getattr(what, "fit", None)) and callable(getattr(what, "predict", None))
    if callable(what) and not trains and not fits and not hasattr(what, "fit"):  # classes such as str are functions too
        return "function"
    if not isinstance(what, type) and (trains or fits):
        return "strategy" if trains else "estimator"
    instance = f"; give an instance: {what.__name__}(...)" if isinstance(what, type) else ""
    raise PipelineError(
        f"Stage {name!r} holds a function, a strategy such as Recipe, a trained model or a scikit-learn estimator, "
        f"not {what!r}{instance}."
    )

"""One step of a pipeline: what it reads, what it adds, and what does the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final, get_args

from longspan.columns import Column
from longspan.errors import PipelineError, nearest
from longspan.pipeline.components import component_of
from longspan.pipeline.identity import as_json, qualified_name
from longspan.pipeline.stage_spec import Method, StageSpec, TrainOn

__all__ = ["Method", "Stage", "TrainOn"]


@final
class Stage:
    """One step: reads some columns of a sample and adds others, by a function or by something that learns.

    Nothing in it changes. Where a value that a stage reads is missing (None), the stage is not run, and what it adds is
    missing too.

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
                tuple of them; an object that is called like one and has a method `reset()`, where results depend on the
                samples before; or how to learn one: a `Recipe` or another strategy, or a scikit-learn estimator; or a
                model that is trained already: a Learner, Predictor or Ensemble. Its inputs and targets are matched by
                name where the names are the same, else by order. `FeaturesOf` computes the features of the network of
                an earlier stage.
            reads: Columns of the sample, from the data or added by stages before.
            adds: New columns; as a mapping it also says what they mean, and with `each` what one element means.
                Needed where a network reads or learns what the data has no column for.
            each: One of `reads`, a list in every sample: the stage runs once per element, the other reads are passed
                whole, and what it adds is the list of results.
            train_on: Whether a learned stage is trained on the ground truth of what it reads, on what the stages before
                it predict, or on both.
            label: For `train_on` "predicted" or "both": a function `label(predicted, true)` that gives the target for
                what was predicted; with `each` a list, one per predicted element. `predicted` holds what the stage
                reads and all it was computed from (with "both" also what is computed from the ground truth where the
                table has it), `true` the row of the table, both by column. None stands for no label. With it the table
                needs no column of what the stage adds.
            method: What gives the added value. Of a scikit-learn estimator: its label or number, the probabilities of
                its classes, or its distances to their borders; with another than "predict", `label` gives its targets.
                Of a network: its prediction, or ("predict_proba") its probabilities as an array, of a text at each
                step.
            views: Of a network that reads images: more than 1 averages its predictions over so many augmented views
                (see `Augment.views`).
            size_px: Height and width, or one side of a square, of the images that the stage's network sees.
            columns: What columns that the stage reads mean to it, where neither the data nor an earlier stage says so,
                or says otherwise; with `each`, of one element. A function takes recordings of
                `Audio(rate_hz=...)` as samples at that rate, and those of `Audio()` as they come: paths, mostly.

        Raises:
            PipelineError: arguments that cannot be, all of them.
        """
        if not isinstance(name, str) or not name:
            raise PipelineError(f"A stage needs a name, a word that is not empty, got {name!r}.")
        self.name = name
        self.what = what
        self.reads = (reads,) if isinstance(reads, str) else tuple(reads)
        self.adds = (adds,) if isinstance(adds, str) else tuple(adds)
        self.columns: dict[str, Column] = {**(columns or {}), **(adds if isinstance(adds, Mapping) else {})}
        self.each = each
        self.train_on: TrainOn = train_on
        self.label = label
        self.method: Method = method
        self.views = views
        self.size_px = (size_px, size_px) if isinstance(size_px, int) else size_px
        self.component = component_of(name, what)
        """What does the work, before it is trained."""
        faults = [*self._wiring_faults(), *self._component_faults()]
        if faults:
            raise PipelineError(f"Stage {name!r} cannot be made: {'; '.join(faults)}.")
        self.spec = StageSpec(
            name=name, reads=self.reads, adds=self.adds, columns=self.columns, each=each, train_on=train_on,
            label=label, method=method, views=views, size_px=self.size_px,
        )  # fmt: skip
        """The wiring alone, which components are given."""

    @property
    def kind(self) -> str:
        """Of its component: "function", "features", "strategy", "estimator", "trained" ..."""
        return self.component.traits.kind

    @property
    def learned(self) -> bool:
        """Whether it holds something that learns or has learned."""
        return self.component.traits.learned

    def __repr__(self) -> str:
        each = f", each {self.each}" if self.each else ""
        summary = f"; {self.component.traits.summary}" if self.component.traits.summary else ""
        return f"Stage({self.name}: {', '.join(self.reads)} -> {', '.join(self.adds)}{each}{summary})"

    def to_json(self) -> dict[str, Any]:
        """The stage and what is in it, the same in every run; a function goes by its name."""
        return {
            "name": self.name,
            "what": self.component.identity(),
            "reads": list(self.reads),
            "adds": list(self.adds),
            "columns": {name: as_json(column.to_json()) for name, column in sorted(self.columns.items())},
            "each": self.each,
            "train_on": self.train_on,
            "label": None if self.label is None else qualified_name(self.label),
            "size_px": None if self.size_px is None else list(self.size_px),
            # Only where it is not the default, so that files of earlier studies stay comparable.
            **({} if self.method == "predict" else {"method": self.method}),
            **({} if self.views == 1 else {"views": self.views}),
        }

    def _wiring_faults(self) -> list[str]:
        faults = []
        for what, names in (("reads", self.reads), ("adds", self.adds)):
            if not names or not all(isinstance(each, str) and each for each in names) or len({*names}) < len(names):
                faults.append(f"{what}= are names of columns, each once and at least one, got {list(names)}")
        if not faults and {*self.reads} & {*self.adds}:
            faults.append(f"it reads what it adds itself, {sorted({*self.reads} & {*self.adds})}: a cycle")
        if self.each is not None and self.each not in self.reads:
            near = nearest(self.each, [name for name in self.reads if isinstance(name, str)])
            hint = f"; did you mean {near!r}?" if near else ""
            faults.append(f"each={self.each!r} is not one of the columns it reads, {list(self.reads)}{hint}")
        for name, column in self.columns.items():
            if name not in (*self.reads, *self.adds):
                faults.append(f"columns= says what {name!r} means, which it neither reads nor adds")
            if not isinstance(column, Column):
                brackets = f" (with brackets: {column.__name__}())" if isinstance(column, type) else ""
                faults.append(f"column {name!r} must be a Column such as ls.Image(){brackets}, got {column!r}")
        return faults

    def _component_faults(self) -> list[str]:
        """Options that do not suit what it holds."""
        faults = []
        traits = self.component.traits
        if self.train_on not in get_args(TrainOn):
            faults.append(f"train_on must be 'truth', 'predicted' or 'both', got {self.train_on!r}")
        if not traits.learned and (self.train_on != "truth" or self.label is not None):
            faults.append(f"train_on= and label= are for learned stages, and this one is {traits.noun}")
        elif self.label is not None and (self.train_on == "truth" or len(self.adds) != 1):
            faults.append("label= goes with train_on='predicted' or 'both' and one added column")
        if traits.one_output and len(self.adds) != 1:
            faults.append(f"{traits.noun} adds one column, not {list(self.adds)}")
        if self.method not in get_args(Method):
            faults.append(f"method must be one of {', '.join(map(repr, get_args(Method)))}, got {self.method!r}")
        elif self.method not in traits.methods:
            faults.append(f"{traits.noun}, {type(self.what).__name__}, has no method {self.method!r}")
        if not isinstance(self.views, int) or self.views < 1:
            faults.append(f"views must be a whole number of at least 1, got {self.views!r}")
        elif self.views > 1 and not traits.has_network:
            faults.append("views= is for stages with a network")
        if traits.keeps_state and self.each is not None:
            faults.append("a function with reset() keeps state from sample to sample, so it cannot run with each=")
        return faults

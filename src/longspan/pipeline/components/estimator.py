"""A scikit-learn estimator: a fresh clone is fitted on rows of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, final, get_args

from longspan.columns import column_from_json
from longspan.heads import TargetPrediction
from longspan.pipeline.components.base import Component, HandIn, Traits
from longspan.pipeline.estimator import EstimatorModel, fit_estimator
from longspan.pipeline.estimator_state import describe_estimator, is_estimator, restore_estimator
from longspan.pipeline.identity import describe_object
from longspan.pipeline.stage_spec import Method

if TYPE_CHECKING:
    import torch

    from longspan.columns import Column
    from longspan.pipeline.stage_spec import StageSpec
    from longspan.pipeline.training_set import TrainingSet
    from longspan.train import Budget

__all__ = ["EstimatorComponent"]


@final
class EstimatorComponent:
    """An unfitted estimator and, once trained, the fitted clone."""

    file_kinds: ClassVar[tuple[str, ...]] = ("estimator",)

    def __init__(self, estimator: Any, fitted: EstimatorModel | None = None) -> None:
        """Keep the estimator; `fitted` comes from `fit`."""
        self.what = estimator
        self.model = fitted
        self.traits = Traits(
            kind="estimator", noun="a scikit-learn estimator", summary=f"estimator {type(estimator).__name__}",
            learned=True, trainable=True, one_output=True,
            methods=tuple(method for method in get_args(Method) if hasattr(estimator, method)),
        )  # fmt: skip

    @property
    def ready(self) -> bool:
        """Whether it was fitted."""
        return self.model is not None

    @classmethod
    def accept(cls, what: Any) -> Self | None:
        """An instance with `fit` and `predict`."""
        fits = callable(getattr(what, "fit", None)) and callable(getattr(what, "predict", None))
        return cls(what) if fits and not isinstance(what, type) else None

    def signature(self, spec: StageSpec) -> tuple[dict[str, Column], dict[str, Column]]:
        """The images that it was trained on; numbers are read as they are."""
        if self.model is None:
            return {}, {}
        pairs = zip(spec.reads, self.model.columns, strict=True)
        return {name: column for name, column in pairs if column is not None}, {}

    def fit(self, data: TrainingSet, *, seed: int, budget: Budget | None) -> Component:
        """A fitted clone; an estimator counts no steps, so that a budget has no effect."""
        del budget
        spec = data.spec
        fitted = fit_estimator(
            self.what,
            list(zip(*(data.inputs[name] for name in spec.reads), strict=True)),
            data.targets[spec.adds[0]],
            [data.columns.get(name) for name in spec.reads],
            size_px=spec.size_px,
            seed=seed,
            method=spec.method,
        )
        return EstimatorComponent(self.what, fitted)

    def start(self, find: Callable[[str], Component]) -> Component:
        """It keeps no state."""
        del find
        return self

    def run(self, calls: Sequence[tuple[Any, ...]], spec: StageSpec) -> list[tuple[TargetPrediction, ...]]:
        """All calls as rows of numbers."""
        del spec
        assert self.model is not None
        return [(TargetPrediction(value),) for value in self.model.predict(calls)]

    def identity(self) -> Any:
        """Its class and options."""
        return describe_object(self.what)

    def describe(self, spec: StageSpec) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """What it learned, and how images become its numbers."""
        import sklearn

        assert self.model is not None
        state, tensors = describe_estimator(self.model.estimator, spec.name)
        columns = [None if column is None else column.to_json() for column in self.model.columns]
        return {"kind": "estimator", "state": state, "columns": columns, "scikit-learn": sklearn.__version__}, tensors

    @classmethod
    def hand_in(cls, fields: Mapping[str, Any]) -> HandIn | None:
        """An unfitted estimator of its class."""
        name = str(fields["state"]["estimator"])
        return HandIn(words=f"a {name} (unfitted)", name=name, fits=is_estimator)

    @classmethod
    def restore(
        cls, fields: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], handed_in: Any, *, method: str,
        device: str, notes: list[str],
    ) -> Self:  # fmt: skip
        """A fitted clone of the estimator that is handed in."""
        import sklearn

        del device
        columns = [None if column is None else column_from_json(column) for column in fields["columns"]]
        estimator = restore_estimator(handed_in, fields["state"], tensors)
        if fields["scikit-learn"] != sklearn.__version__:
            notes.append(f"fitted with scikit-learn {fields['scikit-learn']}, loaded with {sklearn.__version__}.")
        return cls(handed_in, EstimatorModel(estimator, columns, method))

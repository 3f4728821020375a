"""A strategy: whatever has `train(task, seed=, budget=)`, such as a Recipe, a Transfer or a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, final

from torch import nn

from longspan.errors import ConfigError, PipelineError
from longspan.heads import TargetPrediction
from longspan.pipeline.components.base import Component, HandIn, Traits
from longspan.pipeline.components.trained import TrainedComponent
from longspan.pipeline.identity import describe_object
from longspan.pipeline.stage_tables import table_of
from longspan.train import Strategy, Trained

if TYPE_CHECKING:
    import torch

    from longspan.columns import Column
    from longspan.pipeline.stage_spec import StageSpec
    from longspan.pipeline.training_set import TrainingSet
    from longspan.train import Budget

__all__ = ["StrategyComponent"]


@final
class StrategyComponent:
    """A strategy and, once trained, what it gave.

    What longspan's own strategies give is a `TrainedComponent`; a predictor of another kind stays here, with the
    columns that it was trained on.
    """

    file_kinds: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, strategy: Strategy, trained: Trained | None = None, columns: Mapping[str, Column] | None = None
    ) -> None:
        """Keep the strategy; `trained` and `columns` come from `fit`."""
        self.what = strategy
        self.model = trained
        self.columns = dict(columns or {})
        self.traits = Traits(
            kind="strategy", noun="a strategy", summary=f"strategy {type(strategy).__name__}", learned=True,
            trainable=True, counts_steps=True, needs_columns=True, has_network=True,
            methods=("predict", "predict_proba"),
        )  # fmt: skip

    @property
    def ready(self) -> bool:
        """Whether it was trained."""
        return self.model is not None

    @classmethod
    def accept(cls, what: Any) -> Self | None:
        """An instance with a method `train`; a bare network has one of another meaning."""
        trains = callable(getattr(what, "train", None))
        return cls(what) if trains and not isinstance(what, type | nn.Module) else None

    def signature(self, spec: StageSpec) -> tuple[dict[str, Column], dict[str, Column]]:
        """The columns it was trained on."""
        del spec
        return self.columns, {}

    def fit(self, data: TrainingSet, *, seed: int, budget: Budget | None) -> Component:
        """The strategy trained on the samples as a task."""
        trained = self.what.train(data.task(data.spec.size_px), seed=seed, budget=budget)
        ours = TrainedComponent.accept(trained)
        if ours is not None:
            return ours
        return StrategyComponent(self.what, trained, {name: data.columns[name] for name in data.spec.reads})

    def start(self, find: Callable[[str], Component]) -> Component:
        """It keeps no state."""
        del find
        return self

    def run(self, calls: Sequence[tuple[Any, ...]], spec: StageSpec) -> list[tuple[TargetPrediction, ...]]:
        """All calls as one table of the columns it was trained on."""
        assert self.model is not None
        if spec.method != "predict":
            raise PipelineError(f"Stage {spec.name!r}: only networks of longspan have the method {spec.method!r}.")
        values = zip(*calls, strict=True)
        data = table_of(dict(zip(spec.reads, map(list, values), strict=True)), self.columns, spec.size_px, spec.name)
        found = self.model.predict(data)
        if len(found) != len(calls):
            name = type(self.model).__name__
            raise ConfigError(f"{name}.predict gave {len(found)} predictions for {len(calls)} samples.")
        return [tuple(TargetPrediction(prediction[name]) for name in spec.adds) for prediction in found]

    def identity(self) -> Any:
        """As the strategy describes itself."""
        return describe_object(self.what)

    def describe(self, spec: StageSpec) -> NoReturn:
        """A file cannot hold it.

        Raises:
            PipelineError: always.
        """
        raise PipelineError(
            f"Stage {spec.name!r} was trained by {type(self.what).__name__}, which gave a {type(self.model).__name__}; "
            "a pipeline's file holds Learners, Ensembles and scikit-learn estimators. Save it apart: "
            f"pipeline.model({spec.name!r}).save(...)."
        )

    @classmethod
    def hand_in(cls, fields: Mapping[str, Any]) -> HandIn | None:
        """No file holds one."""
        del fields
        return None

    @classmethod
    def restore(
        cls, fields: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], handed_in: Any, *, method: str,
        device: str, notes: list[str],
    ) -> NoReturn:  # fmt: skip
        """No file holds one.

        Raises:
            PipelineError: always.
        """
        del tensors, handed_in, method, device, notes
        raise PipelineError(f"No strategy can be restored from {dict(fields)}.")

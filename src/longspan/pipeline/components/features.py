"""`FeaturesOf`: what the network of an earlier stage computes, without its heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

from longspan.heads import TargetPrediction
from longspan.pipeline.components.base import Component, HandIn, Traits
from longspan.pipeline.network_features import FeaturesOf, NetworkFeatures

if TYPE_CHECKING:
    import torch

    from longspan.columns import Column
    from longspan.pipeline.stage_spec import StageSpec
    from longspan.pipeline.training_set import TrainingSet
    from longspan.train import Budget

__all__ = ["FeaturesComponent"]


@final
class FeaturesComponent:
    """The name of the stage with the network and, once started, that network."""

    file_kinds: ClassVar[tuple[str, ...]] = ("features",)

    def __init__(self, of: FeaturesOf, network: NetworkFeatures | None = None) -> None:
        """Keep the name; `network` comes from `start`."""
        self.what = of
        self.model = network
        self.traits = Traits(
            kind="features", noun="the features of a network", summary=f"features of {of.stage!r}", one_output=True,
            uses=of.stage,
        )  # fmt: skip

    @property
    def ready(self) -> bool:
        """As soon as the stage that it uses is."""
        return True

    @classmethod
    def accept(cls, what: Any) -> Self | None:
        """A `FeaturesOf`."""
        return cls(what) if isinstance(what, FeaturesOf) else None

    def signature(self, spec: StageSpec) -> tuple[dict[str, Column], dict[str, Column]]:
        """What the network reads, in its order."""
        if self.model is None:
            return {}, {}
        return dict(zip(spec.reads, self.model.inputs.values(), strict=True)), {}

    def fit(self, data: TrainingSet, *, seed: int, budget: Budget | None) -> Component:
        """It learns nothing itself."""
        del data, seed, budget
        return self

    def start(self, find: Callable[[str], Component]) -> Component:
        """With the network of the other stage.

        Raises:
            PipelineError: that stage's model is not one network, or has no features.
        """
        if self.model is not None:
            return self
        return FeaturesComponent(self.what, NetworkFeatures(self.what, find(self.what.stage).model))

    def run(self, calls: Sequence[tuple[Any, ...]], spec: StageSpec) -> list[tuple[TargetPrediction, ...]]:
        """All calls in batches."""
        assert self.model is not None
        return [(TargetPrediction(value),) for value in self.model.predict(calls, spec.name)]

    def identity(self) -> Any:
        """The stage and the grid; the name is that of the class when files of version 1 were written."""
        name = "longspan.pipeline.network_features.FeaturesOf"
        return {"class": name, "stage": self.what.stage, "grid": self.what.grid}

    def describe(self, spec: StageSpec) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """The stage and the grid."""
        del spec
        return {"kind": "features", "of": self.what.stage, "grid": self.what.grid}, {}

    @classmethod
    def hand_in(cls, fields: Mapping[str, Any]) -> HandIn | None:
        """Nothing."""
        del fields
        return None

    @classmethod
    def restore(
        cls, fields: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], handed_in: Any, *, method: str,
        device: str, notes: list[str],
    ) -> Self:  # fmt: skip
        """The name of the stage again."""
        del tensors, handed_in, method, device, notes
        return cls(FeaturesOf(stage=fields["of"], grid=fields["grid"]))

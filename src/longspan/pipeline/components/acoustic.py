"""An acoustic model: features of recordings in, scores of the states of phonemes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

from longspan.heads import TargetPrediction
from longspan.inference.estimators.acoustic_model import AcousticModel
from longspan.pipeline.components.base import CallError, Component, HandIn, Traits
from longspan.pipeline.identity import describe_object, weights_digest
from longspan.train.estimators.acoustic import AcousticTraining

if TYPE_CHECKING:
    import torch

    from longspan.columns import Column
    from longspan.pipeline.stage_spec import StageSpec
    from longspan.pipeline.training_set import TrainingSet
    from longspan.train import Budget

__all__ = ["AcousticComponent"]


@final
class AcousticComponent:
    """How an acoustic model is trained, and, once it is, the model. It adds `StateScores`."""

    file_kinds: ClassVar[tuple[str, ...]] = ("acoustic",)

    def __init__(self, what: AcousticTraining | AcousticModel, fitted: AcousticModel | None = None) -> None:
        """Keep what the user gave; `fitted` comes from `fit`."""
        self.what = what
        self.model = what if isinstance(what, AcousticModel) else fitted
        keeps = isinstance(what, AcousticModel)
        self.traits = Traits(
            kind="acoustic", noun="an acoustic model", summary="acoustic model", learned=True, keeps=keeps,
            trainable=not keeps, counts_steps=True, one_output=True,
        )  # fmt: skip

    @property
    def ready(self) -> bool:
        """Whether it was trained."""
        return self.model is not None

    @classmethod
    def accept(cls, what: Any) -> Self | None:
        """An AcousticTraining, or a trained AcousticModel."""
        return cls(what) if isinstance(what, AcousticTraining | AcousticModel) else None

    def signature(self, spec: StageSpec) -> tuple[dict[str, Column], dict[str, Column]]:
        """It reads matrices, which no column describes."""
        del spec
        return {}, {}

    def fit(self, data: TrainingSet, *, seed: int, budget: Budget | None) -> Component:
        """A trained one."""
        assert isinstance(self.what, AcousticTraining)
        (reads,), (adds,) = data.spec.reads, data.spec.adds
        model = self.what.learn(data.inputs[reads], data.targets[adds], seed=seed, budget=budget)
        return AcousticComponent(self.what, model)

    def start(self, find: Callable[[str], Component]) -> Component:
        """It keeps no state."""
        del find
        return self

    def run(self, calls: Sequence[tuple[Any, ...]], spec: StageSpec) -> list[tuple[TargetPrediction, ...]]:
        """Recording by recording."""
        del spec
        assert self.model is not None
        found = []
        for index, (features,) in enumerate(calls):
            try:
                found.append((TargetPrediction(self.model.hear(features)),))
            except (TypeError, ValueError, RuntimeError) as error:
                raise CallError(index) from error
        return found

    def identity(self) -> Any:
        """Options of the training, or a fingerprint of the trained weights."""
        if isinstance(self.what, AcousticTraining):
            return describe_object(self.what)
        return {"trained": "AcousticModel", "weights": weights_digest(self.what.to_parts()[1])}

    def describe(self, spec: StageSpec) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """The model whole."""
        del spec
        assert self.model is not None
        fields, tensors = self.model.to_parts()
        return {"kind": "acoustic", **fields}, tensors

    @classmethod
    def hand_in(cls, fields: Mapping[str, Any]) -> HandIn | None:
        """The file holds everything."""
        del fields
        return None

    @classmethod
    def restore(
        cls, fields: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], handed_in: Any, *, method: str,
        device: str, notes: list[str],
    ) -> Self:  # fmt: skip
        """The model."""
        del handed_in, method, device, notes
        return cls(AcousticModel.from_parts(fields, tensors))

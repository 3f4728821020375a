"""A model that is trained already: a Learner, a Predictor or an Ensemble."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import torch

from longspan.errors import PipelineError
from longspan.heads import TargetPrediction
from longspan.inference import Ensemble, Predictor
from longspan.inference.predictor import as_predictor
from longspan.pipeline.components.base import Component, HandIn, Traits
from longspan.pipeline.identity import weights_digest
from longspan.storage.files import tensors_below
from longspan.train import Learner, Recipe

if TYPE_CHECKING:
    from longspan.columns import Column
    from longspan.pipeline.stage_spec import StageSpec
    from longspan.pipeline.training_set import TrainingSet
    from longspan.train import Budget

__all__ = ["TrainedComponent"]


@final
class TrainedComponent:
    """A model with networks of longspan. Only a Learner can be trained again: as it was trained before."""

    file_kinds: ClassVar[tuple[str, ...]] = ("model", "ensemble")

    def __init__(self, model: Learner | Predictor | Ensemble) -> None:
        """Keep the model."""
        self.what = model
        self.model = model
        self.members: list[Any] = [*getattr(model, "members", [model])]
        """One Learner or Predictor, or the Predictors of an ensemble."""
        self.traits = Traits(
            kind="trained", noun="a trained model", summary=f"trained {type(model).__name__}", learned=True, keeps=True,
            trainable=isinstance(model, Learner), counts_steps=True, needs_columns=True, has_network=True,
            methods=("predict", "predict_proba"),
        )  # fmt: skip

    @property
    def ready(self) -> bool:
        """Whether a Learner was trained; loaded models are."""
        return getattr(self.model, "steps_done", 1) > 0

    @classmethod
    def accept(cls, what: Any) -> Self | None:
        """A Learner, a Predictor or an Ensemble."""
        return cls(what) if isinstance(what, Learner | Predictor | Ensemble) else None

    def names(self, spec: StageSpec) -> tuple[dict[str, str], dict[str, str]]:
        """How the model calls the columns that a stage reads and adds: by the same names, else in their order.

        Raises:
            PipelineError: it has more or fewer inputs or targets than the stage has columns.
        """
        first = self.members[0]
        pairs = []
        for verb, own, names in (("reads", first.inputs, spec.reads), ("adds", first.heads, spec.adds)):
            if len(own) != len(names):
                raise PipelineError(
                    f"Stage {spec.name!r} {verb} {list(names)}, but its model has {len(own)} of them: {list(own)}."
                )
            pairs.append({n: n for n in names} if {*own} == {*names} else dict(zip(names, own, strict=True)))
        return pairs[0], pairs[1]

    def signature(self, spec: StageSpec) -> tuple[dict[str, Column], dict[str, Column]]:
        """Its fitted input columns, and those of its heads."""
        inputs, targets = self.names(spec)
        first = self.members[0]
        heads = {name: first.heads[targets[name]].column for name in spec.adds}
        return (
            {name: first.inputs[inputs[name]] for name in spec.reads},
            {name: column for name, column in heads.items() if column is not None},
        )

    def fit(self, data: TrainingSet, *, seed: int, budget: Budget | None) -> Component:
        """A learner trained anew on other samples, at the same size of image unless the stage says another."""
        learner, spec = self.model, data.spec
        assert isinstance(learner, Learner)
        recipe = Recipe.of(learner)
        _, targets = self.names(spec)
        recipe = replace(recipe, heads={name: recipe.heads[targets[name]] for name in spec.adds})
        sizes = [size for column in learner.inputs.values() if (size := getattr(column, "size_px", None)) is not None]
        task = data.task(spec.size_px or next(iter(sizes), None))
        return TrainedComponent(recipe.train(task, seed=seed, budget=budget))

    def start(self, find: Callable[[str], Component]) -> Component:
        """It keeps no state."""
        del find
        return self

    def run(self, calls: Sequence[tuple[Any, ...]], spec: StageSpec) -> list[tuple[TargetPrediction, ...]]:
        """All calls in batches."""
        inputs, targets = self.names(spec)
        names = [inputs[name] for name in spec.reads]
        samples = [dict(zip(names, values, strict=True)) for values in calls]
        if spec.method == "predict_proba":
            raw = [as_predictor(member).raw_predictions(samples).values for member in self.members]
            means = {name: torch.stack([each[targets[name]] for each in raw]).mean(dim=0) for name in spec.adds}
            return [
                tuple(TargetPrediction(means[name][row].float().cpu().numpy()) for name in spec.adds)
                for row in range(len(samples))
            ]
        found = self.model.predict(samples, views=spec.views)
        return [tuple(prediction.by_target[targets[name]] for name in spec.adds) for prediction in found]

    def identity(self) -> Any:
        """Fingerprints of its weights."""
        weights = [weights_digest(member.network.state_dict()) for member in self.members]
        return {"trained": type(self.model).__name__, "weights": weights}

    def describe(self, spec: StageSpec) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Every member whole: its description and its weights."""
        del spec
        predictors = [as_predictor(member) for member in self.members]
        tensors = {
            f"{i}.{name}": tensor
            for i, predictor in enumerate(predictors)
            for name, tensor in predictor.network.state_dict().items()
        }
        kind = "ensemble" if isinstance(self.model, Ensemble) else "model"
        return {"kind": kind, "members": [predictor.describe() for predictor in predictors]}, tensors

    @classmethod
    def hand_in(cls, fields: Mapping[str, Any]) -> HandIn | None:
        """A new instance of a network class of the user's own."""
        own = [member["model"].get("class") for member in fields["members"] if member["model"].get("name") is None]
        return HandIn(words=f"a new {own[0]}, your network", name=None, fits=lambda given: True) if own else None

    @classmethod
    def restore(
        cls, fields: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], handed_in: Any, *, method: str,
        device: str, notes: list[str],
    ) -> Self:  # fmt: skip
        """A Predictor, or an Ensemble of them."""
        del method, notes
        members = [
            Predictor.from_parts(tensors_below(tensors, f"{i}."), member, model=handed_in, device=device)
            for i, member in enumerate(fields["members"])
        ]
        return cls(Ensemble(members) if fields["kind"] == "ensemble" else members[0])

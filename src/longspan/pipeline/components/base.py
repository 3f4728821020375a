"""The interface of whatever does the work of a stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, final

if TYPE_CHECKING:
    import torch

    from longspan.columns import Column
    from longspan.heads import TargetPrediction
    from longspan.pipeline.stage_spec import StageSpec
    from longspan.pipeline.training_set import TrainingSet
    from longspan.train import Budget

__all__ = ["CallError", "Component", "HandIn", "Traits"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """What a pipeline must know of a component to plan with it."""

    kind: str
    """Name of the kind, in messages and as `Stage.kind`."""
    noun: str
    """In messages: "a function", "a scikit-learn estimator"."""
    summary: str = ""
    """What it is, behind the wiring of its stage when that is printed."""
    learned: bool = False
    """Whether it learns, or has learned; a function has not."""
    keeps: bool = False
    """Whether it holds a trained model, which `Pipeline.fit` trains again only if a table is named for it."""
    trainable: bool = False
    """Whether `fit` can train it."""
    counts_steps: bool = False
    """Whether its training takes part of a budget."""
    needs_columns: bool = False
    """Whether each column must mean something to a network before it can be trained."""
    has_network: bool = False
    """Whether there is a network, which can average over views and give its features."""
    one_output: bool = False
    """Whether it adds a single column."""
    methods: tuple[str, ...] = ("predict",)
    """Which `method=` of a stage it has."""
    uses: str | None = None
    """The stage whose component it needs; that stage comes before its own."""
    keeps_state: bool = False
    """Whether a result depends on the samples before."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class HandIn:
    """What a file cannot hold and `load(functions=...)` hands in again."""

    words: str
    """In messages: "your function plates.cut"."""
    name: str | None
    """Of the function or class; None for a network of the user's own, which goes by its stage alone."""
    fits: Callable[[Any], bool]
    """Whether an object can be it."""


@final
class CallError(Exception):
    """One call of several failed: its place among them; why is the `__cause__`, or the message where there is none."""

    def __init__(self, index: int, message: str = "") -> None:
        """Keep both."""
        super().__init__(message)
        self.index = index


class Component(Protocol):
    """A function, a strategy, a trained model ...: what a stage holds. Nothing in it changes; `fit` gives a new one.

    A kind of its own is one file beside this one and one line in `COMPONENTS`.
    """

    file_kinds: ClassVar[tuple[str, ...]]
    """What `describe` writes as "kind" in a file."""

    @property
    def traits(self) -> Traits:
        """What a pipeline must know to plan with it."""
        ...

    @property
    def what(self) -> Any:
        """What the user gave the stage."""
        ...

    @property
    def model(self) -> Any:
        """What does the work, for `Pipeline.model`: a function, or what training gave; None if it is not trained."""
        ...

    @property
    def ready(self) -> bool:
        """Whether `run` can be called, once it is started."""
        ...

    @classmethod
    def accept(cls, what: Any) -> Self | None:
        """The component around an object that a user gave a stage; None if that is of another kind."""
        ...

    def signature(self, spec: StageSpec) -> tuple[dict[str, Column], dict[str, Column]]:
        """The columns that it was trained to read, and those it adds, as far as it knows them; by the stage's names.

        Raises:
            PipelineError: it has another number of inputs than the stage reads.
        """
        ...

    def fit(self, data: TrainingSet, *, seed: int, budget: Budget | None) -> Component:
        """A trained component."""
        ...

    def start(self, find: Callable[[str], Component]) -> Component:
        """At the start of a sequence of samples: fresh state, and what it needs of other stages; itself if it has none.

        Args:
            find: Gives the component of another stage, ready to run.
        """
        ...

    def run(self, calls: Sequence[tuple[Any, ...]], spec: StageSpec) -> list[tuple[TargetPrediction, ...]]:
        """One prediction for each call and column added.

        Args:
            calls: Values by column read, none of them missing; element by element with `each`.
            spec: The stage.

        Raises:
            CallError: one call failed, known by its place; any other exception fails the whole batch.
        """
        ...

    def identity(self) -> Any:
        """JSON values that differ where the component would work differently, the same in every run."""
        ...

    def describe(self, spec: StageSpec) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """JSON values with its "kind", and tensors, for a file.

        Raises:
            PipelineError: neither can hold it.
        """
        ...

    @classmethod
    def hand_in(cls, fields: Mapping[str, Any]) -> HandIn | None:
        """What must be handed in to restore what `describe` wrote; None if the file holds everything."""
        ...

    @classmethod
    def restore(
        cls,
        fields: Mapping[str, Any],
        tensors: Mapping[str, torch.Tensor],
        handed_in: Any,
        *,
        method: str,
        device: str,
        notes: list[str],
    ) -> Self:
        """What `describe` wrote.

        Args:
            fields: The JSON values.
            tensors: The tensors.
            handed_in: See `hand_in`.
            method: Of the stage.
            device: Where networks shall run.
            notes: Takes what the user should know, in sentences.
        """
        ...

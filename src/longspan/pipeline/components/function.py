"""A function of the values of one sample; or an object that is called like one and keeps state between samples."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

from torch import nn

from longspan.heads import TargetPrediction
from longspan.pipeline.components.base import CallError, Component, HandIn, Traits
from longspan.pipeline.identity import describe_object, qualified_name
from longspan.pipeline.values import brief, copied

if TYPE_CHECKING:
    import torch

    from longspan.columns import Column
    from longspan.pipeline.stage_spec import StageSpec
    from longspan.pipeline.training_set import TrainingSet
    from longspan.train import Budget

__all__ = ["FunctionComponent"]


@final
class FunctionComponent:
    """A function gets copies of its values: what it does to an image or list stays its own affair.

    An object with a method `reset()` keeps state: every sequence of samples works with a copy of its own, reset at the
    start.
    """

    file_kinds: ClassVar[tuple[str, ...]] = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        """Keep the function."""
        self.what = function
        self.model = function
        self.traits = Traits(
            kind="function", noun="a function", keeps_state=callable(getattr(function, "reset", None))
        )  # fmt: skip

    @property
    def ready(self) -> bool:
        """Always."""
        return True

    @classmethod
    def accept(cls, what: Any) -> Self | None:
        """Whatever can be called and neither trains nor fits; classes such as `str` are functions too."""
        trains = callable(getattr(what, "train", None)) or hasattr(what, "fit")
        return None if not callable(what) or trains or isinstance(what, nn.Module) else cls(what)

    def signature(self, spec: StageSpec) -> tuple[dict[str, Column], dict[str, Column]]:
        """A function declares nothing; its stage may."""
        del spec
        return {}, {}

    def fit(self, data: TrainingSet, *, seed: int, budget: Budget | None) -> Component:
        """There is nothing to learn."""
        del data, seed, budget
        return self

    def start(self, find: Callable[[str], Component]) -> Component:
        """A copy with fresh state, where it keeps any."""
        del find
        if not self.traits.keeps_state:
            return self
        fresh: Any = copy.copy(self.what)
        fresh.reset()
        return FunctionComponent(fresh)

    def run(self, calls: Sequence[tuple[Any, ...]], spec: StageSpec) -> list[tuple[TargetPrediction, ...]]:
        """Call after call, in order."""
        found = []
        for index, values in enumerate(calls):
            try:
                result = self.what(*(copied(value) for value in values))
            except Exception as error:
                raise CallError(index) from error
            if len(spec.adds) == 1:
                found.append((TargetPrediction(result),))
                continue
            if not isinstance(result, tuple | list) or len(result) != len(spec.adds):
                raise CallError(
                    index,
                    f"it adds {list(spec.adds)}, so its function must return a tuple of {len(spec.adds)}, but it "
                    f"returned {brief(result)}",
                )
            found.append(tuple(TargetPrediction(value) for value in result))
        return found

    def identity(self) -> Any:
        """Its name and options, so that a change within it is not seen."""
        return describe_object(self.what)

    def describe(self, spec: StageSpec) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Its name; of a `functools.partial` with options that JSON can hold, those too."""
        del spec
        what = self.what
        if isinstance(what, functools.partial) and not what.args and _is_json(what.keywords):
            return {"kind": "function", "name": qualified_name(what.func), "options": dict(what.keywords)}, {}
        return {"kind": "function", "name": qualified_name(what)}, {}

    @classmethod
    def hand_in(cls, fields: Mapping[str, Any]) -> HandIn | None:
        """The function."""
        name = str(fields["name"])
        return HandIn(words=f"your function {name}", name=name, fits=lambda given: given is not None)

    @classmethod
    def restore(
        cls, fields: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], handed_in: Any, *, method: str,
        device: str, notes: list[str],
    ) -> Self:  # fmt: skip
        """The function with its stored options, unless a partial is handed in, which has its own."""
        del tensors, method, device, notes
        if "options" in fields and not isinstance(handed_in, functools.partial):
            handed_in = functools.partial(handed_in, **fields["options"])
        return cls(handed_in)


def _is_json(value: Any) -> bool:
    """Whether JSON gives it back as it is."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(part) for key, part in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))

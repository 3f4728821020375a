"""What a stage may hold, one kind per file; a new kind is its file and one line in `COMPONENTS`."""

from __future__ import annotations

from typing import Any

from torch import nn

from longspan.errors import ModelFileError, PipelineError
from longspan.pipeline.components.acoustic import AcousticComponent
from longspan.pipeline.components.base import CallError, Component, HandIn, Traits
from longspan.pipeline.components.estimator import EstimatorComponent
from longspan.pipeline.components.features import FeaturesComponent
from longspan.pipeline.components.function import FunctionComponent
from longspan.pipeline.components.strategy import StrategyComponent
from longspan.pipeline.components.trained import TrainedComponent

__all__ = ["COMPONENTS", "CallError", "Component", "HandIn", "Traits", "component_kind", "component_of"]

COMPONENTS: tuple[type[Component], ...] = (
    TrainedComponent,
    AcousticComponent,
    FeaturesComponent,
    FunctionComponent,
    StrategyComponent,
    EstimatorComponent,
)
"""All kinds; an object belongs to the first that accepts it."""


def component_of(stage: str, what: Any) -> Component:
    """The component around what a user gave a stage.

    Raises:
        PipelineError: no kind accepts it.
    """
    for kind in COMPONENTS:
        component = kind.accept(what)
        if component is not None:
            return component
    if isinstance(what, nn.Module):
        raise PipelineError(
            f"Stage {stage!r}: a bare nn.Module does not say how to train it. Wrap it in a Recipe with a function that "
            "builds it."
        )
    instance = f"; give an instance: {what.__name__}(...)" if isinstance(what, type) else ""
    raise PipelineError(
        f"Stage {stage!r} holds a function, a strategy such as Recipe, a trained model or a scikit-learn estimator, "
        f"not {what!r}{instance}."
    )


def component_kind(name: str) -> type[Component]:
    """The kind that wrote a description of this name into a file.

    Raises:
        ModelFileError: none did.
    """
    for kind in COMPONENTS:
        if name in kind.file_kinds:
            return kind
    raise ModelFileError(f"it holds a component of kind {name!r}, which this version of longspan does not know")

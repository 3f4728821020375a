"""longspan: deep learning, end to end or in stages: measure which.

Names are loaded when they are first used, so that the command line answers at once: `import longspan` alone costs
milliseconds, and `longspan.Learner` brings PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from longspan.version import __version__

if TYPE_CHECKING:
    from longspan import datasets, models
    from longspan.columns import (
        Boxes,
        Categories,
        Category,
        Image,
        Instances,
        Mask,
        Number,
        Plain,
        Text,
    )
    from longspan.data import (
        Augment,
        Split,
        Table,
        Task,
    )
    from longspan.errors import (
        LongspanError,
    )
    from longspan.heads import (
        Classify,
        ClassifyMany,
        Detect,
        Head,
        Regress,
        Segment,
        SegmentInstances,
        Transcribe,
    )
    from longspan.models import (
        DeepCNNConfig,
        LineCNNConfig,
        SegNetConfig,
        SlidLeNet5Config,
        SmallResNetConfig,
        UnshuffleCNNConfig,
    )
    from longspan.pipeline import (
        Ceiling,
        FeaturesOf,
        Pipeline,
        Stage,
        load,
    )
    from longspan.study import (
        Separate,
        Study,
        Transfer,
    )
    from longspan.train import (
        Budget,
        Callback,
        Checkpoints,
        EarlyStopping,
        Ensemble,
        Learner,
        Phase,
        Prediction,
        Predictor,
        Recipe,
        TrainConfig,
        WeightAverage,
        slide,
    )

__all__ = [
    "Augment",
    "Boxes",
    "Budget",
    "Callback",
    "Categories",
    "Category",
    "Ceiling",
    "Checkpoints",
    "Classify",
    "ClassifyMany",
    "DeepCNNConfig",
    "Detect",
    "EarlyStopping",
    "Ensemble",
    "FeaturesOf",
    "Head",
    "Image",
    "Instances",
    "Learner",
    "LineCNNConfig",
    "LongspanError",
    "Mask",
    "Number",
    "Phase",
    "Pipeline",
    "Plain",
    "Prediction",
    "Predictor",
    "Recipe",
    "Regress",
    "SegNetConfig",
    "Segment",
    "SegmentInstances",
    "Separate",
    "SlidLeNet5Config",
    "SmallResNetConfig",
    "Split",
    "Stage",
    "Study",
    "Table",
    "Task",
    "Text",
    "TrainConfig",
    "Transcribe",
    "Transfer",
    "UnshuffleCNNConfig",
    "WeightAverage",
    "__version__",
    "datasets",
    "load",
    "models",
    "slide",
]

# The same names once more, for the interpreter: what stands under TYPE_CHECKING is what editors and pyright follow.
_HOMES = {
    "columns": (
        "Boxes",
        "Categories",
        "Category",
        "Image",
        "Instances",
        "Mask",
        "Number",
        "Plain",
        "Text",
    ),
    "data": (
        "Augment",
        "Split",
        "Table",
        "Task",
    ),
    "errors": ("LongspanError",),
    "heads": (
        "Classify",
        "ClassifyMany",
        "Detect",
        "Head",
        "Regress",
        "Segment",
        "SegmentInstances",
        "Transcribe",
    ),
    "models": (
        "DeepCNNConfig",
        "LineCNNConfig",
        "SegNetConfig",
        "SlidLeNet5Config",
        "SmallResNetConfig",
        "UnshuffleCNNConfig",
    ),
    "pipeline": (
        "Ceiling",
        "FeaturesOf",
        "Pipeline",
        "Stage",
        "load",
    ),
    "study": (
        "Separate",
        "Study",
        "Transfer",
    ),
    "train": (
        "Budget",
        "Callback",
        "Checkpoints",
        "EarlyStopping",
        "Ensemble",
        "Learner",
        "Phase",
        "Prediction",
        "Predictor",
        "Recipe",
        "TrainConfig",
        "WeightAverage",
        "slide",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name in ("datasets", "models"):
        return importlib.import_module(f"longspan.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'longspan' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"longspan.{_HOME[name]}"), name)
    globals()[name] = value  # the next use does not come here
    return value


def __dir__() -> list[str]:
    return __all__

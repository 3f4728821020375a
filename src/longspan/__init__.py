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
        Category,
        Image,
        Instances,
        Mask,
        MultiLabel,
        Number,
        Raw,
        Text,
    )
    from longspan.data import Split, Table, Task
    from longspan.errors import (
        LongspanError,
    )
    from longspan.heads import (
        Classify,
        Detect,
        Head,
        MultiLabelClassify,
        Regress,
        Segment,
        SegmentInstances,
        Transcribe,
    )
    from longspan.inference import Ensemble, Prediction, Predictor, slide
    from longspan.models import (
        DeepCNNConfig,
        LineCNNConfig,
        SegNetConfig,
        SmallResNetConfig,
        SpaceDisplacementLeNetConfig,
        SpaceToDepthCNNConfig,
    )
    from longspan.pipeline import (
        Ceiling,
        FeaturesOf,
        Pipeline,
        Stage,
        load,
    )
    from longspan.study import (
        SingleTask,
        Study,
        Transfer,
    )
    from longspan.train import (
        Budget,
        Callback,
        Checkpoints,
        EarlyStopping,
        Learner,
        Phase,
        Recipe,
        TrainConfig,
        WeightAverage,
    )
    from longspan.vision import Augment

__all__ = [
    "Augment",
    "Boxes",
    "Budget",
    "Callback",
    "Category",
    "Ceiling",
    "Checkpoints",
    "Classify",
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
    "MultiLabel",
    "MultiLabelClassify",
    "Number",
    "Phase",
    "Pipeline",
    "Prediction",
    "Predictor",
    "Raw",
    "Recipe",
    "Regress",
    "SegNetConfig",
    "Segment",
    "SegmentInstances",
    "SingleTask",
    "SmallResNetConfig",
    "SpaceDisplacementLeNetConfig",
    "SpaceToDepthCNNConfig",
    "Split",
    "Stage",
    "Study",
    "Table",
    "Task",
    "Text",
    "TrainConfig",
    "Transcribe",
    "Transfer",
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
        "MultiLabel",
        "Category",
        "Image",
        "Instances",
        "Mask",
        "Number",
        "Raw",
        "Text",
    ),
    "data": (
        "Split",
        "Table",
        "Task",
    ),
    "errors": ("LongspanError",),
    "heads": (
        "Classify",
        "MultiLabelClassify",
        "Detect",
        "Head",
        "Regress",
        "Segment",
        "SegmentInstances",
        "Transcribe",
    ),
    "inference": (
        "Ensemble",
        "Prediction",
        "Predictor",
        "slide",
    ),
    "models": (
        "DeepCNNConfig",
        "LineCNNConfig",
        "SegNetConfig",
        "SpaceDisplacementLeNetConfig",
        "SmallResNetConfig",
        "SpaceToDepthCNNConfig",
    ),
    "pipeline": (
        "Ceiling",
        "FeaturesOf",
        "Pipeline",
        "Stage",
        "load",
    ),
    "study": (
        "SingleTask",
        "Study",
        "Transfer",
    ),
    "train": (
        "Budget",
        "Callback",
        "Checkpoints",
        "EarlyStopping",
        "Learner",
        "Phase",
        "Recipe",
        "TrainConfig",
        "WeightAverage",
    ),
    "vision": ("Augment",),
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

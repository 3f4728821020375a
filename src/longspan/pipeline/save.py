"""A trained pipeline as one file: every stage described in JSON, every model's tensors below a prefix of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from longspan.pipeline.components import Component
from longspan.pipeline.identity import qualified_name
from longspan.pipeline.stage import Stage
from longspan.storage.files import write_tensors
from longspan.version import __version__

__all__ = ["PIPELINE_FORMAT", "write_pipeline"]

PIPELINE_FORMAT = {"format": "longspan pipeline", "format_version": 1}
"""What marks the header of a pipeline's file; `load` refuses higher versions."""


def write_pipeline(
    path: Path,
    stages: Sequence[Stage],
    component: Callable[[Stage], Component],
    outputs: Sequence[str],
    notes: Sequence[str],
) -> Path:
    """Write all stages with their components; functions are named, with the options of a partial, and not stored.

    Raises:
        PipelineError: a stage is not trained, or holds what neither JSON nor tensors can hold.
        ModelFileError: the file cannot be written.
    """
    tensors: dict[str, torch.Tensor] = {}
    described = []
    for number, stage in enumerate(stages):
        model, its_tensors = component(stage).describe(stage.spec)
        tensors |= {f"{number}.{name}": tensor for name, tensor in its_tensors.items()}
        described.append(
            {
                "name": stage.name,
                "reads": list(stage.reads),
                "adds": list(stage.adds),
                "columns": {name: column.to_json() for name, column in stage.columns.items()},
                "each": stage.each,
                "train_on": stage.train_on,
                "label": None if stage.label is None else qualified_name(stage.label),
                "size_px": stage.size_px,
                "method": stage.method,
                "views": stage.views,
                "model": model,
            }
        )
    header = {
        **PIPELINE_FORMAT,
        "library_version": __version__,
        "stages": described,
        "answers": list(outputs),
        "notes": list(notes),
    }
    write_tensors(path, tensors, header)
    return path

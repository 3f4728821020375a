"""A model as a server uses it: what its inputs are, and its predictions for values that were read already."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from longspan.columns import Column
from longspan.errors import ConfigError
from longspan.portable.trained_model import TrainedModel
from longspan.serve.config import split_name

__all__ = ["Field", "ServedModel", "load_all", "load_served"]

_SHOWN = 8
_OF_WHOLE_IMAGES = ("classify", "multi_label_classify", "regress")
Kind = Literal["image", "audio", "text", "number", "category", "date"]


@final
@dataclass(frozen=True, slots=True)
class Field:
    """One value of a request."""

    name: str
    kind: Kind
    values: tuple[str, ...] = ()
    """Of a category the labels of training rows."""
    example: Any = None
    """Of a number its median in training rows."""
    rate_hz: int | None = None
    """Of sound."""
    channel: Any = "mean"
    """Of sound."""
    as_file: bool = False
    """Whether the model takes the file of a sound instead of samples, and reads it at a rate of its own."""

    def to_json(self) -> dict[str, Any]:
        """For the page and the list of models."""
        return {"name": self.name, "kind": self.kind, "values": list(self.values), "example": self.example}

    @property
    def schema(self) -> dict[str, Any]:
        """As JSON schema, for OpenAPI."""
        if self.kind in ("image", "audio"):
            return {"type": "string", "format": "binary", "description": f"A file: {self.kind}."}
        if self.kind == "number":
            number = {"type": ["number", "string", "null"]}
            return number if self.example is None else {**number, "examples": [self.example]}
        return {"type": ["string", "null"], **({"examples": list(self.values[:3])} if self.values else {})}


@final
class ServedModel:
    """A loaded model with a name, to be used from several threads; of a pipeline one at a time computes."""

    def __init__(self, name: str, model: TrainedModel, *, file_mb: float = 0.0) -> None:
        """Find out what the model reads.

        Raises:
            ConfigError: it reads what a server cannot take.
        """
        self.name = name
        self.model = model
        self.file_mb = file_mb
        self.inputs = model.input_columns
        of_files = hasattr(model, "stages")  # a function takes recordings without a rate as files
        self.fields = tuple(field for each, column in self.inputs.items() for field in _fields(each, column, of_files))
        self.explained = _explained(model)
        """A target of which it can say where it looked, of a network that reads one image; otherwise None."""
        on_processor = getattr(getattr(model, "device", None), "type", "cpu") == "cpu"
        self.parallel = on_processor and not hasattr(model, "stages")  # a stage may remember the samples before
        """Whether several threads predict at once."""
        self._lock = threading.Lock()
        self._predict = _with_all_stages(model).predict

    @property
    def one_file(self) -> bool:
        """Whether a request is a single file, or a single text, that may be sent as the body."""
        return len(self.fields) == 1

    def value(self, given: Mapping[str, Any]) -> Any:
        """What the model's `predict` takes, from values by field."""
        if len(self.inputs) == 1:
            ((name, column),) = self.inputs.items()
            return dict(given) if _sources(column) else given[name]
        return {
            name: {part: given.get(part) for part in sources} if (sources := _sources(column)) else given[name]
            for name, column in self.inputs.items()
        }

    def predict(self, values: list[Any]) -> list[Any]:
        """Predictions, as many as values."""
        with contextlib.nullcontext() if self.parallel else self._lock:
            return self._predict(values)

    def line(self) -> str:
        """Name and fields, in a line."""
        fields = [f"{field.name} ({field.kind})" for field in self.fields]
        more = f" and {len(fields) - _SHOWN:,} more" if len(fields) > _SHOWN else ""
        return f"{self.name}: {', '.join(fields[:_SHOWN])}{more}"

    def explain(self, values: list[Any]) -> list[np.ndarray]:
        """Images `(H, W, 3)` uint8: in grey, with what counted for the prediction in red (Grad-CAM)."""
        from longspan.explain import attribute
        from longspan.explain.attribution_page import overlay

        with self._lock:
            return [overlay(each) for each in attribute(self.model, values, target=self.explained)]

    def describe(self) -> dict[str, Any]:
        """For `/models` and the page."""
        return {
            "name": self.name,
            "predicts": [*self.model.target_columns],
            "fields": [field.to_json() for field in self.fields],
            "megabytes": round(self.file_mb, 2),
            "stages": [stage.name for stage in getattr(self.model, "stages", ())],
            "drawn": bool(self.model.located),
            "explained": self.explained is not None,
        }


def _explained(model: TrainedModel) -> str | None:
    network, columns = getattr(model, "network", None), [*model.input_columns.values()]
    if network is None or len(columns) != 1 or columns[0] is None or not columns[0].encodes_pixels:
        return None
    kinds = {name: head.kind for name, head in model.heads.items()}
    return next((name for name, kind in kinds.items() if kind in _OF_WHOLE_IMAGES), None)


def _with_all_stages(model: Any) -> Any:
    """Of a pipeline one whose predictions hold what every stage adds."""
    if not hasattr(model, "stages"):
        return model
    from longspan.pipeline import Pipeline

    added = [name for stage in model.stages for name in stage.adds]
    return Pipeline.restored(model.stages, model.fitted, outputs=added, notes=model.notes)


def _sources(column: Column | None) -> tuple[str, ...]:
    return () if column is None else column.sources


def _shown(value: float) -> float:
    """As an example to change: four digits say enough."""
    return float(f"{value:.4g}")


def _fields(name: str, column: Column | None, of_files: bool) -> list[Field]:
    """What a request has to hold for one input; what no stage of a pipeline declares is an image."""
    if column is None:
        return [Field(name, "image")]
    if column.sources:
        numbers = {stats.name: stats for stats in getattr(column, "number_stats", None) or ()}
        categories = {stats.name: stats for stats in getattr(column, "category_stats", None) or ()}
        found = []
        for part in column.sources:
            if part in getattr(column, "numbers", ()):
                stats = numbers.get(part)
                usable = stats is not None and part not in getattr(column, "logs", ())
                example = _shown(stats.median) if usable and stats is not None else None
                found.append(Field(part, "number", example=example))
            elif part in getattr(column, "categories", ()):
                labels = getattr(categories.get(part), "labels", ())
                found.append(Field(part, "category", values=tuple(map(str, labels))))
            else:
                found.append(Field(part, "date"))
        return found
    kinds: dict[str, Kind] = {"image": "image", "audio": "audio", "text": "text", "number": "number"}
    kinds["category"] = "category"
    if column.kind not in kinds:
        raise ConfigError(f"Input {name!r} is a column of kind {column.kind}, which cannot be sent in a request.")
    return [
        Field(
            name,
            kinds[column.kind],
            values=tuple(map(str, getattr(column, "vocab", ()))) if column.kind == "category" else (),
            rate_hz=getattr(column, "rate_hz", None),
            channel=getattr(column, "channel", "mean"),
            as_file=of_files and column.kind == "audio" and getattr(column, "rate_hz", None) is None,
        )
    ]


def load_all(files: Sequence[str], *, device: str, threads: int, cores: int) -> list[ServedModel]:
    """Models of `FILE` or `NAME=FILE`, which share the cores of this process out among the threads that compute.

    Args:
        files: What to load.
        device: Where they run.
        threads: That compute requests of their own.
        cores: Of this process.
    """
    each = max(1, cores // threads)
    models = [load_served(file, name, device=device, threads=each) for name, file in map(split_name, files)]
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(each if any(model.parallel for model in models) else cores)
    return models


def load_served(
    path: str | Path, name: str | None = None, *, device: str = "auto", threads: int | None = None
) -> ServedModel:
    """A model from its file: any that longspan saves, or an exported one, which needs no PyTorch.

    Args:
        path: The file.
        name: In addresses; None: the file's name, of `model.safetensors` its folder's.
        device: Where it runs.
        threads: That compute one batch of an exported model; None: as many as there are cores.
    """
    path = Path(path)
    stem = path.parent.resolve().name if path.stem == "model" else path.stem
    if path.suffix.lower() == ".onnx":
        from longspan.portable import OnnxModel

        model: TrainedModel = OnnxModel.load(path, threads=threads)
    else:
        from longspan.systems.function_registry import load_with_functions

        model = load_with_functions(path, device=device)
    return ServedModel(name or stem, model, file_mb=path.stat().st_size / 1e6)

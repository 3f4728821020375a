"""A trained model as an ONNX file that predicts without PyTorch, checked against the model that it was made of."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import nn

from longspan.columns import Column, Ragged
from longspan.data import Table
from longspan.errors import ConfigError, ModelFileError, data_error
from longspan.extras import require_extra
from longspan.heads import Detect, Head
from longspan.heads.members import predictions_of
from longspan.inference import Predictor
from longspan.inference.network import Network
from longspan.inference.new_inputs import column_of
from longspan.models import Backbone
from longspan.portable import OnnxModel
from longspan.portable.new_values import EncodedValues, encode_table, encode_values, with_inputs
from longspan.portable.onnx_model import ONNX_FORMAT, ONNX_KEY, batch_of, output_name, tensor_names
from longspan.storage.files import plain, write_whole
from longspan.version import __version__

__all__ = ["Comparison", "Exported", "compare", "export", "why_not"]

_SAMPLE_STEPS = 24  # of a ragged input that the graph is traced with


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """How far the predictions of an exported model are from those of the model it was made of."""

    rows: int
    """Rows that both predicted."""
    largest_difference: float
    """Of any output, relative to the largest value of that output."""
    agreement: dict[str, float]
    """By target the fraction of rows with the same decoded value; of quantities and points, to 0.1 %."""


@final
@dataclass(frozen=True, slots=True)
class Exported:
    """What `export` wrote."""

    path: Path
    megabytes: float
    opset: int
    """Version of ONNX's operators."""
    nodes: int
    """Operations in the graph."""
    dynamic_size: bool
    """Whether the graph also computes images of other heights and widths."""
    comparison: Comparison
    """On the rows that were given, or on made-up ones."""
    made_up: bool
    """Whether the rows are random."""


def why_not(predictor: Predictor) -> str | None:
    """Why a model cannot be exported, by the name of its head; None if nothing known is in the way."""
    for target, head in predictor.heads.items():
        if head.value_decoder is None:
            return (
                f"target {target!r} has head {type(head).__name__}, which cannot be exported: its predictions cannot "
                "be computed outside PyTorch"
            )
    return None


def export(
    model: Predictor | Any,
    path: str | Path,
    data: Any = None,
    *,
    dynamic_size: bool = True,
    limit: float = 1e-4,
) -> Exported:
    """Write a trained model as one ONNX file, with preprocessing and labels in its metadata.

    The graph reads encoded values (of images: bytes), and gives predictions: normalisation and probabilities are part
    of it. `OnnxModel` and `longspan predict` use the file with ONNX Runtime alone. It is written only if its outputs
    are those of the model.

    Args:
        model: A Predictor, or a Learner.
        path: Of the file; it ends in .onnx.
        data: Values or a table to compare on, as `Predictor.predict` takes them; None: 8 made-up rows.
        dynamic_size: Let the graph read images of any size, where the network does.
        limit: The largest relative difference of an output that is accepted.

    Raises:
        DependencyError: the extra `export` is not installed.
        ConfigError: the model, or a part of it, cannot be exported; the message names it.
        ModelFileError: the exported model does not compute what the model computes.
    """
    path = Path(path)
    if path.suffix.lower() != ".onnx":
        raise ConfigError(f"{path}: an exported model is a file that ends in .onnx.")
    predictor = model if isinstance(model, Predictor) else _predictor_of(model)
    if (reason := why_not(predictor)) is not None:
        raise ConfigError(f"This model cannot be exported: {reason}.")
    require_extra("export", "longspan export")
    predictor = Predictor(
        predictor.network, predictor.inputs, predictor.heads, info=predictor.info, device="cpu", precision="float32"
    )
    read = _made_up(predictor.inputs) if data is None else _read(data, predictor.inputs)
    program, dynamic = _program(predictor, read, dynamic_size=dynamic_size)
    proto = program.model_proto
    entry = proto.metadata_props.add()
    entry.key, entry.value = ONNX_KEY, json.dumps(plain(_described(predictor)), ensure_ascii=False, allow_nan=False)

    compared: list[Comparison] = []

    def write(part: Path) -> None:
        part.write_bytes(proto.SerializeToString())
        compared.append(compare(predictor, OnnxModel.load(part), read))
        if not compared[0].largest_difference <= limit:
            raise ModelFileError(
                f"The exported model differs from {predictor!r} by {compared[0].largest_difference:.2g} of the largest "
                f"output, more than {limit:g}, so {path} was not written."
            )

    write_whole(path, write)
    opset = max(each.version for each in proto.opset_import if each.domain in ("", "ai.onnx"))
    return Exported(
        path, path.stat().st_size / 1e6, opset, len(proto.graph.node), dynamic, compared[0], made_up=data is None
    )


def compare(predictor: Predictor, exported: OnnxModel, read: EncodedValues, *, batch_size: int = 32) -> Comparison:
    """Outputs of both for the same encoded rows.

    Args:
        predictor: On the CPU, in float32.
        exported: The model that was made of it.
        read: Rows, all of which can be read.
        batch_size: Rows at a time.
    """
    graph = _Graph(predictor.network, predictor.inputs, predictor.heads).eval()
    rows = len(next(iter(read.encoded.values())))
    apart, largest = dict.fromkeys(predictor.heads, 0.0), dict.fromkeys(predictor.heads, 0.0)
    same = dict.fromkeys(predictor.heads, 0)
    for start in range(0, rows, batch_size):
        some = slice(start, start + batch_size)
        with torch.no_grad():
            expected = graph(*_tensors(predictor.inputs, read, some))
        found = exported.run(read, some)
        for (name, decoder), values in zip(exported.decoders.items(), expected, strict=True):
            one, other = values.numpy(), found[name]
            # NumPy's maximum keeps NaN, which `max` would drop: outputs that are not numbers must not pass as equal.
            apart[name] = float(np.maximum(apart[name], np.abs(one.astype(np.float64) - other).max(initial=0)))
            largest[name] = max(largest[name], float(np.abs(one).max(initial=0)))
            nothing = [None] * len(one)
            pairs = zip(decoder.decode(one, nothing), decoder.decode(other, nothing), strict=True)
            same[name] += sum(_alike(a.value, b.value) for a, b in pairs)
    worst = float(np.max([apart[name] / max(largest[name], 1e-30) for name in apart]))
    return Comparison(rows, worst, {name: count / max(rows, 1) for name, count in same.items()})


@final
class _Graph(nn.Module):
    """What is exported: from encoded inputs to the predictions that decoders read, in the order of the targets."""

    def __init__(self, network: Network, inputs: Mapping[str, Column], heads: Mapping[str, Head]) -> None:
        super().__init__()
        self.network = network
        self._columns = tuple(inputs.values())
        self._head_by_target = dict(heads)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = iter(tensors)
        prepared = []
        for column in self._columns:
            batch = Ragged(next(given), next(given)) if column.ragged else next(given)
            prepared.append(column.prepare(batch))
        outputs = self.network(*prepared)
        found = []
        for name, head in self._head_by_target.items():
            predictions = predictions_of(head, outputs[name])
            found.append(predictions if head.decodes_in_source else head.reduce(predictions))
        return tuple(found)


def _program(predictor: Predictor, read: EncodedValues, *, dynamic_size: bool) -> tuple[Any, bool]:
    """The exported program, and whether its images may have any size."""
    # A detector finds another number of objects in each image: its graph reads one.
    one_row = any(isinstance(head, Detect) for head in predictor.heads.values())
    sized = dynamic_size and not one_row and any(column.encodes_pixels for column in predictor.inputs.values())
    # Two rows: a batch of one would be taken for a constant.
    rows = 1 if one_row else 2
    some = EncodedValues({name: (values * 2)[:rows] for name, values in read.encoded.items()})
    graph = _Graph(predictor.network, predictor.inputs, predictor.heads).eval()
    tensors = _tensors(predictor.inputs, some, slice(0, rows))
    names = [name for number, column in enumerate(predictor.inputs.values()) for name in tensor_names(number, column)]
    outputs = [output_name(number) for number in range(len(predictor.heads))]
    with torch.no_grad():
        graph(*tensors)  # filters and windows that are computed once must not be computed while the graph is traced
    faults: list[Exception] = []
    for sizes in (True, False) if sized else (False,):
        shapes = [
            _axes(name, column, sizes, one_row=one_row)
            for column in predictor.inputs.values()
            for name in tensor_names(0, column)
        ]
        try:
            return _traced(graph, tensors, names, outputs, shapes), sizes
        except Exception as error:  # the exporter raises whatever the traced code raises
            faults.append(error)
    backbone = predictor.network.backbone
    name = backbone.name if isinstance(backbone, Backbone) else type(backbone).__name__
    heads = ", ".join(type(head).__name__ for head in predictor.heads.values())
    cause = faults[-1].__cause__ or faults[-1]  # the exporter wraps what the traced code raised in advice
    reason = " ".join(str(cause).split())
    raise ConfigError(f"Network {name} with head {heads} cannot be exported to ONNX: {reason:.300}") from faults[-1]


def _traced(
    graph: nn.Module, tensors: Sequence[torch.Tensor], names: list[str], outputs: list[str], shapes: list[Any]
) -> Any:
    for noisy in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph, tuple(tensors), dynamo=True, verbose=False, optimize=True,
            input_names=names, output_names=outputs, dynamic_shapes=(tuple(shapes),),
        )  # fmt: skip
    if program is None:
        raise ConfigError("the exporter gave no program")
    return program


def _axes(name: str, column: Column, sizes: bool, *, one_row: bool) -> dict[int, Any]:
    """The axes of a tensor of the graph that may have any length."""
    axes: dict[int, Any] = {} if one_row else {0: torch.export.Dim.DYNAMIC}
    if column.ragged and not name.endswith("_lengths"):
        axes[1] = torch.export.Dim.DYNAMIC
    if sizes and column.encodes_pixels:
        axes |= {1: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC}
    return axes


def _tensors(inputs: Mapping[str, Column], read: EncodedValues, rows: slice) -> tuple[torch.Tensor, ...]:
    return tuple(
        torch.from_numpy(array)
        for name, column in inputs.items()
        for array in batch_of(column, read.encoded[name][rows])
    )


def _read(data: Any, inputs: Mapping[str, Column]) -> EncodedValues:
    """Rows to compare on; DataError if any cannot be read."""
    if isinstance(data, Table):
        read = encode_table(with_inputs(data, inputs), inputs)
    else:
        read = encode_values(list(data) if isinstance(data, list | tuple) else [data], inputs)
    if read.faults:
        raise data_error("Nothing was exported, because some rows to compare on cannot be used:", read.faults)
    return read


def _made_up(inputs: Mapping[str, Column], rows: int = 8) -> EncodedValues:
    """Random encoded values, the same each time."""
    random = np.random.default_rng(0)
    read = EncodedValues()
    for name, column in inputs.items():
        steps = [int(n) for n in random.integers(_SAMPLE_STEPS // 2, _SAMPLE_STEPS, rows)]
        shapes = [(n, *column.shape) for n in steps] if column.ragged else [column.shape] * rows
        read.encoded[name] = [column.made_up(random, shape) for shape in shapes]
    return read


def _described(predictor: Predictor) -> dict[str, Any]:
    """The JSON in the file's metadata."""
    backbone = predictor.network.backbone
    targets = {}
    for name, head in predictor.heads.items():
        assert head.value_decoder is not None
        targets[name] = {"column": column_of(head).to_json(), "decoder": head.value_decoder.to_json()}
    return {
        **ONNX_FORMAT,
        "library_version": __version__,
        "inputs": {name: column.to_json() for name, column in predictor.inputs.items()},
        "targets": targets,
        "info": {"model": backbone.name if isinstance(backbone, Backbone) else type(backbone).__name__},
    }


def _alike(one: Any, other: Any) -> bool:
    """Whether two decoded values are the same; numbers to 0.1 %."""
    if isinstance(one, float):
        return abs(one - other) <= 1e-3 * max(abs(one), abs(other), 1e-6)
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and float((one == other).mean()) >= 0.999
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and one and all(isinstance(each, float) for each in (*one, *other)):
        largest = max(map(abs, one), default=0.0)  # an edge at 0.00001 px is one at 0
        return len(one) == len(other) and all(
            abs(a - b) <= 1e-3 * max(largest, 1e-6) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return one == other


def _predictor_of(model: Any) -> Predictor:
    if hasattr(model, "predictor"):
        return model.predictor()
    raise ConfigError(
        f"{type(model).__name__} cannot be exported: only single networks can, not ensembles or pipelines."
    )

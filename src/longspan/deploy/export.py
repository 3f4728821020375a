"""A trained model as an ONNX file that predicts without PyTorch, checked against the model that it was made of."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from longspan.columns import Column
from longspan.data import Table
from longspan.deploy.comparison import Comparison, compare
from longspan.deploy.graphs import traced_programs
from longspan.errors import ConfigError, ModelFileError, data_error
from longspan.extras import require_extra
from longspan.heads import Generate
from longspan.inference import Predictor
from longspan.inference.new_inputs import column_of
from longspan.models import Backbone
from longspan.portable import OnnxModel
from longspan.portable.new_values import EncodedValues, encode_table, encode_values, with_inputs
from longspan.portable.onnx_model import ONNX_FORMAT, ONNX_KEY, step_key
from longspan.storage.files import plain, write_whole
from longspan.version import __version__

__all__ = ["Exported", "export", "why_not"]

_OLDEST_OPSET = 18  # that the exporter writes
_MOST_BYTES = 2**31 - 2**24  # of weights: what protobuf writes, less the graph
_SAMPLE_STEPS = 24  # of a ragged input that the graph is traced with
_ALONE = 0.02
"""Of objects and texts that only one of the two finds, the largest fraction that is accepted: where a score lies at a
threshold, rounding decides."""


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
    """Why a model cannot be exported, by the name of its head or by its size; None if nothing known is in the way."""
    for target, head in predictor.heads.items():
        if isinstance(head, Generate) and head.top_p is not None:
            return (
                f"target {target!r} has head Generate, which draws its tokens (top_p={head.top_p}), and exported "
                f"models do not draw: export predictor.with_options({target!r}, top_p=None)"
            )
        if head.value_decoder is None:
            return (
                f"target {target!r} has head {type(head).__name__}, which cannot be exported: its predictions cannot "
                "be computed outside PyTorch"
            )
    tensors = [*predictor.network.parameters(), *predictor.network.buffers()]
    size = 4 * sum(each.numel() for each in tensors)
    if size > _MOST_BYTES:
        return f"its weights take {size / 1e9:.1f} GB in float32, and an ONNX file holds less than 2.1 GB"
    return None


def export(
    model: Predictor | Any,
    path: str | Path,
    data: Any = None,
    *,
    dynamic_size: bool = True,
    opset: int | None = None,
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
        opset: Version of ONNX's operators, for a runtime that knows no later one; None: what the exporter prefers.
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
    if opset is not None:
        _check_opset(opset)
    predictor = Predictor(
        predictor.network, predictor.inputs, predictor.heads, info=predictor.info, device="cpu", precision="float32"
    )
    read = _made_up(predictor.inputs) if data is None else _read(data, predictor.inputs)
    programs = traced_programs(predictor, read, dynamic_size=dynamic_size, opset=opset)
    proto = programs.whole.model_proto
    for each in (programs.whole, *programs.steps.values()):
        # The exporter warns of a version that it cannot write, and writes another.
        if opset is not None and _opset(each.model_proto) != opset:
            raise ConfigError(
                f"This model cannot be written in opset {opset}: the exporter of PyTorch gives opset "
                f"{_opset(each.model_proto)}. Take that one, or leave the opset out."
            )
    described = json.dumps(plain(_described(predictor)), ensure_ascii=False, allow_nan=False)
    steps = {
        step_key(number): base64.b64encode(step.model_proto.SerializeToString()).decode("ascii")
        for number, step in programs.steps.items()
    }
    for key, value in {ONNX_KEY: described, **steps}.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value

    compared: list[Comparison] = []

    def write(part: Path) -> None:
        part.write_bytes(proto.SerializeToString())
        compared.append(compare(predictor, OnnxModel.load(part), read))
        if not compared[0].largest_difference <= limit:
            raise ModelFileError(
                f"The exported model differs from {predictor!r} by {compared[0].largest_difference:.2g} of the largest "
                f"output, more than {limit:g}, so {path} was not written."
            )
        if compared[0].alone > _ALONE:
            raise ModelFileError(
                f"{compared[0].alone:.1%} of all objects and texts were found by only one of {predictor!r} and its "
                f"exported model, so {path} was not written."
            )

    write_whole(path, write)
    return Exported(
        path,
        path.stat().st_size / 1e6,
        _opset(proto),
        len(proto.graph.node),
        programs.dynamic_size,
        compared[0],
        made_up=data is None,
    )


def _opset(proto: Any) -> int:
    return max(each.version for each in proto.opset_import if each.domain in ("", "ai.onnx"))


def _check_opset(opset: int) -> None:
    """ConfigError for a version of ONNX's operators that is not there."""
    import onnx

    newest = onnx.defs.onnx_opset_version()
    if not _OLDEST_OPSET <= opset <= newest:
        raise ConfigError(
            f"Opset {opset} is not there: the exporter writes from {_OLDEST_OPSET}, and onnx {onnx.__version__} knows "
            f"up to {newest}."
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


def _predictor_of(model: Any) -> Predictor:
    if hasattr(model, "predictor"):
        return model.predictor()
    raise ConfigError(
        f"{type(model).__name__} cannot be exported: only single networks can, not ensembles or pipelines."
    )

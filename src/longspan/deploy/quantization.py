"""Eight-bit integers in place of floating-point numbers: ONNX Runtime's static quantization of an exported model."""

from __future__ import annotations

import logging
import platform
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np

from longspan.errors import ConfigError
from longspan.extras import require_extra
from longspan.portable import OnnxModel
from longspan.portable.new_values import EncodedValues
from longspan.portable.onnx_model import batch_of, tensor_names

__all__ = ["has_vnni", "integer_layers", "quantize"]

_INTEGER = ("QLinearConv", "QGemm", "QLinearMatMul", "ConvInteger", "MatMulInteger", "MatMulIntegerToFloat")
"""Operations that ONNX Runtime computes in integers, as it names them once it has optimised a graph."""
_LAYERS = ("Conv", "Gemm", "MatMul")
_QUANTIZED = (*_LAYERS, "Add", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool", "Relu", "Clip")
"""Layers, and what stands between them; what normalises the input and makes probabilities keeps its precision."""
_BATCH = 16
_ON_X86 = platform.machine().lower() in ("x86_64", "amd64")


def has_vnni() -> bool:
    """Whether the processor adds up products of 8-bit integers in 32 bits with one instruction.

    Without it, ONNX Runtime adds pairs of products up in 16 bits, which overflow unless weights have 7 bits.
    """
    import torch

    known = torch.cpu.get_capabilities()
    names = ("avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8", "dotprod", "i8mm", "sve")
    return any(bool(known.get(name)) for name in names)


def quantize(source: Path, out: Path, calibration: EncodedValues, *, reduce_range: bool | None = None) -> int:
    """Write an exported model with 8-bit weights and activations; calibrated, per output channel.

    Quantize and dequantize operations stand in the graph (QDQ), and ONNX Runtime joins them with the layers between.
    Weights are signed; activations are unsigned on x86, where ONNX Runtime has no quick kernels for signed ones and
    leaves layers in floating point that it cannot convert, and signed elsewhere. The exporter has folded batch
    normalisations into convolutions before.

    Args:
        source: A file that `export` wrote.
        out: The file to write.
        calibration: Encoded inputs of training rows, which the ranges of activations are measured on.
        reduce_range: Weights of 7 bits; None: where the processor has no VNNI.

    Returns:
        How many layers ONNX Runtime computes in integers on this machine.

    Raises:
        DependencyError: the extra `compress` is not installed.
        ConfigError: there is no row to calibrate on, or no layer is computed in integers.
    """
    require_extra("compress", "Quantization")
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model = OnnxModel.load(source)
    rows = len(next(iter(calibration.encoded.values()), []))
    if not rows:
        raise ConfigError("Quantization needs rows to calibrate on, and the calibration set is empty.")
    folder = Path(tempfile.mkdtemp(prefix="longspan-int8-"))
    try:
        ready = folder / "ready.onnx"
        with _quiet():
            quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
            quantization.quantize_static(
                str(ready),
                str(out),
                _reader(model, calibration, rows),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=list(_QUANTIZED),
                per_channel=True,
                reduce_range=not has_vnni() if reduce_range is None else reduce_range,
                activation_type=quantization.QuantType.QUInt8 if _ON_X86 else quantization.QuantType.QInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax,
            )
        _copy_metadata(source, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    layers, whole = integer_layers(out), _layers(source)
    if not layers:
        out.unlink()
        raise ConfigError(
            f"None of the {whole} layers of this model is computed in integers: ONNX Runtime quantizes "
            "convolutions and matrix products with constant weights."
        )
    return layers


def integer_layers(path: Path) -> int:
    """How many layers ONNX Runtime computes in integers, in the graph that it makes of a file on this machine."""
    import onnx
    import onnxruntime

    folder = Path(tempfile.mkdtemp(prefix="longspan-int8-"))
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(folder / "optimised.onnx")
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        graph = onnx.load(folder / "optimised.onnx", load_external_data=False).graph
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return sum(node.op_type in _INTEGER for node in graph.node)


def _layers(path: Path) -> int:
    import onnx

    return sum(node.op_type in _LAYERS for node in onnx.load(path, load_external_data=False).graph.node)


def _copy_metadata(source: Path, out: Path) -> None:
    """What `export` wrote beside the graph, which the quantizer drops."""
    import onnx

    given, made = onnx.load(source, load_external_data=False), onnx.load(out)
    del made.metadata_props[:]
    made.metadata_props.extend(given.metadata_props)
    onnx.save(made, out)


def _reader(model: OnnxModel, calibration: EncodedValues, rows: int) -> Any:
    """Batches of calibration rows, as ONNX Runtime asks for them."""
    from onnxruntime import quantization

    known = {each.name for each in model.session.get_inputs()}

    def batches() -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, rows, _BATCH):
            feeds: dict[str, np.ndarray] = {}
            for number, (name, column) in enumerate(model.inputs.items()):
                arrays = batch_of(column, calibration.encoded[name][start : start + _BATCH])
                feeds |= dict(zip(tensor_names(number, column), arrays, strict=True))
            yield {name: each for name, each in feeds.items() if name in known}

    @final
    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = batches()

        def get_next(self) -> Any:
            return next(self.batches, None)

    return Reader()


@contextmanager
def _quiet() -> Iterator[None]:
    """Meanwhile ONNX Runtime's quantizer keeps its advice to itself."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)

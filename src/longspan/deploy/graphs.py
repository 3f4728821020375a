"""The graphs that are exported: from encoded inputs to what decoders read, and the step of a decoder of texts."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import nn

from longspan.columns import Column, Ragged
from longspan.errors import ConfigError
from longspan.heads import Generate, Head
from longspan.heads.detector import Detector
from longspan.heads.members import exported_of
from longspan.heads.text_writer import TextWriter
from longspan.inference import Predictor
from longspan.inference.network import Network
from longspan.models import Backbone
from longspan.nn.text_decoder import DecoderState
from longspan.portable.new_values import EncodedValues
from longspan.portable.onnx_model import batch_of, output_name, state_names, tensor_names

__all__ = ["Programs", "expected_values", "tensors_of", "traced_programs"]


@final
@dataclass(frozen=True, slots=True)
class Programs:
    """What the exporter made of a model."""

    whole: Any
    """From encoded inputs to predictions; of texts: to what their decoder starts with."""
    steps: dict[int, Any]
    """By the number of such a target the step from one token to the next."""
    dynamic_size: bool
    """Whether images may have any size."""


def expected_values(predictor: Predictor, tensors: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """What decoders read, by target, as the model itself computes it from encoded inputs."""
    outputs = predictor.network(*_prepared(predictor.inputs.values(), tensors))
    return {name: exported_of(head, outputs[name]) for name, head in predictor.heads.items()}


def tensors_of(inputs: Mapping[str, Column], read: EncodedValues, rows: slice) -> tuple[torch.Tensor, ...]:
    """Encoded rows as the graph reads them."""
    return tuple(
        torch.from_numpy(array)
        for name, column in inputs.items()
        for array in batch_of(column, read.encoded[name][rows])
    )


def _prepared(columns: Iterable[Column], tensors: Sequence[torch.Tensor]) -> list[Any]:
    given = iter(tensors)
    return [column.prepare(Ragged(next(given), next(given)) if column.ragged else next(given)) for column in columns]


@final
class _Graph(nn.Module):
    """From encoded inputs to what decoders read, in the order of the targets.

    Of a text that is written token by token: to the memory and the cache of its decoder.
    """

    def __init__(self, network: Network, inputs: Mapping[str, Column], heads: Mapping[str, Head]) -> None:
        super().__init__()
        self.network = network
        self._columns = tuple(inputs.values())
        self._head_by_target = dict(heads)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self.network.features(*_prepared(self._columns, tensors))
        if self.network.whole:
            outputs = self.network.from_features(features)
            return tuple(exported_of(head, outputs[name]) for name, head in self._head_by_target.items())
        found: list[torch.Tensor] = []
        for name, (layers, read) in self.network.read_by_heads(features).items():
            if isinstance(layers, TextWriter):
                state = layers.decoder.start(*layers.encode(read))
                found += [*state.memory, *state.cache]
            else:
                found.append(exported_of(self._head_by_target[name], layers(read)))
        return tuple(found)


@final
class _Step(nn.Module):
    """From the newest token and what the decoder remembers to the log-probabilities of the next, and what it remembers.

    Reads `(R,)` int64 tokens, the number of the place they stand at, memory and cache; gives `(R, V)` and the cache.
    """

    def __init__(self, writer: TextWriter, memories: int) -> None:
        super().__init__()
        self.writer = writer
        self._memories = memories

    def forward(self, newest: torch.Tensor, place: torch.Tensor, *state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        before = DecoderState(state[: self._memories], state[self._memories :])
        log_probs, after = self.writer.next_token(newest, before, place)
        return log_probs, *after.cache


def traced_programs(
    predictor: Predictor, read: EncodedValues, *, dynamic_size: bool, opset: int | None = None
) -> Programs:
    """The exported graphs of a model.

    Args:
        predictor: On the CPU, in float32.
        read: Rows to trace with, at least one.
        dynamic_size: Let the graph read images of any size, where the network does.
        opset: Version of ONNX's operators; None: what the exporter prefers.

    Raises:
        ConfigError: the network, or a head, cannot be exported; the message names it.
    """
    writers = _writers(predictor)
    try:
        steps = {number: _traced_step(number, writer, opset) for number, writer in writers.items()}
        whole, sized = _traced_whole(predictor, read, writers, dynamic_size=dynamic_size, opset=opset)
    except Exception as error:  # the exporter raises whatever the traced code raises
        backbone = predictor.network.backbone
        name = backbone.name if isinstance(backbone, Backbone) else type(backbone).__name__
        heads = ", ".join(type(head).__name__ for head in predictor.heads.values())
        cause = error.__cause__ or error  # the exporter wraps what the traced code raised in advice
        reason = " ".join(str(cause).split())
        raise ConfigError(f"Network {name} with head {heads} cannot be exported to ONNX: {reason:.300}") from error
    return Programs(whole, steps, sized)


def _writers(predictor: Predictor) -> dict[int, TextWriter]:
    """The layers of heads that write texts, by the number of the target."""
    found = {}
    for number, (name, head) in enumerate(predictor.heads.items()):
        if not isinstance(head, Generate):
            continue
        layers = None if predictor.network.whole else predictor.network.heads[number]
        if not isinstance(layers, TextWriter):
            raise ConfigError(f"Target {name!r} is written by layers of your own, which cannot be exported.")
        found[number] = layers
    return found


def _traced_whole(
    predictor: Predictor,
    read: EncodedValues,
    writers: Mapping[int, TextWriter],
    *,
    dynamic_size: bool,
    opset: int | None,
) -> tuple[Any, bool]:
    # A detector finds another number of objects in each image: its graph reads one.
    one_row = any(isinstance(head, Detector) for head in predictor.heads.values())
    sized = dynamic_size and not one_row and any(column.encodes_pixels for column in predictor.inputs.values())
    # Two rows: a batch of one would be taken for a constant.
    rows = 1 if one_row else 2
    some = EncodedValues({name: (values * 2)[:rows] for name, values in read.encoded.items()})
    graph = _Graph(predictor.network, predictor.inputs, predictor.heads).eval()
    tensors = tensors_of(predictor.inputs, some, slice(0, rows))
    names = [name for number, column in enumerate(predictor.inputs.values()) for name in tensor_names(number, column)]
    outputs: list[str] = []
    for number in range(len(predictor.heads)):
        memory, cache = _state_sizes(writers[number]) if number in writers else (0, 0)
        outputs += [*state_names(number, memory, cache)] if number in writers else [output_name(number)]
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
            return _traced(graph, tensors, names, outputs, (tuple(shapes),), opset), sizes
        except Exception as error:  # as above
            faults.append(error)
    raise faults[-1]


def _traced_step(number: int, writer: TextWriter, opset: int | None) -> Any:
    rows, steps = 3, 5
    with torch.no_grad():
        states = [_started(writer, *sizes) for sizes in ((rows, steps), (rows + 1, steps + 2))]
        first, other = [], []
        for count, (state, found) in enumerate(zip(states, (first, other), strict=True)):
            newest = state_rows = torch.zeros(rows + count, dtype=torch.int64)
            for place in range(7 + count):  # a cache of another length than any other axis
                _, state = writer.next_token(state_rows, state, place)
            found += [newest, torch.tensor(7), *state.memory, *state.cache]
    shapes = tuple(
        {axis: torch.export.Dim.DYNAMIC for axis in range(one.ndim) if one.shape[axis] != two.shape[axis]}
        for one, two in zip(first, other, strict=True)
    )
    memory, cache = _state_sizes(writer)
    names = state_names(number, memory, cache)
    after = [f"next_{name}" for name in names[memory:]]
    return _traced(
        _Step(writer, memory).eval(), first, ["newest", "place", *names], ["log_probs", *after],
        (shapes[0], shapes[1], shapes[2:]), opset,
    )  # fmt: skip


def _started(writer: TextWriter, rows: int, steps: int) -> DecoderState:
    memory = torch.zeros(rows, steps, writer.memory.out_features)
    return writer.decoder.start(memory, torch.ones(rows, steps, dtype=torch.bool))


def _state_sizes(writer: TextWriter) -> tuple[int, int]:
    """How many tensors its decoder remembers: of the memory, and that change with each token."""
    with torch.no_grad():
        state = _started(writer, 1, 1)
    return len(state.memory), len(state.cache)


def _traced(
    graph: nn.Module,
    tensors: Sequence[torch.Tensor],
    names: list[str],
    outputs: list[str],
    shapes: tuple[Any, ...],
    opset: int | None,
) -> Any:
    for noisy in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph, tuple(tensors), dynamo=True, verbose=False, optimize=True,
            input_names=names, output_names=outputs, dynamic_shapes=shapes, opset_version=opset,
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

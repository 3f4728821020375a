"""How much of an image each layer of a network sees."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from longspan.explain.expected_cost import HOUR, check_cost
from longspan.nn.without_memory import on_meta

__all__ = ["ReceptiveField", "receptive_fields", "trace_fields"]


@final
@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """The pixels that one place of a map depends on, borders and padding left aside."""

    height_px: float
    """`math.inf`: all of the image."""
    width_px: float
    stride_px: float = 1
    """How far apart in the image neighbouring places of the map look; 0 where the map is one place."""
    top_px: float = field(default=0, compare=False)
    """Where the field of the first place begins; below 0 in the padding, `-math.inf` where it is all of the image."""
    left_px: float = field(default=0, compare=False)

    @property
    def whole(self) -> bool:
        """Whether every place sees the whole image, however large."""
        return math.isinf(self.height_px) and math.isinf(self.width_px)


@final
@dataclass(frozen=True, slots=True)
class _Axis:
    """Along one axis: place p of a map sees the pixels from `start + p * jump` to `end + p * jump`."""

    jump: float = 1
    start: float = 0
    end: float = 0

    def windowed(self, kernel: int, stride: int, padding: int, dilation: int) -> _Axis:
        reach = (kernel - 1) * dilation
        return _Axis(
            self.jump * stride, self.start - padding * self.jump, self.end + (reach - padding) * self.jump
        )  # fmt: skip

    def joined(self, other: _Axis) -> _Axis:
        return _Axis(max(self.jump, other.jump), min(self.start, other.start), max(self.end, other.end))


_TRACED_MODULES = 3
"""Of the network that is traced to know how long a module takes."""
_WHOLE = _Axis(0, -math.inf, math.inf)
_Field = tuple[_Axis, _Axis]


def receptive_fields(
    network: nn.Module, example: Tensor, *, max_seconds: float | None = HOUR
) -> dict[str, ReceptiveField]:
    """The receptive field of every module of a network whose output depends on the image.

    Args:
        network: Any module that reads one batch of images and that `torch.export` can trace.
        example: `(B, C, H, W)`.
        max_seconds: Refused if tracing would take longer; None: never.

    Returns:
        By the module's name; the network itself is "". Layers after an operation that is not known to move values only
        within windows (a transposed convolution, say) are missing, and so are all after them.

    Raises:
        Whatever `torch.export` does where it cannot trace the network.

    Source: Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks", section 2.
    Differs: read off the graph of operations, so that it holds for any network; where branches meet, it is the union
    of what each sees.
    """
    modules = sum(1 for _ in network.modules())

    def probe() -> int:
        with on_meta():
            small, image = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU()), torch.zeros(1, 1, 8, 8)
        torch.export.export(small, (image,), strict=False)
        return _TRACED_MODULES

    check_cost("Receptive fields", modules, probe, each=modules, max_seconds=max_seconds)
    return trace_fields(network, example)


def trace_fields(network: nn.Module, example: Tensor) -> dict[str, ReceptiveField]:
    """See `receptive_fields`, for explanations that need them on the way."""
    was_training = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(network, (example,), strict=False)
    finally:
        for module, mode in was_training.items():
            module.training = mode
    image = next(name for name in program.graph_signature.user_inputs)
    fields: dict[Any, _Field | None] = {}
    """Of nodes that depend on the image; None where it is not known."""
    found: dict[str, ReceptiveField] = {}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            if node.name == image:
                fields[node] = (_Axis(), _Axis())
            continue
        before = [fields[each] for each in node.all_input_nodes if each in fields]
        if node.op != "call_function" or not before:
            continue
        known = [each for each in before if each is not None]
        fields[node] = _after(node, known) if len(known) == len(before) else None
        for name in _modules(node.meta):
            # The last operation inside a module is its output.
            found.pop(name, None)
            if (seen := fields[node]) is not None:
                found[name] = _as_px(seen)
    return found


def _as_px(seen: _Field) -> ReceptiveField:
    (height, width) = (axis.end - axis.start + 1 for axis in seen)
    return ReceptiveField(height, width, max(axis.jump for axis in seen), *(axis.start for axis in seen))


def _modules(meta: Mapping[str, Any]) -> list[str]:
    """The modules inside of which an operation runs, from the whole network to the smallest."""
    return ["", *(name for name, _ in meta.get("nn_module_stack", {}).values() if name)]


def _after(node: Any, before: list[_Field]) -> _Field | None:
    """What a place of the output of an operation sees; None if that is not known."""
    name = node.target.__name__.split(".")[0] if hasattr(node.target, "__name__") else ""
    arguments = _named(node)
    first = before[0]
    if name in _TO_VECTORS and len(_shape(node)) == 2:
        return (_WHOLE, _WHOLE)
    if name in ("cat", "chunk", "split", "split_with_sizes") and arguments.get("dim", 0) != 1:
        return None  # not along the channels: places would move
    if name == "flatten" and len(_shape(node)) == 3 and arguments.get("start_dim") == 1:
        return (_WHOLE, first[1])  # channels and rows become channels; columns stay
    if name == "conv1d":
        kernel, stride, padding, dilation = (
            _pair(value)[0]
            for value in (
                arguments["weight"].meta["val"].shape[2], arguments.get("stride") or 1,
                arguments.get("padding", 0), arguments.get("dilation", 1),
            )
        )  # fmt: skip
        return (first[0], first[1].windowed(kernel, stride, padding, dilation))
    if name == "unsqueeze" and len(_shape(node)) == 4 and arguments.get("dim") == 2:
        return first
    if name == "slice" and len(_shape(node)) == 4 and arguments.get("dim") in (2, 3):
        # Every so many places: the shortcut of a residual network, for one.
        begin = arguments.get("start") or 0
        if begin < 0:
            return None
        moved = list(first)
        place = arguments["dim"] - 2
        moved[place] = moved[place].windowed(1, arguments.get("step", 1), -begin, 1)
        return (moved[0], moved[1])
    if name in ("constant_pad_nd", "pad") and not any(arguments["pad"][:4]):
        return first  # more channels
    if name == "slice" and all(_shape(each) == _shape(node) for each in node.all_input_nodes):
        return first
    if name in ("conv2d", "convolution", "max_pool2d", "avg_pool2d", "max_pool2d_with_indices"):
        if arguments.get("transposed"):
            return None
        weight = arguments.get("weight")
        kernel = _pair(arguments["kernel_size"]) if weight is None else tuple(weight.meta["val"].shape[2:])
        stride = _pair(arguments.get("stride") or (kernel if weight is None else 1))
        padding, dilation = arguments.get("padding", 0), _pair(arguments.get("dilation", 1))
        if padding == "same":
            padding = [(k - 1) * d // 2 for k, d in zip(kernel, dilation, strict=True)]
        padding = _pair(0 if padding == "valid" else padding)
        height, width = (
            axis.windowed(*numbers)
            for axis, *numbers in zip(first, kernel, stride, padding, dilation, strict=True)
        )  # fmt: skip
        return (height, width)
    if name in ("adaptive_avg_pool2d", "adaptive_max_pool2d", "mean", "amax", "sum"):
        return (_WHOLE, _WHOLE) if not _is_map(node) or _shrinks(node) else _joined(before)
    if name in _NORMS_OVER_PLACES:
        return (_WHOLE, _WHOLE)
    if name in _PLACE_BY_PLACE or _is_pointwise(node):
        return _joined(before)
    if all(axis == _WHOLE for field in before for axis in field):
        return (_WHOLE, _WHOLE)
    return None


_TO_VECTORS = ("flatten", "view", "reshape", "linear", "matmul", "addmm", "mm", "squeeze", "select")
_NORMS_OVER_PLACES = ("group_norm", "instance_norm", "scaled_dot_product_attention")
_PLACE_BY_PLACE = (
    "batch_norm", "_native_batch_norm_legit_no_training", "cat", "dropout", "clone", "contiguous", "detach", "getitem",
    "chunk", "split", "split_with_sizes", "native_dropout", "alias", "feature_dropout",
)  # fmt: skip


def _joined(fields: list[_Field]) -> _Field:
    height, width = fields[0]
    for other in fields[1:]:
        height, width = height.joined(other[0]), width.joined(other[1])
    return (height, width)


def _shape(node: Any) -> tuple[int, ...]:
    value = node.meta.get("val")
    return tuple(value.shape) if isinstance(value, Tensor) else ()


def _is_map(node: Any) -> bool:
    shape = _shape(node)
    return not shape or (len(shape) == 4 and max(shape[2:]) > 1)


def _shrinks(node: Any) -> bool:
    """Whether the output has fewer places than what it is computed from: pooled to a given size, not by windows."""
    return any(_shape(each)[2:] != _shape(node)[2:] for each in node.all_input_nodes if len(_shape(each)) == 4)


def _is_pointwise(node: Any) -> bool:
    return torch.Tag.pointwise in getattr(node.target, "tags", ())


def _named(node: Any) -> dict[str, Any]:
    """Arguments of an operation by name."""
    schema = getattr(node.target, "_schema", None)
    names = [] if schema is None else [each.name for each in schema.arguments]
    return dict(zip(names, node.args, strict=False)) | dict(node.kwargs)


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return (value, value)
    return (int(value[0]), int(value[-1]))

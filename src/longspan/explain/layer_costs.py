"""Where a network's time, arithmetic and memory go, layer by layer."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from longspan.errors import ConfigError
from longspan.explain.expected_cost import HOUR, check_cost
from longspan.explain.receptive_field import ReceptiveField, trace_fields

__all__ = ["LayerCost", "LayerCosts", "layer_costs"]


@final
@dataclass(frozen=True, slots=True)
class LayerCost:
    """What one layer costs, for a batch."""

    name: str
    kind: str
    """Its class."""
    output: tuple[int, ...]
    """Shape of its output, the batch first."""
    parameters: int
    multiply_adds: int
    output_bytes: int
    forward_seconds: float
    """The median of the repeats."""
    backward_seconds: float
    """Of the gradients with respect to its input and its parameters; 0 for a layer without any."""
    receptive_field: ReceptiveField | None
    """None where it is not known, or the input is no image."""

    @property
    def seconds(self) -> float:
        """Of both passes."""
        return self.forward_seconds + self.backward_seconds


@final
@dataclass(frozen=True, slots=True)
class LayerCosts:
    """What every layer of a network costs, in the order in which they run."""

    layers: tuple[LayerCost, ...]
    batch: int
    device: str
    threads: int
    forward_seconds: float
    """Of the whole network, with what runs between layers; the median of the repeats."""
    backward_seconds: float
    parameters: int
    """Of the whole network."""

    multiply_adds: int
    """Of the whole network, for the batch."""
    fields_unknown: str | None = None
    """Why no receptive field is known, where none is: in words."""

    def by_kind(self) -> dict[str, tuple[float, float]]:
        """By class of layer, the longest first: shares of the layers' forward and backward seconds, 0 to 1."""
        totals: dict[str, list[float]] = {}
        for each in self.layers:
            sums = totals.setdefault(each.kind, [0.0, 0.0])
            sums[0] += each.forward_seconds
            sums[1] += each.backward_seconds
        forward, backward = (max(sum(sums[i] for sums in totals.values()), 1e-12) for i in (0, 1))
        longest = sorted(totals.items(), key=lambda item: -sum(item[1]))
        return {kind: (sums[0] / forward, sums[1] / backward) for kind, sums in longest}


def layer_costs(
    network: nn.Module,
    inputs: Sequence[Any],
    *,
    repeats: int = 5,
    fields: bool = True,
    max_seconds: float | None = HOUR,
) -> LayerCosts:
    """Measure what every layer of a network costs.

    A layer is a module that calls no other. Each is measured by itself, in evaluation mode, on the input that it gets
    inside the network; what a network does between its layers (additions, say) counts for the whole only.

    Args:
        network: Any module; it is left as it was.
        inputs: What it reads: prepared batches of B rows, tensors or `Ragged`, on its device.
        repeats: Of each measurement; their median counts.
        fields: Also compute receptive fields, for which the network is traced.
        max_seconds: Refused if it would take longer; None: never.

    Returns:
        A layer that runs several times (shared weights) has one entry, with the sums of all.

    Raises:
        ConfigError: repeats below 1, or no input.
    """
    if repeats < 1:
        raise ConfigError(f"repeats must be at least 1, got {repeats}.")
    if not inputs:
        raise ConfigError("inputs must hold what the network reads: one batch for each of its inputs.")
    # Module by module: frozen layers may be in evaluation mode while the others train.
    was_training = {module: module.training for module in network.modules()}
    network.eval()
    try:

        def probe() -> int:
            _run(network, inputs, [])
            return 1

        # A pass back takes about two passes forward; the whole is measured, and its layers one by one.
        check_cost("Layer costs", 2 * 3 * (repeats + 1) + 3, probe, each=1, max_seconds=max_seconds)
        calls = _calls(network, inputs)
        multiply_adds = _multiply_adds(network, tuple(inputs), {})
        whole = _seconds(network, tuple(inputs), repeats)
        layers = [_layer(name, each, repeats) for name, each in calls.items()]
    finally:
        for module, mode in was_training.items():
            module.training = mode
    seen, unknown = _fields(network, inputs) if fields else ({}, "they were not asked for")
    first = next(iter(_tensors(inputs[0])))
    return LayerCosts(
        tuple(LayerCost(**each, receptive_field=seen.get(each["name"])) for each in layers),
        len(first), str(first.device), torch.get_num_threads(), *whole,
        sum(parameter.numel() for parameter in network.parameters()), multiply_adds,
        fields_unknown=unknown,
    )  # fmt: skip


@final
@dataclass(frozen=True, slots=True)
class _Call:
    module: nn.Module
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]
    output: Any


def _calls(network: nn.Module, inputs: Sequence[Any]) -> dict[str, list[_Call]]:
    """With what each layer was called, in the order of first calls."""
    ran = _ran(network, inputs)
    names = {name for name in ran if not any(other.startswith(f"{name}.") for other in ran if name)}
    if len(ran) > 1:
        names.discard("")
    found: dict[str, list[_Call]] = {}
    hooks = []

    def keep(name: str) -> Any:
        def hook(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
            found.setdefault(name, []).append(_Call(module, _copied(arguments), _copied(named), output))

        return hook

    for name, module in network.named_modules():
        if name in names:
            # A layer that works in place gets a copy, so that what it was called with is still there behind it.
            hooks.append(module.register_forward_pre_hook(lambda m, a, k: (_copied(a), _copied(k)), with_kwargs=True))
            hooks.append(module.register_forward_hook(keep(name), with_kwargs=True))
    _run(network, inputs, hooks)
    return found


def _ran(network: nn.Module, inputs: Sequence[Any]) -> set[str]:
    """The modules that are called: the layers inside of some are not, only their weights are used."""
    ran: set[str] = set()
    hooks = [
        module.register_forward_pre_hook(lambda *_, name=name: ran.add(name))
        for name, module in network.named_modules()
    ]
    _run(network, inputs, hooks)
    return ran


def _run(network: nn.Module, inputs: Sequence[Any], hooks: list[Any]) -> None:
    try:
        with torch.no_grad():
            network(*_copied(tuple(inputs)))
    finally:
        for hook in hooks:
            hook.remove()


def _layer(name: str, calls: list[_Call], repeats: int) -> dict[str, Any]:
    module = calls[0].module
    seconds = [_seconds(module, call.arguments, repeats, call.named) for call in calls]
    outputs = [tensor for call in calls for tensor in _tensors(call.output)]
    return {
        "name": name,
        "kind": type(module).__name__,
        "output": tuple(outputs[0].shape) if outputs else (),
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "multiply_adds": sum(_multiply_adds(module, call.arguments, call.named) for call in calls),
        "output_bytes": sum(tensor.numel() * tensor.element_size() for tensor in outputs),
        "forward_seconds": sum(forward for forward, _ in seconds),
        "backward_seconds": sum(backward for _, backward in seconds),
    }


def _multiply_adds(module: nn.Module, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> int:
    # Without the kernels of oneDNN: their fused layers hide what they multiply.
    with warnings.catch_warnings(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        warnings.simplefilter("ignore")  # of oneDNN, about graphics cards
        with torch.backends.mkldnn.flags(enabled=False):
            module(*_copied(arguments), **_copied(named))
    return counter.get_total_flops() // 2


def _seconds(
    module: nn.Module, arguments: tuple[Any, ...], repeats: int, named: Mapping[str, Any] | None = None
) -> tuple[float, float]:
    """Median seconds of the forward and the backward pass; one pass before warms up."""
    forward, backward = [], []
    for _ in range(repeats + 1):
        inputs, words = _differentiable(arguments), _differentiable(named or {})
        sources = [each for each in (*_tensors(inputs), *_tensors(words)) if each.requires_grad]
        sources += [parameter for parameter in module.parameters() if parameter.requires_grad]
        device = next((each.device for each in (*_tensors(inputs), *module.parameters())), torch.device("cpu"))
        with torch.enable_grad():
            started = _now(device)
            output = module(*inputs, **words)
            forward.append(_now(device) - started)
            ends = [each for each in _tensors(output) if each.requires_grad]
            if not ends or not sources:
                backward.append(0.0)
                continue
            ones = [torch.ones_like(each) for each in ends]
            started = _now(device)
            torch.autograd.grad(ends, sources, ones, allow_unused=True)
            backward.append(_now(device) - started)
    return statistics.median(forward[1:]), statistics.median(backward[1:])


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in a value, however nested."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)


def _mapped(value: Any, change: Any) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _mapped(each, change) for name, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_mapped(each, change) for each in value))
    if isinstance(value, list | tuple):
        return type(value)(_mapped(each, change) for each in value)
    return value


def _copied(value: Any) -> Any:
    """The same with tensors of their own: a layer may work in place."""
    return _mapped(value, lambda tensor: tensor.detach().clone())


def _differentiable(value: Any) -> Any:
    """Copies that are no leaves, so that layers may work in place and gradients are still taken."""
    return _mapped(
        value,
        lambda tensor: (
            tensor.detach().clone().requires_grad_(True) * 1.0 if tensor.is_floating_point() else tensor.clone()
        ),
    )


def _fields(network: nn.Module, inputs: Sequence[Any]) -> tuple[dict[str, ReceptiveField], str | None]:
    """Receptive fields where the network reads one image and can be traced; else why there are none."""
    if len(inputs) != 1 or not isinstance(inputs[0], Tensor) or inputs[0].ndim != 4:
        return {}, "only networks that read one image have receptive fields"
    try:
        return trace_fields(network, inputs[0][:2]), None
    except Exception as error:  # torch.export raises whatever the network's own code does
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        return {}, f"torch.export cannot trace this network: {said:.200}"

"""The layers of a pruned network fitted anew, by least squares, to what the same layers of the original compute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["refit"]

_PLACES = 96  # of a map that are taken of each row
_RIDGE = 1e-3
"""How strongly weights hold on to what they were, beside the mean square of a layer's inputs."""

# P places, I values that a place is computed from, O output channels that are left


@torch.no_grad()
def refit(
    smaller: nn.Module,
    original: nn.Module,
    kept: Mapping[str, Tensor],
    batches: Sequence[tuple[Tensor, ...]],
    compute: Callable[..., Any],
    *,
    seed: int = 0,
) -> int:
    """Set weights of `smaller` so that its layers compute what they computed before their inputs were pruned.

    Layer after layer, from the input to the output: each is a linear regression from what it now reads to what the
    original's layer gives, in the channels that are left.

    Source: He, Zhang, Sun 2017, "Channel pruning for accelerating very deep neural networks", section 3.1, the second
    step. Differs: weights are drawn to the pruned ones, as by ridge regression; places are drawn at random.

    Args:
        smaller: A pruned copy; its weights change.
        original: What it was copied of.
        kept: By name of a layer the output channels that are left; layers that are not named have all of them.
        batches: Prepared inputs of calibration rows, some at a time.
        compute: Takes a network and inputs, and computes all its layers.
        seed: Of the draw of places.

    Returns:
        How many layers were fitted.
    """
    before, after = dict(original.named_modules()), dict(smaller.named_modules())
    fitted = 0
    for name in _in_order(original, batches[0], compute):
        layer: Any = after[name]
        whole: Any = before[name]
        if _fits(layer) and layer.weight.shape[1] < whole.weight.shape[1]:
            outputs = kept.get(name, torch.arange(layer.weight.shape[0]))
            pairs = (
                _places(
                    layer,
                    _tensor_at(compute, smaller, layer, some, given=True),
                    _tensor_at(compute, original, whole, some, given=False),
                    outputs,
                    torch.Generator().manual_seed(seed + number),
                )
                for number, some in enumerate(batches)
            )
            _fit(layer, pairs)
            fitted += 1
    return fitted


def _fits(layer: nn.Module) -> bool:
    """Whether the outputs of a layer are linear in all its inputs: a linear layer, or a convolution without groups."""
    if isinstance(layer, nn.Conv2d):
        return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return isinstance(layer, nn.Linear)


def _in_order(module: nn.Module, inputs: tuple[Tensor, ...], compute: Callable[..., Any]) -> list[str]:
    """Names of the layers in the order in which they are first computed."""
    names: list[str] = []
    handles = [
        each.register_forward_hook(lambda *_, name=name: None if name in names else names.append(name))
        for name, each in module.named_modules()
        if _fits(each)
    ]
    try:
        compute(module, *inputs)
    finally:
        for handle in handles:
            handle.remove()
    return names


def _fit(layer: Any, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Ridge regression, around the weights that there are, of what places give on what they read."""
    weight = layer.weight.flatten(1).double()  # (O, I)
    squares = weight.new_zeros(weight.shape[1], weight.shape[1])
    products = weight.new_zeros(weight.shape[1], weight.shape[0])
    for columns, targets in pairs:
        missing = targets - columns @ weight.T - (0 if layer.bias is None else layer.bias.double())
        squares += columns.T @ columns
        products += columns.T @ missing
    ridge = _RIDGE * squares.diagonal().mean().clamp_min(1e-12)
    change = torch.linalg.solve(squares + ridge * torch.eye(len(squares), dtype=squares.dtype), products)
    layer.weight.copy_((weight + change.T).view_as(layer.weight).to(layer.weight.dtype))


class _Found(Exception):  # noqa: N818 - no error: it ends a forward pass
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def _tensor_at(
    compute: Callable[..., Any], module: nn.Module, layer: nn.Module, inputs: tuple[Tensor, ...], *, given: bool
) -> Tensor:
    """What a layer reads, or gives; layers behind it are not computed."""

    def stop(_: nn.Module, read: Any, output: Any) -> None:
        raise _Found(read[0] if given else output)

    handle = layer.register_forward_hook(stop)
    try:
        compute(module, *inputs)
    except _Found as found:
        return found.tensor
    finally:
        handle.remove()
    raise AssertionError("a layer that is computed once is computed again")


def _places(
    layer: Any, read: Tensor, wanted: Tensor, outputs: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Some places: what each is computed from `(P, I)`, and the original's outputs there `(P, O)`."""
    if isinstance(layer, nn.Linear):
        return read.flatten(0, -2).double(), wanted.flatten(0, -2)[:, outputs].double()
    columns, targets = [], []
    for image, goal in zip(read, wanted, strict=True):
        places = torch.randperm(goal[0].numel(), generator=generator)[:_PLACES]
        patches = F.unfold(
            image[None], layer.kernel_size, dilation=layer.dilation, padding=layer.padding, stride=layer.stride
        )
        columns.append(patches[0][:, places].T)
        targets.append(goal.flatten(1)[outputs][:, places].T)
    return torch.cat(columns).double(), torch.cat(targets).double()

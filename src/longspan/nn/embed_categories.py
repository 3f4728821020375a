"""Embeddings of several categories side by side, as one step of the computation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, final

import torch
from torch import Tensor

__all__ = ["embed_categories"]

_SMALL = 1 << 16
"""Weights up to which copying all tables costs less than looking into each."""


def embed_categories(classes: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Embeddings of class numbers, next to each other.

    Equal to `torch.cat` of one `torch.nn.functional.embedding` per category, values and gradients bit by bit. For small
    tables that learn on the processor the tables become one: otherwise looking up, joining and their gradients take a
    dozen steps of the computation each, which is most of the time of a small network.

    Args:
        classes: `(B, C)` int64.
        weights: Of each category `(K, W)` float, K and W its own.

    Returns:
        `(B, total of W)`.
    """
    if (
        len(weights) > 1
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and classes.device.type == "cpu"  # on others the gradients are summed in no particular order
        and sum(weight.numel() for weight in weights) <= _SMALL
    ):
        return _OneTable.apply(classes, *weights)  # type: ignore[return-value]
    columns = classes.unbind(1)
    return torch.cat([torch.nn.functional.embedding(each, w) for each, w in zip(columns, weights, strict=True)], dim=1)


@final
class _OneTable(torch.autograd.Function):
    """The weights of all tables in a row, of which each value of the result takes one."""

    @staticmethod
    def forward(ctx: Any, classes: Tensor, *weights: Tensor) -> Tensor:
        shapes = tuple(tuple(weight.shape) for weight in weights)
        fields, widths, counts, offsets = _layout(shapes)
        if not torch.equal(classes.remainder(counts), classes):  # a value beyond would be one of the next table
            raise IndexError("index out of range in a table of embeddings")
        places = (classes * widths)[:, fields].add_(offsets)
        ctx.save_for_backward(places)
        ctx.shapes = shapes
        return torch.cat([weight.reshape(-1) for weight in weights]).take(places)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (places,) = ctx.saved_tensors
        sizes = [count * width for count, width in ctx.shapes]
        flat = gradient.new_zeros(sum(sizes)).scatter_add_(0, places.view(-1), gradient.reshape(-1))
        return None, *(part.view(shape) for part, shape in zip(flat.split(sizes), ctx.shapes, strict=True))


_LAYOUTS: dict[tuple[tuple[int, ...], ...], tuple[Tensor, Tensor, Tensor, Tensor]] = {}


def _layout(shapes: tuple[tuple[int, ...], ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each value of the result its category and where it stands for class 0; of each category width and classes."""
    if shapes not in _LAYOUTS:
        starts = [0, *accumulate(count * width for count, width in shapes)]
        fields = [field for field, (_, width) in enumerate(shapes) for _ in range(width)]
        offsets = [starts[field] + each for field, (_, width) in enumerate(shapes) for each in range(width)]
        counts, widths = zip(*shapes, strict=True)
        _LAYOUTS[shapes] = (torch.tensor(fields), torch.tensor(widths), torch.tensor(counts), torch.tensor(offsets))
    return _LAYOUTS[shapes]

"""Networks of names and shapes alone: no memory for their weights, no random numbers, no time to draw them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["on_meta", "without_memory"]

_DRAWN = frozenset(
    (
        *("add_", "bernoulli_", "clamp_", "constant_", "copy_", "div_", "erfinv_", "exponential_", "fill_"),
        *("kaiming_uniform_", "mul_", "normal_", "sub_", "uniform_", "zero_"),
    )
)
"""What fresh weights are made by, in place."""


@contextlib.contextmanager
def on_meta() -> Iterator[None]:
    """Every tensor that is made in here is on PyTorch's meta device."""
    with torch.device("meta"), _WithoutCompiler():
        yield


@contextlib.contextmanager
def without_memory() -> Iterator[None]:
    """Networks built in here take no memory for their weights and no random numbers; move them `.to("meta")` after.

    Not `on_meta`: RegNet computes its widths with tensors, which must have numbers.
    """
    with torch.random.fork_rng(devices=[]), _EmptyOnMeta(), _WithoutCompiler():
        yield


@final
class _WithoutCompiler(TorchFunctionMode):
    """Of tensors on the meta device, which have no numbers: leaves fresh weights as they are, and joins shapes.

    PyTorch does both by code that imports its compiler, a second and a half.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in _DRAWN:
            tensor = args[0] if args else kwargs.get("tensor")  # as torch.nn.init calls it
            if isinstance(tensor, Tensor) and tensor.is_meta:
                return tensor
        if func is torch.cat and all(part.is_meta for part in args[0]):
            parts, dim = args[0], args[1] if len(args) > 1 else kwargs.get("dim", 0)
            sizes = list(parts[0].shape)
            sizes[dim] = sum(part.shape[dim] for part in parts)
            return parts[0].new_empty(sizes)
        return func(*args, **kwargs)


@final
class _EmptyOnMeta(TorchFunctionMode):
    """Makes `torch.empty`, in which layers hold their weights, give tensors without memory."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)

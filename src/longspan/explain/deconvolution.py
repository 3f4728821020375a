"""Back from an activation to the pixels that made it: a deconvolution network with switches."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["Deconvolution", "reconstruct"]


def reconstruct(backbone: nn.Module, name: str, channel: int, images: Tensor, spots: Tensor) -> Tensor:
    """Project one activation of each image back to the pixels: `(N, C, H, W)`."""
    kept: list[Any] = []
    hook = backbone.get_submodule(name).register_forward_hook(lambda _, __, output: kept.append(output.clone()))
    try:
        with torch.enable_grad(), Deconvolution():
            given = images.detach().clone().requires_grad_(True)
            backbone(given)
            chosen = kept[0][:, channel].flatten(1).gather(1, spots[:, None].to(images.device))
            # The signal that goes back is the activation itself, as in the paper, not 1.
            (signal,) = torch.autograd.grad(chosen.square().sum() / 2, given)
    finally:
        hook.remove()
    return signal


@final
class _Rectified(torch.autograd.Function):
    """A rectifier on the way there, and one on the way back, whatever was positive before."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, result: Tensor) -> Tensor:
        del ctx, values
        return result.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        del ctx
        return gradients[0].clamp_min(0), None


_RECTIFIERS = {
    getattr(home, name)
    for home in (torch, torch.nn.functional)
    for name in (
        "relu", "relu_", "relu6", "leaky_relu", "elu", "gelu", "silu", "hardswish", "hardtanh", "selu", "mish", "prelu",
    )
    if hasattr(home, name)
}  # fmt: skip


@final
class Deconvolution(TorchFunctionMode):
    """Inside, every activation function goes back as in a deconvolution network."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = dict(kwargs or {})
        if func not in _RECTIFIERS:
            return func(*args, **kwargs)
        values = kwargs.pop("input", args[0] if args else None)
        with torch.no_grad(), torch._C.DisableTorchFunction():
            result = func(values.detach().clone(), *args[1:], **kwargs)
        return _Rectified.apply(values, result)

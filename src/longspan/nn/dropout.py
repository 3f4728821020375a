"""Dropout whose draws are cheap on a processor."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

__all__ = ["Dropout", "replace_dropout"]

_STEPS = 1 << 16


@final
class Dropout(nn.Dropout):
    """`nn.Dropout`, which on a processor takes four draws from each random number.

    PyTorch takes a whole random number for each value there, which is a quarter of a training step of a small
    transformer. Here 16 bits decide about a value. On other devices it is PyTorch's.

    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting". Differs: the
    probability is rounded to a multiple of 1/65,536; kept values are scaled by what it is then.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Values of any shape; in training some of them are 0."""
        kept = round((1 - self.p) * _STEPS)
        if not self.training or kept in (0, _STEPS) or input.device.type != "cpu":
            return super().forward(input)
        count = input.numel()
        numbers = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        draws = numbers.view(torch.int16)[:count].view(input.shape)
        return input * (draws < kept - _STEPS // 2).to(input.dtype).mul_(_STEPS / kept)


def replace_dropout(network: nn.Module) -> None:
    """Put `Dropout` in the place of each `nn.Dropout` in a network; its weights and their names stay."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p).train(child.training))

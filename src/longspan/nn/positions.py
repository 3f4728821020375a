"""Positions of tokens as vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["sinusoids"]


def sinusoids(steps: int, width: int, device: torch.device | None = None, first: int | Tensor = 0) -> Tensor:
    """Positions `(steps, width)`: sines in even, cosines in odd features (Vaswani et al. 2017, section 3.5).

    Args:
        steps: How many positions.
        width: Features of each; even.
        device: Where the tensor lies.
        first: Number of the first position; a tensor in exported graphs, where it is an input.
    """
    places = (torch.arange(steps, device=device) + first).to(torch.float32)[:, None]
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10000.0) / width))
    return torch.stack([torch.sin(places * rates), torch.cos(places * rates)], dim=2).flatten(1)

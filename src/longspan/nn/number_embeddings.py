"""Embeddings of numbers: linear, piecewise-linear and periodic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["BoundedNumbers", "LinearEmbeddings", "LinearPerFeature", "PeriodicEmbeddings", "PiecewiseLinearEmbeddings"]

# B rows, N numbers, D width of an embedding


def _uniform(*shape: int, fan_in: int) -> nn.Parameter:
    bound = fan_in**-0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


@final
class LinearPerFeature(nn.Module):
    """A linear layer of its own for each of N features: `(B, N, in)` to `(B, N, out)`."""

    def __init__(self, num_features: int, in_features: int, out_features: int, *, bias: bool = True) -> None:
        """Draw the weights as `nn.Linear` does."""
        super().__init__()
        self.weight = _uniform(num_features, in_features, out_features, fan_in=in_features)
        self.bias = _uniform(num_features, out_features, fan_in=in_features) if bias else None

    def forward(self, features: Tensor) -> Tensor:
        """`(B, N, in)` to `(B, N, out)`."""
        outputs = torch.matmul(features.transpose(0, 1), self.weight).transpose(0, 1)
        return outputs if self.bias is None else outputs + self.bias


@final
class LinearEmbeddings(nn.Module):
    """Each number times a vector of its own, plus one: `(B, N)` to `(B, N, D)`.

    Source: Gorishniy et al. 2021, "Revisiting deep learning models for tabular data", section 3.3.
    """

    def __init__(self, num_features: int, width: int) -> None:
        """Draw the vectors."""
        super().__init__()
        self.weight = _uniform(num_features, width, fan_in=width)
        self.bias = _uniform(num_features, width, fan_in=width)

    def forward(self, numbers: Tensor) -> Tensor:
        """`(B, N)` to `(B, N, D)`."""
        return numbers[..., None] * self.weight + self.bias


@final
class PiecewiseLinearEmbeddings(nn.Module):
    """A linear embedding plus one that bends at the edges of bins: `(B, N)` to `(B, N, D)`.

    The second part starts at zero, so that the whole is linear at first.

    Source: Gorishniy et al. 2022, "On embeddings for numerical features in tabular deep learning", section 3.2;
    in the form of Gorishniy et al. 2024, "TabM", appendix.
    """

    def __init__(self, edges: Sequence[Sequence[float]], width: int, *, bounded: bool = False) -> None:
        """Build for the bins of each number.

        Args:
            edges: For each number, ascending, at least two.
            width: D.
            bounded: Whether the second part stays what it is at the outer edges, as trees do; else its line goes on
                with the slope of the outer bin, which few rows have taught.
        """
        super().__init__()
        most = max(len(each) for each in edges) - 1
        scale, shift, low, high = np.zeros((4, len(edges), most), np.float32)
        for number, each in enumerate(edges):
            ends, bins = np.asarray(each, np.float64), len(each) - 1
            scale[number, :bins] = 1 / np.diff(ends)
            shift[number, :bins] = -ends[:-1] / np.diff(ends)
            high[number, :bins] = 1
            if not bounded:
                low[number, 0], high[number, bins - 1] = -math.inf, math.inf
        for name, values in (("scale", scale), ("shift", shift), ("low", low), ("high", high)):
            self.register_buffer(name, torch.tensor(values))
        self.scale: Tensor
        self.shift: Tensor
        self.low: Tensor
        self.high: Tensor
        self.linear = LinearEmbeddings(len(edges), width)
        self.bends = LinearPerFeature(len(edges), most, width, bias=False)
        nn.init.zeros_(self.bends.weight)

    def encode(self, numbers: Tensor) -> Tensor:
        """`(B, N)` to `(B, N, bins)`: 1 for each bin below the number, its fraction of its own bin, 0 above."""
        return torch.clamp(torch.addcmul(self.shift, self.scale, numbers[..., None]), self.low, self.high)

    def forward(self, numbers: Tensor) -> Tensor:
        """`(B, N)` to `(B, N, D)`."""
        return self.linear(numbers) + self.bends(self.encode(numbers))


@final
class BoundedNumbers(nn.Module):
    """Numbers with median 0 and interquartile range 1, smoothly bounded to (-3, 3): `(B, N)` to `(B, N)`.

    Median and quartiles are those of the edges of bins, which lie at quantiles of the training rows.

    Source: Holzmueller et al. 2024, "Better by default: strong pre-tuned MLPs and boosted trees on tabular data",
    section 3.1 (robust scaling and smooth clipping). Where the quartiles are equal, half the range stands for them.
    """

    def __init__(self, edges: Sequence[Sequence[float]], bound: float = 3.0) -> None:
        """Build for the bins of each number; `bound` is what they tend to."""
        super().__init__()
        self.bound = bound
        low, first, median, third, high = np.stack(
            [np.quantile(each, [0, 0.25, 0.5, 0.75, 1]) for each in edges], axis=1
        )
        spread = np.where(third > first, third - first, (high - low) / 2)
        self.register_buffer("median", torch.tensor(median.tolist()))
        self.register_buffer("spread", torch.tensor(spread.tolist()))
        self.median: Tensor
        self.spread: Tensor

    def forward(self, numbers: Tensor) -> Tensor:
        """`(B, N)` to `(B, N)`."""
        scaled = (numbers - self.median) / self.spread
        return scaled * torch.rsqrt(1 + (scaled / self.bound) ** 2)


@final
class PeriodicEmbeddings(nn.Module):
    """Sines and cosines of learned frequencies, a linear layer for each number, ReLU: `(B, N)` to `(B, N, D)`.

    Source: Gorishniy et al. 2022, section 3.3 ("PLR"). Frequencies beyond three standard deviations are not drawn.
    """

    def __init__(self, num_features: int, width: int, *, frequencies: int = 48, sigma: float = 0.1) -> None:
        """Draw frequencies from a normal distribution of spread `sigma`, and the layers."""
        super().__init__()
        self.frequencies = nn.Parameter(torch.empty(num_features, frequencies))
        nn.init.trunc_normal_(self.frequencies, 0.0, sigma, -3 * sigma, 3 * sigma)
        self.linear = LinearPerFeature(num_features, 2 * frequencies, width)

    def forward(self, numbers: Tensor) -> Tensor:
        """`(B, N)` to `(B, N, D)`."""
        angles = 2 * math.pi * self.frequencies * numbers[..., None]
        return torch.relu(self.linear(torch.cat([angles.cos(), angles.sin()], dim=-1)))

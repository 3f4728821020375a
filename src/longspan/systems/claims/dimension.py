"""How many dimensions a cloud of points has, from the distances between neighbours; and faces with known ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from longspan.errors import ConfigError
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FREEDOMS", "maximum_likelihood", "principal_components_for", "rendered_faces", "two_nn"]

_SIDE_PX = 28
_KEPT = 0.9
"""TwoNN: fraction of the ratios, the smallest, that the line is fitted through; the paper leaves a tenth out."""
FREEDOMS = 8
"""Most degrees of freedom of a rendered face."""


def two_nn(points: Tensor) -> float:
    """TwoNN: of `(N, D)` points the slope of -log(1 - F) over log(r2 / r1), through the origin.

    Source: Facco, d'Errico, Rodriguez, Laio 2017, "Estimating the intrinsic dimension of datasets by a minimal
    neighborhood information", Scientific Reports 7. Differs: points that have a copy are left out.
    """
    nearest = _neighbours(points, 2)
    nearest = nearest[nearest[:, 0] > 0]
    ratios = np.sort(np.log(nearest[:, 1] / nearest[:, 0]))
    fractions = np.arange(1, len(ratios) + 1) / len(ratios)
    kept = int(_KEPT * len(ratios))
    x, y = ratios[:kept], -np.log(1 - fractions[:kept])
    return float((x @ y) / (x @ x))


def maximum_likelihood(points: Tensor, neighbours: int = 10) -> float:
    """The likeliest dimension of `(N, D)` points from the distances to so many neighbours.

    Source: Levina and Bickel 2004, "Maximum likelihood estimation of intrinsic dimension", equation 8. Differs: the
    inverses are averaged over points, not the estimates (MacKay and Ghahramani 2005), and divided by k - 1.
    """
    nearest = _neighbours(points, neighbours)
    nearest = nearest[nearest[:, 0] > 0]
    logs = np.log(nearest[:, -1:] / nearest[:, :-1])
    return float(1 / logs.mean())


def principal_components_for(points: Tensor, kept: float = 0.95) -> int:
    """The number of principal components that hold this fraction of the variance of `(N, D)` points."""
    variances = torch.linalg.svdvals(points - points.mean(0)).square()
    shares = variances.cumsum(0) / variances.sum()
    return int((shares < kept).sum()) + 1


def _neighbours(points: Tensor, count: int) -> np.ndarray:
    """`(N, count)` float64: the distances from each point to its nearest others, ascending."""
    flat = points.flatten(1).double()
    if len(flat) <= count:
        raise ConfigError(f"A dimension is estimated from more than {count} points, got {len(flat)}.")
    found = []
    for part in torch.arange(len(flat)).split(500):
        squares = (flat[part].square().sum(1)[:, None] + flat.square().sum(1) - 2 * flat[part] @ flat.T).clamp(min=0)
        squares[torch.arange(len(part)), part] = torch.inf
        found.append(squares.topk(count, largest=False).values.sqrt())
    return torch.cat(found).numpy()


def rendered_faces(count: int, freedoms: int, seed: int) -> Tensor:
    """Made-up faces `(count, 1, 28, 28)` from 0 to 1 that differ in so many ways, each uniform and independent.

    In order: place to the right, place downwards, size, width of the mouth, distance of the eyes, light from the left,
    height of the mouth, size of the eyes. The others stay in the middle of their range.

    Raises:
        ConfigError: more than eight ways, or fewer than one.
    """
    if not 1 <= freedoms <= FREEDOMS:
        raise ConfigError(f"A rendered face has 1 to {FREEDOMS} degrees of freedom, got {freedoms}.")
    generator = torch.Generator().manual_seed(seed)
    ways = torch.full((count, FREEDOMS), 0.5)
    ways[:, :freedoms] = torch.rand(count, freedoms, generator=generator)
    right, down, size, mouth, eyes, light, chin, pupils = (2 * ways - 1).T[:, :, None, None]
    line = torch.linspace(-1, 1, _SIDE_PX)
    scale = 1 + 0.2 * size
    x = (line[None, None, :] - 0.15 * right) / scale
    y = (line[None, :, None] - 0.15 * down) / scale

    def blob(middle_x: Tensor | float, middle_y: Tensor | float, wide: Tensor | float, high: Tensor | float) -> Tensor:
        return torch.exp(-(((x - middle_x) / wide) ** 2) - ((y - middle_y) / high) ** 2)

    inside = torch.sigmoid(8 * (1 - (x / 0.65).square() - (y / 0.8).square()))
    skin = 0.6 + 0.25 * light * x
    apart = 0.28 + 0.08 * eyes
    dark = sum(blob(side * apart, -0.2, 0.12 + 0.04 * pupils, 0.1 + 0.03 * pupils) for side in (-1, 1))
    dark = dark + blob(0.0, 0.4 + 0.1 * chin, 0.25 + 0.1 * mouth, 0.09)
    return (inside * (skin - 0.5 * dark)).clamp(0, 1)[:, None]

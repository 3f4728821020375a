"""How many different images there are among some: by which a collapse of the generator is noticed."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Variety", "effective_number"]

_GRID = 8
_BANDWIDTH = 0.5


def effective_number(vectors: Tensor, bandwidth: float) -> float:
    """How many different ones there are among `(N, D)` vectors: 1 if all are equal, N if all are far apart.

    The exponential of the entropy of the eigenvalues of a Gaussian kernel, divided by N.

    Source: Friedman and Dieng 2022, "The Vendi score: a diversity evaluation metric for machine learning", definition
    3.1.

    Args:
        vectors: One per image.
        bandwidth: Distance at which two count as half different; in the units of the vectors.
    """
    kernel = torch.exp(-torch.cdist(vectors.double(), vectors.double()).square() / (2 * bandwidth**2))
    values = torch.linalg.eigvalsh(kernel / len(vectors)).clamp_min(1e-12)
    return float(torch.exp(-(values * values.log()).sum()))


@final
class Variety:
    """Compares how varied made images are with how varied real ones are; both are seen at 8 x 8 pixels.

    Coarse on purpose: noise of single pixels does not count as variety, and 256 images take milliseconds.
    """

    def __init__(self, real: Tensor) -> None:
        """Keep what the comparison needs of real images `(N, C, H, W)`; 100 to 300 will do."""
        vectors = _coarse(real)
        self.bandwidth = max(_BANDWIDTH * float(torch.pdist(vectors).median()), 1e-6)
        self.number = effective_number(vectors, self.bandwidth)

    def of(self, made: Tensor) -> float:
        """Effective number of made images `(N, C, H, W)` divided by that of as many real ones; 1 is as varied."""
        return effective_number(_coarse(made), self.bandwidth) / self.number


def _coarse(images: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(images.float(), _GRID).flatten(1)

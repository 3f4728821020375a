"""Mel-frequency cepstral coefficients, and how features change over time."""

# B rows, T frames, M mel bands, K coefficients

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from longspan.errors import ConfigError
from longspan.lazy_torch import functional as F
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["cepstrum", "deltas"]


def cepstrum(decibels: Tensor, coefficients: int) -> Tensor:
    """The first K coefficients `(B, K, T)` of the orthonormal cosine transform of a log-mel spectrogram `(B, M, T)`.

    With `mel_spectrogram` and `power_to_db` these are the MFCC of librosa.feature.mfcc.

    Source: Davis and Mermelstein 1980, "Comparison of parametric representations for monosyllabic word recognition".

    Raises:
        ConfigError: more coefficients than bands.
    """
    bands = decibels.shape[-2]
    if not 1 <= coefficients <= bands:
        raise ConfigError(f"There are 1 to {bands} cepstral coefficients of {bands} mel bands, got {coefficients}.")
    return _cosines(coefficients, bands).to(decibels.device, decibels.dtype) @ decibels


def deltas(features: Tensor, order: int = 1, width: int = 9) -> Tensor:
    """Local derivative over time, `(..., T)`: that of a polynomial of degree `order` through `width` frames.

    Frames near an end take the polynomial of the outermost whole window, as librosa.feature.delta does (mode="interp").
    In sequences shorter than `width` the window is the longest odd one that fits; a single frame does not change.

    Raises:
        ConfigError: `order` below 1, or a width that is even or not above it.
    """
    if order < 1 or width % 2 == 0 or width <= order:
        raise ConfigError(f"deltas need order >= 1 and an odd width above it, got {order} and {width}.")
    steps = features.shape[-1]
    width = min(width, steps - 1 + steps % 2)
    if width <= order:
        return torch.zeros_like(features)
    kernel = _derivative(order, width).to(features.device, features.dtype)
    inner = (features.unfold(-1, width, 1) * kernel).sum(-1)
    return F.pad(inner.flatten(0, -2)[None], (width // 2, width // 2), mode="replicate")[0].view(features.shape)


@functools.lru_cache(maxsize=16)
def _cosines(coefficients: int, bands: int) -> Tensor:
    """`(K, M)` rows of the orthonormal discrete cosine transform of type 2."""
    k = torch.arange(coefficients, dtype=torch.float64)[:, None]
    m = torch.arange(bands, dtype=torch.float64) + 0.5
    matrix = torch.cos(math.pi / bands * k * m) * math.sqrt(2 / bands)
    matrix[0] /= math.sqrt(2)
    return matrix.float()


@functools.lru_cache(maxsize=16)
def _derivative(order: int, width: int) -> Tensor:
    """Weights `(width,)` that give the derivative of degree `order` at the middle (Savitzky and Golay 1964)."""
    places = np.arange(width) - width // 2
    fit = np.linalg.pinv(np.vander(places, order + 1, increasing=True).astype(np.float64))
    return torch.from_numpy(fit[order] * math.factorial(order))

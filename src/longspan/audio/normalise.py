"""Features brought to mean 0 and spread 1: over an utterance, or over what was heard last."""

# B rows, T frames, K features

from __future__ import annotations

from typing import TYPE_CHECKING

from longspan.errors import ConfigError
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["normalise_running", "normalise_utterance"]

_SMALLEST_STD = 1e-3


def normalise_utterance(features: Tensor, lengths: Tensor) -> Tensor:
    """Each feature of each row with mean 0 and spread 1 over the row's frames; zeros after its end.

    A constant feature becomes 0. Frames of a row do not depend on the other rows.

    Args:
        features: `(B, T, K)` float.
        lengths: `(B,)` frames of each row.
    """
    there = _mask(features, lengths)
    count = lengths.clamp_min(1).to(features.dtype)[:, None, None]
    mean = (features * there).sum(dim=1, keepdim=True) / count
    centred = (features - mean) * there
    std = (centred.square().sum(dim=1, keepdim=True) / count).sqrt()
    return centred / std.clamp_min(_SMALLEST_STD)


def normalise_running(features: Tensor, lengths: Tensor, window: int = 300) -> Tensor:
    """Each feature minus its mean, by its spread, over the last `window` frames, the present one included.

    It looks at no later frame, so a stream is normalised as it comes in. The first frame becomes 0.

    Source: Kaldi's apply-cmvn-sliding with center=false and norm-vars=true. Differs: no minimum of 100 frames, so that
    a row does not depend on what comes later.

    Args:
        features: `(B, T, K)` float.
        lengths: `(B,)` frames of each row.
        window: Frames; 300 are 3 s at a hop of 10 ms.

    Raises:
        ConfigError: a window below 1.
    """
    if window < 1:
        raise ConfigError(f"The window of running normalisation must be at least 1 frame, got {window}.")
    wide = features.double()  # sums over thousands of frames, whose differences are taken
    count = torch.arange(1, features.shape[1] + 1, device=features.device).clamp_max(window)[:, None]
    mean = _last(wide, window) / count
    variance = (_last(wide.square(), window) / count - mean.square()).clamp_min(0)
    normalised = (wide - mean) / variance.sqrt().clamp_min(_SMALLEST_STD)
    return normalised.to(features.dtype) * _mask(features, lengths)


def _last(values: Tensor, window: int) -> Tensor:
    """Sums over the last `window` frames."""
    sums = values.cumsum(dim=1)
    return sums - torch.nn.functional.pad(sums, (0, 0, window, 0))[:, : values.shape[1]]


def _mask(features: Tensor, lengths: Tensor) -> Tensor:
    return (torch.arange(features.shape[1], device=features.device) < lengths[:, None])[:, :, None]

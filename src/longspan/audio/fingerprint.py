"""Fingerprints of recordings: alike for a recording and its copies, whatever their level, codec and silent ends."""

# B rows, N samples, D numbers of a fingerprint

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from longspan.audio.features import AudioFeatures

__all__ = ["fingerprints"]

_BANDS, _MOMENTS = 16, 48
_HIGHEST_HZ = 3800.0  # codecs and lower rates keep what lies below
_RANGE_DB = 45.0  # quieter parts are lost in a codec
_LOUD_DB = 30.0
_VARIED_DB = 2.0
_FEWEST_FRAMES = 8


def fingerprints(waves: Tensor, lengths: Tensor, rate_hz: int) -> Tensor:
    """`(B, D)` of mean 0 and length 1, whose products are correlations; 0 where a recording has nothing to compare.

    The level of each of 16 bands against its own mean, from the first loud moment to the last, at 48 moments. What is
    steady in a recording does not count, so that two recordings of rain are not alike.

    Args:
        waves: `(B, N)` float in -1..1.
        lengths: `(B,)` samples of each row.
        rate_hz: Samples a second.
    """
    features = AudioFeatures(mels=_BANDS, f_min_hz=100, f_max_hz=min(_HIGHEST_HZ, rate_hz / 2), range_db=_RANGE_DB)
    bands = features.compute(waves, lengths, rate_hz)[:, 0]
    counts = features.frame_counts(lengths, rate_hz)
    prints = [_of_one(row[:, :count]) for row, count in zip(bands, counts.tolist(), strict=True)]
    return torch.stack(prints) if prints else torch.empty(0, _BANDS * _MOMENTS)


def _of_one(bands: Tensor) -> Tensor:
    nothing = torch.zeros(_BANDS * _MOMENTS)
    levels = bands.amax(dim=0)
    loud = (levels > levels.max() - _LOUD_DB).nonzero()[:, 0] if bands.shape[1] else levels.long()
    if len(loud) < _FEWEST_FRAMES:
        return nothing
    bands = bands[:, int(loud[0]) : int(loud[-1]) + 1]
    moments = F.adaptive_avg_pool1d(bands[None], _MOMENTS)[0] if bands.shape[1] >= _MOMENTS else _stretched(bands)
    varied = moments - moments.mean(dim=1, keepdim=True)
    if varied.std() < _VARIED_DB:
        return nothing
    return (varied / varied.norm()).flatten()


def _stretched(bands: Tensor) -> Tensor:
    return F.interpolate(bands[None], _MOMENTS, mode="linear", align_corners=False)[0]

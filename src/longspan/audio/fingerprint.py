"""Fingerprints of recordings: alike for a recording and its copies, whatever their level, codec and silent ends."""

# B rows, N samples, D numbers of a fingerprint

from __future__ import annotations

from typing import TYPE_CHECKING

from longspan.audio.features import AudioFeatures
from longspan.lazy_torch import functional as F
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["fingerprints"]

_BANDS, _MOMENTS, _POOLED = 16, 48, 2
_HIGHEST_HZ = 3800.0  # codecs and lower rates keep what lies below
_RANGE_DB = 45.0  # quieter parts are lost in a codec
_VARIED_DB = 2.0
_FEWEST_FRAMES = 8


def fingerprints(waves: Tensor, lengths: Tensor, rate_hz: int) -> Tensor:
    """`(B, D)` of mean 0 and length 1, whose products are correlations; 0 where a recording has nothing to compare.

    The level of each of 16 bands against its own mean, at 48 moments of 20 ms around the centre of the recording's
    energy, which silence at the ends does not move. What is steady does not count, so that two recordings of rain are
    not alike.

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
    if bands.shape[1] < _FEWEST_FRAMES:
        return nothing
    power = (10 ** (bands / 10)).sum(dim=0).double()
    centre = round(float((power * torch.arange(len(power))).sum() / power.sum()))
    half = _MOMENTS * _POOLED // 2
    floor = float(bands.max()) - _RANGE_DB
    framed = F.pad(bands, (half, half), value=floor)[:, centre : centre + 2 * half]
    moments = F.avg_pool1d(framed[None], _POOLED)[0]
    varied = moments - moments.mean(dim=1, keepdim=True)
    if varied.std() < _VARIED_DB:
        return nothing
    return (varied / varied.norm()).flatten()

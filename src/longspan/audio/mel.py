"""Mel spectrograms: power on a scale of frequencies as people hear them, in decibels."""

# B rows, N samples, T frames, F frequencies, M mel bands

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from longspan.audio.framing import power_spectrum
from longspan.errors import ConfigError
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["mel_edges", "mel_filters", "mel_spectrogram", "power_to_db"]

_BREAK_HZ, _HZ_PER_MEL = 1000.0, 200.0 / 3  # Slaney's scale: linear below, logarithmic above
_LOG_STEP = math.log(6.4) / 27


@functools.lru_cache(maxsize=32)
def mel_filters(rate_hz: int, n_fft: int, mels: int, f_min_hz: float = 0.0, f_max_hz: float | None = None) -> Tensor:
    """Triangular filters `(M, F)` float32 of equal area on Slaney's mel scale; as librosa.filters.mel.

    Source: Slaney 1998, "Auditory toolbox", version 2.

    Args:
        rate_hz: Samples a second.
        n_fft: Samples of a frame.
        mels: M, how many filters.
        f_min_hz: Lower edge of the first.
        f_max_hz: Upper edge of the last; None: half the rate.

    Raises:
        ConfigError: frequencies that cannot be, or more filters than the frequencies can tell apart.
    """
    highest = rate_hz / 2 if f_max_hz is None else f_max_hz
    if not 0 <= f_min_hz < highest <= rate_hz / 2 or mels < 1:
        raise ConfigError(
            f"Mel filters need 0 <= f_min_hz < f_max_hz <= {rate_hz / 2:g} (half the rate) and at least one band, got "
            f"{f_min_hz:g}, {highest:g} and {mels}."
        )
    edges = mel_edges(mels, f_min_hz, highest)
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * rate_hz / n_fft
    widths = edges.diff()
    ramps = edges[:, None] - bins
    rising, falling = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    filters = torch.minimum(rising, falling).clamp_min(0) * (2 / (edges[2:] - edges[:-2]))[:, None]
    if not bool((filters.amax(dim=1) > 0).all()):
        raise ConfigError(
            f"{mels} mel bands are more than frames of {n_fft} samples can resolve; take fewer bands (mels=) or a "
            "longer window (window_ms=)."
        )
    return filters.float()


def mel_edges(mels: int, f_min_hz: float, f_max_hz: float) -> Tensor:
    """In Hz, `(M + 2,)`: filter m rises from edge m on, is highest at m + 1, and ends at m + 2."""
    return _to_hz(torch.linspace(_to_mel(f_min_hz), _to_mel(f_max_hz), mels + 2, dtype=torch.float64))


def mel_spectrogram(
    waves: Tensor,
    rate_hz: int,
    *,
    n_fft: int,
    hop: int,
    window: int | None = None,
    mels: int = 64,
    f_min_hz: float = 0.0,
    f_max_hz: float | None = None,
    centred: bool = True,
) -> Tensor:
    """Power in mel bands, `(B, M, T)`, of waveforms `(B, N)` float in -1..1; as librosa.feature.melspectrogram.

    Arguments as for `stft` and `mel_filters`.
    """
    power = power_spectrum(waves, n_fft, hop, window, centred=centred)
    filters = mel_filters(rate_hz, n_fft, mels, f_min_hz, f_max_hz).to(power.device, power.dtype)
    return filters @ power


def power_to_db(power: Tensor, *, floor: float = 1e-10, range_db: float | None = 80.0) -> Tensor:
    """Decibels of powers `(B, M, T)`; as librosa.power_to_db.

    Args:
        power: Not below 0.
        floor: Smaller powers count as this.
        range_db: What lies further below the loudest value of its row is raised to that; None: nothing is.
    """
    decibels = 10 * power.clamp_min(floor).log10()
    if range_db is None:
        return decibels
    return torch.maximum(decibels, decibels.amax(dim=(-2, -1), keepdim=True) - range_db)


def _to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _HZ_PER_MEL
    return _BREAK_HZ / _HZ_PER_MEL + math.log(hz / _BREAK_HZ) / _LOG_STEP


def _to_hz(mel: Tensor) -> Tensor:
    above = _BREAK_HZ * torch.exp(_LOG_STEP * (mel - _BREAK_HZ / _HZ_PER_MEL))
    return torch.where(mel < _BREAK_HZ / _HZ_PER_MEL, mel * _HZ_PER_MEL, above)

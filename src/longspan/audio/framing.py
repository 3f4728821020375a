"""Frames of a waveform and their short-time Fourier transform, as torch functions."""

# B rows, N samples, T frames, F frequencies

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from longspan.errors import ConfigError
from longspan.lazy_torch import functional as F
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["frame", "frame_count", "frame_counts", "power_spectrum", "stft"]


def frame_count(num_samples: int, n_fft: int, hop: int, *, centred: bool) -> int:
    """Frames of a waveform of `num_samples`: one every `hop` samples, that the waveform fills or, centred, meets."""
    return 1 + num_samples // hop if centred else max(0, 1 + (num_samples - n_fft) // hop)


def frame_counts(num_samples: Tensor, n_fft: int, hop: int, *, centred: bool) -> Tensor:
    """The same for `(B,)` numbers of samples."""
    if centred:
        return 1 + num_samples // hop
    return (1 + torch.div(num_samples - n_fft, hop, rounding_mode="floor")).clamp_min(0)


def frame(waves: Tensor, length: int, hop: int) -> Tensor:
    """Overlapping frames: `(..., N)` to `(..., T, length)`, a view of the same memory; as librosa.util.frame."""
    return waves.unfold(-1, length, hop)


def stft(waves: Tensor, n_fft: int, hop: int, window: int | None = None, *, centred: bool = True) -> Tensor:
    """Short-time Fourier transform `(B, F, T)` complex of `(B, N)` float, F = n_fft / 2 + 1; as librosa.stft.

    Args:
        waves: The waveforms.
        n_fft: Samples of a frame.
        hop: Samples from one frame to the next.
        window: Samples of the periodic Hann window in the middle of a frame; None: all of it.
        centred: Frame t lies around sample t * hop, with zeros beyond the ends; else it begins there.

    Raises:
        ConfigError: lengths that cannot be.
    """
    size = n_fft if window is None else window
    if not 1 <= size <= n_fft or hop < 1:
        raise ConfigError(f"stft needs 1 <= window <= n_fft and hop >= 1, got {size}, {n_fft} and {hop}.")
    if centred:
        waves = F.pad(waves, (n_fft // 2, n_fft // 2))
    frames = frame(waves, n_fft, hop) * _hann(size, n_fft, waves.dtype, waves.device)
    return torch.fft.rfft(frames, dim=-1).transpose(-1, -2)


def power_spectrum(waves: Tensor, n_fft: int, hop: int, window: int | None = None, *, centred: bool = True) -> Tensor:
    """Squared magnitudes of `stft`, `(B, F, T)`."""
    spectrum = stft(waves, n_fft, hop, window, centred=centred)
    return spectrum.real.square() + spectrum.imag.square()


@functools.lru_cache(maxsize=32)
def _hann(size: int, n_fft: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Periodic Hann window of `size` in the middle of `n_fft`, zeros around it."""
    window = torch.hann_window(size, periodic=True, dtype=torch.float64)
    left = (n_fft - size) // 2
    return F.pad(window, (left, n_fft - size - left)).to(device, dtype)

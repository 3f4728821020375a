"""A recording to look at and to hear: its waveform above its mel spectrogram, and a WAV file in memory."""

from __future__ import annotations

import io
import wave

import numpy as np

from longspan.audio.features import AudioFeatures
from longspan.lazy_torch import torch

__all__ = ["draw_audio", "wav_bytes"]

_INK, _PAPER = (0, 90, 156), (255, 255, 255)
_LOW, _HIGH = np.array([12, 7, 60]), np.array([252, 230, 110])
_MOST_SECONDS = 30


def draw_audio(samples: np.ndarray, rate_hz: int, *, width_px: int = 240, height_px: int = 96) -> np.ndarray:
    """The waveform above its log-mel spectrogram, low frequencies at the bottom: `(height_px, width_px, 3)` uint8.

    Of recordings longer than 30 s the first 30 s.

    Args:
        samples: `(num_samples,)` int16.
        rate_hz: Samples a second.
        width_px: Width of the image.
        height_px: Height; a third for the waveform.
    """
    samples = samples[: _MOST_SECONDS * rate_hz]
    image = np.full((height_px, width_px, 3), _PAPER, np.uint8)
    top = height_px // 3
    edges = np.linspace(0, len(samples), width_px + 1).astype(int)
    for x, (start, end) in enumerate(zip(edges, np.maximum(edges[1:], edges[:-1] + 1), strict=False)):
        part = samples[start:end].astype(np.float64) / 32768
        low, high = (part.min(), part.max()) if len(part) else (0.0, 0.0)
        first, last = (round((1 - level) / 2 * (top - 1)) for level in (high, low))
        image[first : last + 1, x] = _INK
    features = AudioFeatures(mels=32, f_min_hz=0)
    waves = torch.from_numpy(samples.astype(np.float32) / 32768)[None]
    bands = features.compute(waves, torch.tensor([len(samples)]), rate_hz)[0, 0].numpy()
    bands = (bands - bands.min()) / max(1e-6, float(np.ptp(bands)))
    rows = (np.arange(height_px - top)[::-1] * bands.shape[0] // (height_px - top)).astype(int)
    columns = np.arange(width_px) * bands.shape[1] // width_px
    level = bands[rows][:, columns, None]
    image[top:] = (_LOW + (_HIGH - _LOW) * level).astype(np.uint8)
    return image


def wav_bytes(samples: np.ndarray, rate_hz: int) -> bytes:
    """A WAV file with samples `(num_samples,)` int16."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()

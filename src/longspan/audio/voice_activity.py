"""Where somebody speaks, by the energy alone, and long recordings cut at pauses."""

from __future__ import annotations

import numpy as np

from longspan.errors import ConfigError

__all__ = ["cut_at_pauses", "find_speech"]

_FRAME_S = 0.01
_SMOOTH_FRAMES = 5
_FLOOR_PERCENTILE = 10
_SILENCE_DBFS = -60.0


def find_speech(
    samples: np.ndarray,
    rate_hz: int,
    *,
    above_noise_db: float = 9.0,
    below_peak_db: float = 35.0,
    shortest_s: float = 0.1,
    pause_s: float = 0.3,
    margin_s: float = 0.1,
) -> list[tuple[float, float]]:
    """Parts of a recording that are louder than its background: (start, end) in seconds, in order.

    A frame of 10 ms counts as speech if it is `above_noise_db` above the background (the 10th percentile of the
    levels) and within `below_peak_db` of the loudest. It finds speech in quiet places; steady noise as loud as the
    voice is beyond it.

    Args:
        samples: `(num_samples,)` int16.
        rate_hz: Samples a second.
        above_noise_db: Least level above the background, where the level varies that much at all.
        below_peak_db: Most distance from the loudest frame.
        shortest_s: Shorter parts are dropped.
        pause_s: Parts with a shorter pause between them are joined.
        margin_s: Added at both ends, for quiet consonants.
    """
    levels = _levels(samples, rate_hz)
    if not len(levels) or levels.max() < _SILENCE_DBFS:
        return []
    peak, floor = levels.max(), np.percentile(levels, _FLOOR_PERCENTILE)
    # A recording without a pause has no background to compare with.
    threshold = max(peak - below_peak_db, min(floor + above_noise_db, peak - above_noise_db))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (levels > threshold).astype(np.int8), [0]])))
    parts = [(start * _FRAME_S, end * _FRAME_S) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    parts = [(start, end) for start, end in _joined(parts, pause_s) if end - start >= shortest_s]
    seconds = len(samples) / rate_hz
    widened = [(max(0.0, start - margin_s), min(seconds, end + margin_s)) for start, end in parts]
    return [(round(start, 4), round(end, 4)) for start, end in _joined(widened, 0.0)]


def cut_at_pauses(samples: np.ndarray, rate_hz: int, *, longest_s: float = 15.0) -> list[tuple[float, float]]:
    """Parts with speech of at most `longest_s` each: (start, end) in seconds.

    Speech that is longer without a pause is cut at its quietest frame in the second half of the time allowed.

    Raises:
        ConfigError: `longest_s` below a second.
    """
    if longest_s < 1:
        raise ConfigError(f"longest_s must be at least 1 second, got {longest_s!r}.")
    parts: list[tuple[float, float]] = []
    for start, end in find_speech(samples, rate_hz):
        if parts and end - parts[-1][0] <= longest_s and start - parts[-1][1] < 1.0:
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((start, end))
    levels = _levels(samples, rate_hz)
    cut: list[tuple[float, float]] = []
    for start, end in parts:
        while end - start > longest_s:
            first, last = (round((start + longest_s * part) / _FRAME_S) for part in (0.5, 1.0))
            middle = (first + int(np.argmin(levels[first:last]))) * _FRAME_S
            cut.append((start, round(middle, 4)))
            start = round(middle, 4)
        cut.append((start, end))
    return cut


def _levels(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """Level of each frame in dBFS, smoothed over 50 ms."""
    hop = max(1, round(rate_hz * _FRAME_S))
    count = len(samples) // hop
    frames = samples[: count * hop].reshape(count, hop).astype(np.float64) / 32768
    power = np.square(frames).mean(axis=1) if count else np.empty(0)
    if count >= _SMOOTH_FRAMES:
        power = np.convolve(np.pad(power, _SMOOTH_FRAMES // 2, mode="edge"), np.full(_SMOOTH_FRAMES, 0.2), "valid")
    return 10 * np.log10(np.maximum(power, 1e-10))


def _joined(parts: list[tuple[float, float]], pause_s: float) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in parts:
        if joined and start - joined[-1][1] <= pause_s:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined

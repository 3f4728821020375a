"""Cuts a recording of a spoken number into digits: by its loudness, long parts where they are quietest."""

from __future__ import annotations

import numpy as np

from longspan.audio import find_speech
from longspan.audio.audio_io import resample, to_int16

__all__ = ["RATE_HZ", "cut_out_at_16_khz", "cut_out_digit", "find_spoken_digits"]

RATE_HZ = 8000
"""Of the recordings, which are telephone quality."""

_EXPECTED_S = 0.42  # an average digit
_LENGTH_SPREAD = 0.35  # of the logarithm of its length
_LEAST_S = 0.15
_FRAME_S = 0.01
_CUT_COST = 1.0
_LOUD_COST = 0.25  # per decibel that a cut lies above the quietest frame of the part
_MARGIN_S = 0.04


def find_spoken_digits(samples: np.ndarray) -> list[list[float]]:
    """Spans `[start, end]` in seconds of the digits in a recording, in order.

    Parts that are louder than the background are cut at the frames of least cost: the loudness at the cuts, and the
    deviation of the pieces from the length of an average digit.

    Args:
        samples: `(num_samples,)` int16 at 8,000 Hz.
    """
    spans: list[list[float]] = []
    parts = find_speech(
        samples, RATE_HZ, above_noise_db=6.0, below_peak_db=30.0, shortest_s=0.08, pause_s=0.03, margin_s=0.0
    )
    for start, end in _with_short_neighbours(parts):
        first, last = round(start * RATE_HZ), round(end * RATE_HZ)
        levels = _levels(samples[first:last])
        for left, right in _cut(levels):
            spans.append(
                [round(float(each), 4) for each in (start + left * _FRAME_S, min(end, start + right * _FRAME_S))]
            )
    return spans


def cut_out_digit(samples: np.ndarray, span: list[float]) -> np.ndarray:
    """The samples of a span and a little around it; at least 0.1 s."""
    start, end = span
    first = max(0, round((start - _MARGIN_S) * RATE_HZ))
    last = min(len(samples), max(round((end + _MARGIN_S) * RATE_HZ), first + RATE_HZ // 10))
    return samples[min(first, max(0, len(samples) - RATE_HZ // 10)) : last]


def cut_out_at_16_khz(samples: np.ndarray, span: list[float]) -> np.ndarray:
    """The same at 16,000 Hz, the rate of the speech embedding."""
    cut = cut_out_digit(samples, span)
    return to_int16(resample(cut.astype(np.float32) / 32768, RATE_HZ, 2 * RATE_HZ))


def _with_short_neighbours(parts: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A part too short for a digit, such as the t of "eight", belongs to the nearer of its neighbours if that is close.

    The gap inside a word is a closed mouth of at most 0.12 s.
    """
    joined: list[tuple[float, float]] = []
    for start, end in parts:
        if joined:
            before = joined[-1]
            short = end - start < _LEAST_S or before[1] - before[0] < _LEAST_S
            if short and start - before[1] < 0.12 and end - before[0] < 2 * _EXPECTED_S:
                joined[-1] = (before[0], end)
                continue
        joined.append((start, end))
    return joined


def _levels(samples: np.ndarray) -> np.ndarray:
    """Level of each frame of 10 ms in decibels, smoothed over three."""
    hop = round(_FRAME_S * RATE_HZ)
    count = max(1, len(samples) // hop)
    frames = np.resize(samples, count * hop).reshape(count, hop).astype(np.float64)
    power = np.convolve(np.pad(np.square(frames).mean(axis=1), 1, mode="edge"), np.full(3, 1 / 3), "valid")
    return 10 * np.log10(np.maximum(power, 1e-3))


def _cut(levels: np.ndarray) -> list[tuple[int, int]]:
    """The cheapest pieces, as first frame and the one after the last, by dynamic programming over the last cut."""
    frames = len(levels)
    expected, least = _EXPECTED_S / _FRAME_S, round(_LEAST_S / _FRAME_S)
    piece_cost = (np.log(np.arange(1, frames + 1) / expected) / _LENGTH_SPREAD) ** 2
    if frames < 2 * least or piece_cost[-1] <= _CUT_COST:  # no cut can lower the cost
        return [(0, frames)]
    cut_cost = _CUT_COST + _LOUD_COST * (levels - levels[least:-least].min()).clip(0)
    best, came_from = np.full(frames + 1, np.inf), np.zeros(frames + 1, int)
    best[0] = 0.0
    for end in range(least, frames + 1):
        starts = np.arange(0, end - least + 1)
        costs = best[starts] + piece_cost[end - starts - 1]
        came_from[end] = int(costs.argmin())
        best[end] = costs.min() + (cut_cost[end] if end < frames else 0.0)
    pieces, end = [], frames
    while end > 0:
        pieces.append((int(came_from[end]), end))
        end = int(came_from[end])
    return pieces[::-1]

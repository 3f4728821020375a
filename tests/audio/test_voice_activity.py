"""Speech found by its energy, and recordings cut at pauses."""

import itertools

import numpy as np
import pytest

from longspan.audio import cut_at_pauses, find_speech
from longspan.errors import ConfigError

RATE = 8000


def recording(*parts, noise=0.001):
    """Seconds of sound (positive) and of silence (negative), over faint noise."""
    generator = np.random.default_rng(0)
    loud = np.concatenate([np.full(round(abs(s) * RATE), 0.2 if s > 0 else 0.0) for s in parts])
    return np.round((generator.normal(size=len(loud)) * (loud + noise)).clip(-1, 1) * 32767).astype(np.int16)


def test_words_are_found_where_they_are():
    found = find_speech(recording(-1, 0.5, -1, 0.8, -0.5), RATE)
    assert len(found) == 2
    for (start, end), wanted in zip(found, [(1, 1.5), (2.5, 3.3)], strict=True):
        assert start == pytest.approx(wanted[0] - 0.1, abs=0.05)
        assert end == pytest.approx(wanted[1] + 0.1, abs=0.05)


def test_short_pauses_are_bridged_and_clicks_dropped():
    assert len(find_speech(recording(-1, 0.4, -0.15, 0.4, -1), RATE)) == 1
    assert find_speech(recording(-1, 0.02, -1), RATE) == []


def test_silence_and_nothing_hold_no_speech_and_sound_without_a_pause_is_all_speech():
    assert find_speech(np.zeros(RATE, np.int16), RATE) == []
    assert find_speech(np.zeros(3, np.int16), RATE) == []
    ((start, end),) = find_speech(recording(2), RATE)
    assert (start, end) == (0, 2)


def test_long_recordings_are_cut_at_pauses():
    samples = recording(-0.5, *[4, -0.6] * 6)
    parts = cut_at_pauses(samples, RATE, longest_s=10)
    assert all(end - start <= 10 for start, end in parts)
    assert len(parts) == 3
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(parts))
    covered = sum(end - start for start, end in parts)
    assert covered == pytest.approx(24 + 6 * 0.2 + 3 * 0.4, abs=1.0)


def test_speech_without_a_pause_is_cut_at_its_quietest_moment():
    samples = recording(14)
    samples[round(7.5 * RATE) : round(7.6 * RATE)] //= 50
    parts = cut_at_pauses(samples, RATE, longest_s=10)
    assert len(parts) == 2
    assert parts[0][1] == parts[1][0] == pytest.approx(7.55, abs=0.06)
    with pytest.raises(ConfigError, match="at least 1 second"):
        cut_at_pauses(samples, RATE, longest_s=0)

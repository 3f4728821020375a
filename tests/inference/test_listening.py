from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from longspan.audio import AudioFeatures
from longspan.columns import Audio, Category
from longspan.errors import ConfigError, UnknownNameError
from longspan.heads import head_for
from longspan.inference.listening import Call, Listener, calls_of, smoothed

RATE_HZ = 1000


class Loudness:
    """Says "on" as loudly as the window is, for recordings of half a second."""

    inputs = {"sound": Audio(rate_hz=RATE_HZ, seconds=0.5, features=AudioFeatures(mels=8))}  # noqa: RUF012
    heads = {"word": head_for(Category(vocab=("off", "on", "_silence_")))}  # noqa: RUF012

    def __init__(self):
        self.seen = 0

    def predict(self, windows):
        self.seen += len(windows)
        assert all(len(each) == 500 for each in windows)
        found = [float(np.abs(each).max() / 32768) for each in windows]
        return [SimpleNamespace(probabilities={"off": 0.0, "on": p, "_silence_": 1 - p}) for p in found]


def loudness() -> Any:
    return Loudness()


def stream():
    samples = np.zeros(6000, np.int16)
    samples[1000:1300] = 31_000
    samples[1700:1800] = 31_000  # within a second: the same call
    samples[4000:4300] = 32_000
    return samples


@pytest.mark.parametrize("block", [37, 100, 999, 6000])
def test_each_call_is_said_once_whatever_the_blocks(block):
    model = loudness()
    listener = Listener(model, threshold=0.9, step_s=0.1, smooth=1)
    calls = [call for first in range(0, 6000, block) for call in listener.hear(stream()[first : first + block])]
    assert [(call.time_s, call.word) for call in calls] == [(1.1, "on"), (4.1, "on")]
    assert calls[1].probability == pytest.approx(32_000 / 32768)
    assert model.seen == 56  # one window each 0.1 s, from 0.5 s on
    assert len(listener._samples) < 500


@pytest.mark.parametrize("block", [37, 999, 6000])
def test_a_word_in_a_single_window_is_no_call(block):
    samples = np.zeros(6000, np.int16)
    samples[1000:1020] = 32_000
    samples[4000:4300] = 31_000

    def calls(step_s):
        listener = Listener(loudness(), threshold=0.9, step_s=step_s)
        return [call for first in range(0, 6000, block) for call in listener.hear(samples[first : first + block])]

    # The third window that holds it is the first whose mean passes. 0.4 s apart, two windows at most hold it.
    assert [call.time_s for call in calls(0.1)] == [1.3, 4.3]
    assert calls(0.1)[1].probability == pytest.approx(31_000 / 32768)
    assert calls(0.4) == []


def test_probabilities_are_means_over_windows_of_which_the_first_lack_some():
    heard = smoothed([{"a": 0.9, "b": 0.3}, {"a": 0.6, "b": 0.0}, {"a": 0.3, "b": 0.0}, {"a": 0.0, "b": 0.3}], 3)
    assert [each["a"] for each in heard] == pytest.approx([0.3, 0.5, 0.6, 0.3])
    assert [each["b"] for each in heard] == pytest.approx([0.1, 0.1, 0.1, 0.1])


def test_only_the_words_asked_for_are_said():
    assert Listener(loudness(), ["off"], threshold=0.9).hear(stream()) == []
    assert Listener(loudness()).words == ("off", "on")
    with pytest.raises(UnknownNameError, match="Did you mean 'on'"):
        Listener(loudness(), ["onn"])


def test_runs_of_windows_less_than_a_second_apart_are_one_call():
    heard = [{"a": p, "b": q} for p, q in ((0.95, 0), (0.2, 0), (0.96, 0), (0, 0.99), (0, 0), (0.97, 0))]
    calls = calls_of(heard, ("a", "b"), 0.9, times_s=[0, 0.5, 0.9, 1.2, 1.5, 2.5])
    assert calls == [Call(0, "a", 0.95), Call(1.2, "b", 0.99), Call(2.5, "a", 0.97)]


def test_models_and_options_that_cannot_be():
    texts: Any = SimpleNamespace(inputs={"sound": Audio(rate_hz=8000, layout="sequence")}, heads=Loudness.heads)
    with pytest.raises(ConfigError, match="can listen"):
        Listener(texts)
    with pytest.raises(ConfigError, match="threshold must lie between 0 and 1, got 1"):
        Listener(loudness(), threshold=1.5)
    with pytest.raises(ConfigError, match="smooth must be at least 1 window"):
        Listener(loudness(), smooth=0)

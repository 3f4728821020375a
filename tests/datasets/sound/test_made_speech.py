import builtins
import subprocess
import sys

import numpy as np
import pytest

from longspan.datasets import make_speech
from longspan.datasets.sound.espeak import find_library
from longspan.errors import ConfigError, DataError, DependencyError


@pytest.fixture(scope="module")
def _espeak():
    try:
        find_library()
    except DependencyError:
        pytest.skip("eSpeak NG is not installed")


@pytest.mark.usefixtures("_espeak")
def test_texts_are_spoken_with_phonemes_and_times():
    table = make_speech(["seven", "SEVEN HILLS"], ["en-us"], snr_db=None)
    short, long = table
    assert [name.strip("ˈˌ") for name in short["phonemes"]] == ["s", "ɛ", "v", "ə", "n"]
    seconds = len(short["audio"]) / 16_000
    assert 0.2 < seconds < 1.5
    assert len(long["audio"]) > 1.3 * len(short["audio"])
    times = [time for start, end in short["spans"] for time in (start, end)]
    assert times == sorted(times)
    assert times[-1] <= seconds + 0.01
    # The vowel is louder than what comes before it.
    (first, _), (start, end) = short["spans"][:2]
    level = [np.square(short["audio"][round(a * 16_000) : round(b * 16_000)].astype(float)).mean()
             for a, b in ((first, start), (start, end))]  # fmt: skip
    assert level[1] > 4 * level[0]


@pytest.mark.usefixtures("_espeak")
def test_it_is_marked_and_repeatable():
    one, other = (make_speech(["hello there", "good day"] * 3, seed=3) for _ in range(2))
    assert set(one["made_up"]) == {"eSpeak NG"}
    for a, b in zip(one, other, strict=True):
        assert (a["voice"], a["phonemes"], a["spans"]) == (b["voice"], b["phonemes"], b["spans"])
        assert len(a["audio"]) == len(b["audio"])
    assert len(set(one["voice"])) > 2
    assert list(make_speech(["hello there", "good day"] * 3, seed=4)["voice"]) != list(one["voice"])


@pytest.mark.usefixtures("_espeak")
def test_what_cannot_be_spoken():
    with pytest.raises(DataError, match="2 texts have no letter or digit to speak: texts 1, 2"):
        make_speech(["yes", "", "?!"])
    with pytest.raises(ConfigError, match="no voice 'xx-nobody'"):
        make_speech(["yes"], ["xx-nobody"])
    with pytest.raises(ConfigError, match="two rising numbers"):
        make_speech(["yes"], pitch=(70, 30))
    with pytest.raises(ConfigError, match="at least one voice"):
        make_speech(["yes"], [])


def test_unknown_voices_leave_nothing_running_that_ends_the_process():
    program = """
from longspan.datasets.sound.espeak import speak
from longspan.errors import ConfigError
for _ in range(10):
    try:
        speak("yes", "xx-nobody")
    except ConfigError:
        pass
print(len(speak("yes", "en-us").samples) > 1000)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_without_the_synthesiser_the_install_line_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **options):
        if name == "espeakng_loader":
            raise ImportError
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    find_library.cache_clear()
    with pytest.raises(DependencyError, match=r"longspan\[speech\]"):
        make_speech(["yes"])
    find_library.cache_clear()

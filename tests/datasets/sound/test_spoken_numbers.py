import numpy as np
import pytest

import longspan as ls
from longspan.datasets import SpokenNumbersConfig, make_spoken_numbers
from longspan.errors import ConfigError, DataError

RATE_HZ = 8000
PITCH = {"ann": 300, "bob": 1200}


@pytest.fixture(scope="module")
def digits():
    """Tones: the voice is the pitch, the digit the length."""
    cells = {"audio": [], "digit": [], "speaker": []}
    for speaker, pitch in PITCH.items():
        for digit in range(4):
            times = np.arange(800 + 400 * digit) / RATE_HZ
            cells["audio"].append((0.1 * np.sin(2 * np.pi * pitch * times)).astype(np.float32))
            cells["digit"].append(str(digit))
            cells["speaker"].append(speaker)
    return ls.Table.from_arrays(
        cells, {"audio": ls.Audio(rate_hz=RATE_HZ), "digit": ls.Category(), "speaker": ls.Category()}
    )


def test_spans_and_digits_are_those_of_the_number(digits):
    table = make_spoken_numbers(digits, 20, seed=1, config=SpokenNumbersConfig(snr_db=(40, 40)))
    for row in table:
        assert row["number"] == "".join(row["digits"])
        assert 3 <= len(row["digits"]) <= 6
        power = np.square(row["audio"].astype(float))
        for (start, end), digit in zip(row["spans"], row["digits"], strict=True):
            assert (end - start) * RATE_HZ == pytest.approx(800 + 400 * int(digit), abs=2)
            inside = power[round(start * RATE_HZ) : round(end * RATE_HZ)].mean()
            assert inside > 100 * power[:600].mean()  # the beginning is silent


def test_a_number_has_one_voice(digits):
    table = make_spoken_numbers(digits, 20, config=SpokenNumbersConfig(snr_db=(40, 40)))
    for row in table:
        spectrum = np.abs(np.fft.rfft(row["audio"].astype(float)))
        pitch = spectrum.argmax() * RATE_HZ / len(row["audio"])
        assert pitch == pytest.approx(PITCH[row["speaker"]], abs=20)
    assert set(table["speaker"]) == set(PITCH)


def test_noise_has_the_stated_distance(digits):
    quiet = make_spoken_numbers(digits, 8, config=SpokenNumbersConfig(snr_db=(60, 60), gain_db=0))
    loud = make_spoken_numbers(digits, 8, config=SpokenNumbersConfig(snr_db=(10, 10), gain_db=0))
    assert quiet["number"] == loud["number"]
    for one, other in zip(quiet, loud, strict=True):
        first, last = (round(edge * RATE_HZ) for edge in one["spans"][0])
        before = slice(0, first)
        levels = [
            np.square(row["audio"][before].astype(float)).mean()
            / np.square(row["audio"][first:last].astype(float)).mean()
            for row in (one, other)
        ]
        assert 10 * np.log10(levels[1]) == pytest.approx(-10, abs=3)
        assert levels[0] < levels[1] / 1000


def test_a_longer_table_begins_with_the_shorter_one(digits):
    one, other = make_spoken_numbers(digits, 4, seed=3), make_spoken_numbers(digits, 6, seed=3)
    assert one["number"] == other["number"][:4]
    assert np.array_equal(one[3]["audio"], other[3]["audio"])
    assert make_spoken_numbers(digits, 4, seed=4)["number"] != one["number"]


def test_what_cannot_be():
    with pytest.raises(ConfigError, match=r"pause_s must be two rising numbers of at least 0, got \(0.5, 0.1\)"):
        SpokenNumbersConfig(pause_s=(0.5, 0.1))
    with pytest.raises(ConfigError, match="rate_hz"):
        SpokenNumbersConfig(rate_hz=8)
    missing = ls.Table.from_arrays(
        {"audio": ["gone.wav"], "digit": ["1"], "speaker": ["ann"]},
        {"audio": ls.Audio(), "digit": ls.Category(), "speaker": ls.Category()},
    )
    with pytest.raises(DataError, match=r"Row 0, column 'audio', .*gone.wav: there is no such file"):
        make_spoken_numbers(missing, 2)
    with pytest.raises(DataError, match="No recordings of digits"):
        make_spoken_numbers(missing.take([]), 2)

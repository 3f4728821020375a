"""Commands in read speech: what is learned from it, and false acceptances of each command as a wake word."""

import numpy as np
import pytest

import longspan as ls
from longspan.portable.prediction import Prediction, TargetPrediction
from longspan.systems import SystemRun, keywords

soundfile = pytest.importorskip("soundfile")

RATE_HZ = 8000


@pytest.fixture
def speech(tmp_path, monkeypatch):
    """Read speech of two speakers: samples rise along a recording, so that their mean says where a window is."""
    cells = {"audio": [], "speaker": [], "part": []}
    for name, part, seconds in (("ann", "train", 3.0), ("ann", "train", 0.5), ("bob", "test", 4.0)):
        path = tmp_path / f"{len(cells['audio'])}.wav"
        soundfile.write(path, np.linspace(0, 0.5, round(seconds * RATE_HZ)).astype(np.float32), RATE_HZ)
        for column, cell in zip(cells, (str(path), name, part), strict=True):
            cells[column].append(cell)
    columns = {"audio": ls.Audio(), "speaker": ls.Category(), "part": ls.Category()}
    monkeypatch.setattr(ls.datasets, "load", lambda name, **_: ls.Table.from_arrays(cells, columns))


@pytest.mark.usefixtures("speech")
def test_seconds_of_read_speech_hold_no_command():
    table = keywords._no_commands(3)
    assert table.column_values("word") == [
        "_unknown_"
    ]  # what is shorter than a second, and the tested speaker, are out
    assert table.column_values("part") == ["train"]
    assert len(ls.audio.read_samples(table["audio"][0], RATE_HZ)) == RATE_HZ
    assert keywords._no_commands(3)["audio"][0] == table["audio"][0] != keywords._no_commands(4)["audio"][0]


class Loud:
    """Predicts "go" with the mean of a window's samples as its probability."""

    def __init__(self):
        self.inputs = {"audio": ls.Audio(rate_hz=RATE_HZ, seconds=1.0)}

    def predictor(self):
        return self

    def predict(self, windows):
        scores = [float(np.mean(np.asarray(window, float))) / 32768 for window in windows]
        return [Prediction({"word": TargetPrediction("go", probabilities={"go": each})}) for each in scores]


@pytest.mark.usefixtures("speech")
def test_a_wake_word_is_measured_at_the_threshold_that_misses_a_twentieth(tmp_path):
    levels = np.linspace(0.1, 0.3, 21)
    clips = [np.full(RATE_HZ, 32768 * level, np.int16) for level in levels]
    cells = {
        "audio": np.stack(clips + clips[:10]),
        "word": ["go"] * 21 + ["go"] * 10,
        "part": ["valid"] * 21 + ["test"] * 10,
    }
    columns = {"audio": ls.Audio(rate_hz=RATE_HZ), "word": ls.Category(), "part": ls.Category()}
    table = ls.Table.from_arrays(cells, columns)
    found = keywords._background(Loud(), table, SystemRun("keywords", tmp_path, quiet=True))["background"]
    assert found["hours"] == pytest.approx(4 / 3600, abs=1e-4)
    go = found["words"]["go"]
    assert go["threshold"] == pytest.approx(levels[1], abs=1e-3)  # one of 21 is below
    assert go["misses"] == pytest.approx(0.2)  # two of the ten quietest
    # Windows of a second pass 0.11 from the first half second on, in one run of windows.
    assert go["false_accepts"] == 1

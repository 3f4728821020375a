"""Commands in read speech: what is learned from it, and false acceptances of each command as a wake word."""

import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError
from longspan.portable.prediction import Prediction, TargetPrediction
from longspan.systems import SystemRun, keywords

soundfile = pytest.importorskip("soundfile")

RATE_HZ = 8000


@pytest.fixture
def speech(tmp_path, monkeypatch):
    """Read speech of two speakers: samples rise along a recording, so that their mean says where a window is."""
    cells = {"audio": [], "text": [], "speaker": [], "part": []}
    for name, part, text, seconds in (
        ("ann", "train", "HE WENT HOME", 3.0), ("ann", "train", "IT RAINED", 0.5), ("ann", "train", "SHE LET GO", 3.0),
        ("bob", "test", "IT IS GOING TO RAIN", 4.0), ("bob", "test", "LET US GO", 4.0),
    ):  # fmt: skip
        path = tmp_path / f"{len(cells['audio'])}.wav"
        soundfile.write(path, np.linspace(0, 0.5, round(seconds * RATE_HZ)).astype(np.float32), RATE_HZ)
        for column, cell in zip(cells, (str(path), text, name, part), strict=True):
            cells[column].append(cell)
    columns = {"audio": ls.Audio(), "text": ls.Text(), "speaker": ls.Category(), "part": ls.Category()}
    monkeypatch.setattr(ls.datasets, "load", lambda name, **_: ls.Table.from_arrays(cells, columns))


def test_networks_start_from_the_weights_that_fit_them():
    made = keywords.KeywordsOptions
    unnamed, scratch, random = made(), made(model="bc_resnet1"), made(model="speech_embedding", weights="none")
    assert [each.initial_weights for each in (unnamed, scratch, random)] == ["speech", None, None]
    photos = made(model="mobilenet_v2", weights="imagenet")
    assert photos.initial_weights == "imagenet"
    # An image of the clip has to be about as large as those that the network learned from.
    assert [keywords._sound(each).features.mels for each in (photos, made(model="bc_resnet1"))] == [96, 40]
    assert keywords._sound(made(weights="none")) == keywords._sound(made())
    with pytest.raises(ConfigError, match="--weights speech are those of --model speech_embedding, not of bc_resnet1"):
        made(model="bc_resnet1", weights="speech")


@pytest.mark.usefixtures("speech")
def test_seconds_of_read_speech_hold_no_command():
    table, again, other = (keywords._no_commands({"go", "stop"}, seed) for seed in (3, 3, 4))
    # What is shorter than a second, the recording that holds a command, and the tested speaker are out.
    assert table.column_values("word") == ["_unknown_"] * 2
    assert all("0.wav" in str(each) for each in table["audio"])
    assert table.column_values("part") == ["train"] * 2
    assert len(ls.audio.read_samples(table["audio"][0], RATE_HZ)) == RATE_HZ
    assert again["audio"][0] == table["audio"][0] != other["audio"][0]


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
    go = found["words"]["go"]
    assert go["hours"] == pytest.approx(4 / 3600, abs=1e-4)  # without the recording that holds the word
    # One of 21 is below. Of three windows that hold most of a clip in silence, 0.7, 0.9 and 0.9 of them are sound.
    assert go["threshold"] == pytest.approx(levels[1] * 2.5 / 3, abs=1e-3)
    assert go["misses"] == pytest.approx(0.2)  # two of the ten quietest
    # Windows of a second pass 0.09 from the first half second on, in one run of windows.
    assert go["false_accepts"] == 1

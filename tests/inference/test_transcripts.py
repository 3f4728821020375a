"""Recordings as text with times."""

import json

import numpy as np
import pytest
import soundfile

import longspan as ls
from longspan.columns import Audio
from longspan.errors import ConfigError, DataError
from longspan.inference.transcripts import Transcript, TranscriptPart, transcribe

RATE = 8000
TRANSCRIPT = Transcript(4000.25, (TranscriptPart(0.5, 2.0, 'say "a" & <b>'), TranscriptPart(3661.5, 3662.25, "no")))


def test_subtitles_and_grids():
    assert TRANSCRIPT.written("srt") == (
        '1\n00:00:00,500 --> 00:00:02,000\nsay "a" & <b>\n\n2\n01:01:01,500 --> 01:01:02,250\nno\n'
    )
    assert TRANSCRIPT.written("vtt") == (
        'WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nsay "a" &amp; &lt;b&gt;\n\n01:01:01.500 --> 01:01:02.250\nno\n'
    )
    grid = TRANSCRIPT.written("textgrid")
    assert "intervals: size = 5" in grid
    assert 'text = "say ""a"" & <b>"' in grid
    starts = [float(line.split("=")[1]) for line in grid.splitlines() if line.startswith("            xmin")]
    ends = [float(line.split("=")[1]) for line in grid.splitlines() if line.startswith("            xmax")]
    assert starts[1:] == ends[:-1], "Praat knows no gaps"
    assert (starts[0], ends[-1]) == (0, 4000.25)
    assert json.loads(TRANSCRIPT.written("json"))["parts"][1] == {"start": 3661.5, "end": 3662.25, "text": "no"}
    with pytest.raises(ConfigError, match="json, srt, vtt or textgrid"):
        TRANSCRIPT.written("doc")


def tone(pitch, seconds=0.4):
    return np.sin(2 * np.pi * pitch * np.arange(round(seconds * RATE)) / RATE).astype(np.float32) * 0.5


@pytest.fixture(scope="module")
def reader():
    sounds = [
        np.pad(tone(300 if row % 2 else 1700, 0.3 + 0.03 * (row % 7)), (400 + 100 * (row % 5), 900 - 80 * (row % 6)))
        for row in range(32)
    ]
    table = ls.Table.from_arrays(
        {"sound": sounds, "text": ["lo" if row % 2 else "hi" for row in range(32)]},
        {"sound": Audio(rate_hz=RATE, layout="sequence", features=ls.AudioFeatures(mels=20)), "text": ls.Text()},
    )
    task = ls.Task(table.split(valid=4, seed=0), inputs="sound", targets="text", allow_leaks=True)
    model = ls.ConvGRUConfig(width=24, layers=1, stride=4)
    learner = ls.Learner(task, model, config=ls.TrainConfig(batch_size=7), seed=0, progress=False)
    return learner.fit_one_cycle(36, 2e-2).predictor()


def test_a_long_recording_is_cut_at_its_pauses(reader, tmp_path):
    pause = np.zeros(2 * RATE, np.float32)
    samples = np.concatenate([pause, tone(300), pause, tone(1700), pause])
    soundfile.write(tmp_path / "talk.wav", samples, RATE)
    transcript = transcribe(reader, tmp_path / "talk.wav")
    assert [part.text for part in transcript.parts] == ["lo", "hi"]
    assert transcript.seconds == pytest.approx(6.8)
    for part, start in zip(transcript.parts, (2.0, 4.4), strict=True):
        assert part.start_s == pytest.approx(start - 0.1, abs=0.06)
        assert part.end_s == pytest.approx(start + 0.5, abs=0.06)
    search = ls.WordSearch(lexicon=frozenset(["hi", "ho"]))
    assert set(transcribe(reader, samples, search=search).text.split()) <= {"hi", "ho"}
    assert transcribe(reader, np.zeros(RATE, np.int16)).parts == ()


def test_what_cannot_be_transcribed(reader, tmp_path):
    with pytest.raises(DataError, match=r"gone.wav: there is no such file"):
        transcribe(reader, tmp_path / "gone.wav")
    table = ls.datasets.load("digits").sample(200, seed=0)
    task = ls.Task(table.split(valid=10, seed=0), inputs="image", targets="digit", allow_leaks=True)
    learner = ls.Learner(task, "resnet20", progress=False)
    with pytest.raises(ConfigError, match="this one reads image and predicts digit"):
        transcribe(learner.predictor(), tmp_path / "gone.wav")

"""Frames with faces at known places, and the figures at a gate by hand."""

import json

import numpy as np
import pytest

from longspan.errors import ConfigError, UnknownNameError
from longspan.systems import SystemRun, find_system
from longspan.systems.gate.entrance_frames import entrance_frame
from longspan.systems.gate.turnstile import TurnstileOptions, difference_by_person, figures_at_gate


def test_points_follow_the_face_into_the_frame():
    photo = np.zeros((128, 112, 3), np.uint8)
    points = {"red": [20.0, 30.0], "green": [90.0, 40.0], "blue": [60.0, 100.0]}
    for channel, (x, y) in enumerate(points.values()):
        photo[int(y) - 4 : int(y) + 4, int(x) - 4 : int(x) + 4, channel] = 255
    ground = np.zeros((300, 400, 3), np.uint8)
    for seed in range(8):
        frame, placed = entrance_frame(photo, points, ground, np.random.default_rng(seed))
        assert frame.shape == (240, 320, 3)
        for channel, (x, y) in enumerate(placed.values()):
            rows, columns = np.nonzero(frame[..., channel] > 128)
            if 8 < x < 312 and 8 < y < 232:
                assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x, y), abs=1.0)


def test_figures_at_a_gate():
    scores = np.array([[0.9, 0.1], [0.3, 0.2], [0.4, 0.6], [0.1, 0.55], [0.7, 0.2]])
    names = ["Ada", "Ada", "Ada", "Alan", "somebody else"]
    found = figures_at_gate(scores, names, ["Ada", "Alan"], 0.5)
    assert found == {"rank-1": 3 / 4, "dir": 2 / 4, "far": 1.0}
    assert figures_at_gate(scores, names, ["Ada", "Alan"], 0.8) == {"rank-1": 3 / 4, "dir": 1 / 4, "far": 0.0}


def test_differences_are_paired_and_people_are_drawn_whole():
    names = [f"person {n // 2}" for n in range(200)]
    second = np.arange(200) % 4 < 2
    first = second | (np.arange(200) % 20 // 2 == 1)  # both frames of every tenth person, where second was wrong
    value, low, high = difference_by_person(first, second, names, 0)
    gains = np.array([(first[2 * n : 2 * n + 2].mean() - second[2 * n : 2 * n + 2].mean()) for n in range(100)])
    assert value == pytest.approx(gains.mean())
    assert value == pytest.approx(0.1)
    half = 1.96 * gains.std() / np.sqrt(100)  # of a mean over a hundred people
    assert (low, high) == pytest.approx((value - half, value + half), abs=0.012)
    assert difference_by_person(second, second, names, 0) == (0, 0, 0)


def test_options_that_cannot_be_are_refused():
    for options in ({"photos": "0"}, {"photos": "many"}, {"people": 1}, {"epochs": 0}):
        with pytest.raises(ConfigError, match="--"):
            TurnstileOptions(**options)
    with pytest.raises(UnknownNameError, match="no way 'by eye'"):
        TurnstileOptions(ways="by eye")


@pytest.mark.slow
def test_a_few_people_at_the_gate(tmp_path, data_folder):
    del data_folder
    options = TurnstileOptions(people=3, photos="2", strangers=20, frames=2, epochs=1, size_px=48)
    find_system("turnstile").run(options, SystemRun("turnstile", tmp_path, quiet=True))
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert metrics["rank-1, points known, 2 photos"] >= 0.8
    assert metrics["rank-1, in stages, 2 photos"] >= metrics["rank-1, without detect, 2 photos"] + 0.3
    with pytest.raises(ConfigError, match="have the 12 photos"):
        find_system("turnstile").run(
            TurnstileOptions(people=400, photos="10"), SystemRun("turnstile", tmp_path / "more", quiet=True)
        )

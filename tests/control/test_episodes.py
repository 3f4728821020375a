"""Episodes: what they come to, what is kept of them, and how a study compares by them."""

import functools
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence
from scipy import stats
from tests.control.worlds import Walk

import longspan as ls
from longspan.control import Recording, episode_evaluator, film_strip, run_episodes, save_gif
from longspan.control.episodes import interquartile_mean, seed_interval
from longspan.errors import ConfigError, DataError, TrainingError


def right(seen):
    return 1


def left(seen):
    return 0


def test_returns_lengths_and_faults_are_those_of_the_steps():
    recording = Recording()
    played = run_episodes(Walk, right, episodes=6, seed=1, recording=recording)
    rewards, faults = np.zeros(6), np.zeros(6)
    lengths = np.zeros(6)
    for step in recording.steps:
        rewards[step["episode"]] += step["reward"]
        faults[step["episode"]] += step["fault"] == "off the line"
        lengths[step["episode"]] += 1
    assert played.values("return").tolist() == rewards.tolist()
    assert played.values("faults").tolist() == faults.tolist()
    assert played.values("length").tolist() == lengths.tolist()
    assert played.mean() > run_episodes(Walk, left, episodes=6, seed=1).mean()
    assert [each.seed for each in played] == [each.seed for each in run_episodes(Walk, left, episodes=6, seed=1)]


def test_measures_of_ones_own_and_unknown_ones():
    played = run_episodes(
        Walk, right, episodes=2, measure=lambda infos: {"far": float(max(info["place"] for info in infos))}
    )
    assert played.values("far").max() == 6
    with pytest.raises(ConfigError, match=r"no measure 'near'; there are return, length, faults, far"):
        played.values("near")


def test_what_was_finished_before_an_environment_broke_is_in_the_recording():
    world, recording = Walk(), Recording()
    run_episodes(world, right, episodes=1, recording=recording)
    finished = len(recording)
    world.break_at, world.fault = 1, "raises"
    with pytest.raises(TrainingError, match="after 0 steps: RuntimeError"):
        run_episodes(world, right, episodes=1, recording=recording)
    assert len(recording) == finished


def test_a_recording_is_a_table_with_a_row_per_step():
    recording = Recording(frames=True)
    run_episodes(Walk, left, episodes=3, recording=recording)
    table = recording.table()
    assert len(table) == len(recording)
    assert set(table.columns) == {
        "episode", "step", "reward", "terminated", "truncated", "fault", "action", "frame", "observation",
    }  # fmt: skip
    assert np.shape(table.arrays["frame"]) == (len(table), 3, 7, 3)
    assert np.shape(table.arrays["observation"]) == (len(table), 3, 7)
    assert isinstance(table.columns["frame"], ls.Image)
    assert set(table.frame["fault"].drop_nulls()) == {"off the line"}
    assert table.frame["terminated"].to_list().count("yes") == 3
    with pytest.raises(DataError, match="no steps"):
        Recording().table()


def test_an_environment_without_images_says_how_to_make_one_with_images():
    with pytest.raises(DataError, match="render=True"):
        run_episodes("CartPole-v1", left, episodes=1, recording=Recording(frames=True))


def test_strips_and_moving_pictures_show_the_frames(tmp_path):
    frames = [np.full((5, 6, 3), 20 * number, np.uint8) for number in range(10)]
    strip = np.asarray(film_strip(frames, count=4, scale=2))
    assert strip.shape == (10, 4 * 16 - 4, 3)
    assert [strip[0, 16 * place, 0] for place in range(4)] == [0, 60, 120, 180]
    path = save_gif(frames, tmp_path / "walk.gif", rate_hz=10, scale=3)
    with Image.open(path) as film:
        shown = sum(1 for _ in ImageSequence.Iterator(film))
        assert (shown, film.size, film.info["duration"]) == (10, (18, 15), 100)
    with pytest.raises(DataError, match="no frames"):
        film_strip([])


def test_interquartile_mean_is_that_of_scipy_and_its_interval_covers_seeds():
    values = np.random.default_rng(0).normal(size=(5, 40)) + np.arange(5)[:, None]
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values.reshape(-1), 0.25))
    low, high = seed_interval(values)
    within_low, within_high = seed_interval(values[2:3])
    assert low < interquartile_mean(values) < high
    assert high - low > 2 * (within_high - within_low)  # seeds differ more than episodes


def walk_policy(trained):
    return right if trained == "right" else left


def test_a_study_takes_episodes_as_errors():
    evaluator = episode_evaluator(
        functools.partial(Walk), walk_policy, episodes=8, direction="higher", best=1.0, name="success"
    )
    no_rows: Any = None  # an environment answers, not a table
    errors = evaluator.errors("right", no_rows)
    assert errors.shape == (8,)
    assert errors.mean() < evaluator.errors("left", no_rows).mean()
    assert evaluator.measure_name == "1 - success"

"""The system drive: what its drivers are told, what is measured, and a short run."""

import json
import time

import numpy as np
import pytest

pytest.importorskip("gymnasium")

import longspan as ls
from longspan.control.road import RoadConfig, make_road
from longspan.control.road.expert import Expert
from longspan.errors import ConfigError, UnknownNameError
from longspan.systems import SystemRun, find_system
from longspan.systems.driving.drive import DriveOptions, TimedPolicy, measure_drive
from longspan.systems.driving.drivers import LearnToDrive
from longspan.systems.driving.frames import (
    ACTIONS,
    AFFORDANCES,
    LANE,
    affordances,
    birds_eye,
    lane_path,
    record_frames,
    to_table,
)
from longspan.systems.driving.racetrack_world import Racetrack
from longspan.systems.driving.road_world import MadeUpRoad, StagedPolicy

SHORT = RoadConfig(length_m=150)


def test_a_lane_is_the_curve_through_its_points():
    radius = 60.0
    at = np.array([0, 6, 12, 20, 30]) / radius
    path = lane_path(*(radius * (1 - np.cos(at))))
    s = np.arange(0.0, 31.0, 2.0)
    np.testing.assert_allclose(path[:16, 0], radius * np.sin(s / radius), atol=0.4)
    np.testing.assert_allclose(path[:16, 1], radius * (1 - np.cos(s / radius)), atol=0.1)
    assert path.shape == (31, 2)


def test_affordances_are_those_of_the_world():
    environment = make_road(RoadConfig(length_m=200, bend_deg=0), sensors=())
    environment.reset(seed=0)
    world = environment.world
    world.kind, world.s, world.d = np.array([1, 0]), np.array([32.0, 30.0]), np.array([-1.75, -3.4])
    for name in ("pace", "along", "across", "begun", "_sides"):
        setattr(world, name, np.zeros(2))
    world.along[0] = 3.0
    world.crossing, world.here, world.size = np.zeros(2, bool), np.ones(2, bool), np.array([[4.4, 1.8, 1.5]] * 2)
    found = affordances(world.ground_truth(), environment)
    assert found["gap"] == pytest.approx(20 - 4.4)
    assert found["gap_pace"] == 3.0
    assert found["intrusion"] == pytest.approx(-3.4 + 0.9 + 3.5 - 0.5)
    assert all(abs(found[name]) < 1e-6 for name in LANE)


def test_a_target_is_seen_from_above_where_it_is():
    targets = np.zeros((12, 4), np.float32)
    targets[0] = (30.0, np.arctan2(6, 30), -4.0, 1.0)
    image = birds_eye(np.full(101, 60.0), targets)
    rows, columns = np.nonzero(image[..., 1])
    distance_m = (47 - rows[0]) * 60 / 48
    left_m = (47 - columns[0]) / 2
    assert distance_m == pytest.approx(30 * np.cos(np.arctan2(6, 30)), abs=1.3)
    assert left_m == pytest.approx(30 * np.sin(np.arctan2(6, 30)), abs=0.6)
    assert image[rows[0], columns[0], 2] == 128 - 24
    assert not image[..., 0].any()


def test_recordings_are_repeatable_and_say_that_they_are_made_up():
    first, second = (record_frames(12, seed=4, config=SHORT) for _ in range(2))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    table = to_table(first)
    assert set(table.column_values("source")) == {"made up"}
    assert set(table.columns) >= {"camera", "above", "speed", *ACTIONS, *AFFORDANCES}
    assert not np.array_equal(record_frames(12, seed=5, config=SHORT)["camera"], first["camera"])


def test_a_recording_holds_what_the_expert_would_do_where_another_drives():
    straight = record_frames(10, seed=1, config=SHORT, driver=lambda seen: np.array([0.3, 0.5]))
    assert straight["steer"][-1] < -0.05  # back to the right


def test_stages_replaced_by_the_truth_drive_as_the_expert():
    environment = make_road(SHORT, sensors=("lidar", "radar"))
    policy = StagedPolicy(None, ground_truth=("lane", "objects", "prediction"))
    policy.environment = environment
    seen, info = environment.reset(seed=2)
    expert = Expert()
    policy.reset()
    for _ in range(30):
        action = policy(seen)
        np.testing.assert_allclose(action, expert(info["truth"]), atol=1e-6)
        seen, _, _, _, info = environment.step(action)


def test_measures_of_a_drive():
    def info(driven, off, fault=None, jerk=0.0):
        return {"driven_m": driven, "off_lane_m": off, "fault": fault, "jerk": jerk}

    found = measure_drive([info(100.0, 0.0), info(300.0, 2.0, "stuck", 4.0)])
    assert found["faults per km"] == pytest.approx(2.5)
    assert found["off the lane"] == 0.5
    assert found["lane deviation RMS"] == pytest.approx(np.sqrt(2.0))
    assert found["jerk"] == pytest.approx(np.sqrt(8.0))


def test_decisions_are_timed_and_drives_begin_anew():
    class Slow:
        resets = 0

        def reset(self):
            self.resets += 1

        def __call__(self, seen):
            time.sleep(0.05 if seen == "hard" else 0.002)
            return seen

    timed = TimedPolicy(Slow())
    timed.reset()
    assert [timed(seen) for seen in ["easy"] * 9 + ["hard"]] == ["easy"] * 9 + ["hard"]
    assert timed.policy.resets == 1
    found = timed.milliseconds()
    assert 2 <= found["p50"] < 30
    assert found["p99"] > 40
    TimedPolicy(len).reset()  # a policy need not have one


@pytest.mark.parametrize("world", [MadeUpRoad(config=SHORT), Racetrack()])
def test_dagger_learns_from_as_many_frames_as_it_is_given(world, monkeypatch):
    counts = []
    real = type(world).record

    def counted(self, count, **options):
        counts.append((count, options.get("driver") is not None))
        return real(self, count, **options)

    monkeypatch.setattr(type(world), "record", counted)
    rows = real(world, 40, seed=0)
    inputs = tuple(dict.fromkeys(name for columns in world.reads.values() for name in columns))
    task = ls.Task(rows.split(valid=0), inputs=inputs, targets=world.says["DAgger"],
                   allow_leaks=True, size_px=world.size_px)  # fmt: skip
    driver = LearnToDrive(kind="DAgger", epochs=1, world=world).train(task)
    assert counts == [(10, True), (10, True)]
    assert driver.steps_done == 1  # the last training: one batch of all 40 frames
    environment = world.make()
    seen, _ = environment.reset(seed=0)
    assert np.asarray(driver.policy()(seen)).shape == environment.action_space.shape


@pytest.mark.parametrize(
    ("options", "error"),
    [({"strategies": "in stagess"}, UnknownNameError), ({"sizes": "5"}, ConfigError), ({"length_m": 5.0}, ConfigError),
     ({"traffic": 9.0}, ConfigError), ({"episodes": 0}, ConfigError),
     ({"world": "racetrack", "traffic": 0.5}, ConfigError),
     ({"world": "racetrack", "strategies": "three sensors"}, UnknownNameError)],
)  # fmt: skip
def test_options_that_cannot_be(options, error):
    with pytest.raises(error):
        DriveOptions(**options)


@pytest.mark.slow
def test_a_short_run(tmp_path):
    options = DriveOptions(strategies="all", sizes="60", seeds=1, episodes=1, epochs=1, length_m=100.0, jobs=1)
    find_system("drive").run(options, SystemRun("drive", tmp_path, quiet=True))
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["made_up"] is True
    assert set(result["closed loop"]) == {
        "expert", "in stages", "end to end", "DAgger", "direct perception", "recovery", "three sensors",
    }  # fmt: skip
    assert result["metrics"]["faults per km, expert"] == 0
    assert len(result["ceiling"]) == 7
    assert 0 < result["metrics"]["ms a decision, in stages, p50"] <= result["metrics"]["ms a decision, in stages, p99"]
    assert "Film strip: DAgger" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_a_short_run_on_the_racetrack(tmp_path):
    options = DriveOptions(world="racetrack", strategies="all", sizes="60", seeds=1, episodes=1, epochs=1, jobs=1)
    find_system("drive").run(options, SystemRun("drive", tmp_path, quiet=True))
    result = json.loads((tmp_path / "result.json").read_text())
    assert set(result["closed loop"]) == {"expert", "in stages", "end to end", "DAgger", "recovery"}
    assert result["metrics"]["faults per km, expert"] == 0
    assert [row["driver"] for row in result["ceiling"]] == ["as it is", "true lane"]
    assert result["ceiling"][1]["faults"] == 0

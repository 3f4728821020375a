"""Perceive, plan and steer, each against cases by hand."""

import math

import numpy as np
import pytest

from longspan.control.road.perceive import Tracker, lidar_clusters
from longspan.control.road.plan import AHEAD_M, TIMES_S, Planner, control, predict
from longspan.control.road.sensors import LIDAR_ANGLES, LIDAR_REACH_M

STRAIGHT = np.stack([AHEAD_M, np.zeros_like(AHEAD_M)], 1)


def scan_of(x, y, width=1.8):
    """Ranges of a face across the view, seen head on."""
    at = x / np.cos(LIDAR_ANGLES)
    hit = np.abs(at * np.sin(LIDAR_ANGLES) - y) < width / 2
    return np.where(hit, at, LIDAR_REACH_M).astype(np.float32)


def test_a_face_as_wide_as_a_car_is_a_car():
    ((x, y, length, width),) = lidar_clusters(scan_of(20.0, -1.0))
    assert x == pytest.approx(22.2, abs=0.1)
    assert y == pytest.approx(-1.0, abs=0.4)
    assert length == pytest.approx(4.4)
    assert 1.1 < width < 2.1
    assert lidar_clusters(np.full(len(LIDAR_ANGLES), LIDAR_REACH_M)).shape == (0, 4)


def test_a_track_has_the_speed_of_what_it_follows():
    for use_radar, tolerance in ((True, 0.3), (False, 1.0)):
        tracker = Tracker(use_radar=use_radar)
        tracker.reset()
        for step in range(25):  # a car 20 m ahead that is 2 m/s slower than we are
            x = 20.0 - 0.2 * step
            target = np.zeros((12, 4), np.float32)
            target[0] = (x + 1.2, 0.0, -2.0, 1.0)
            found = tracker(scan_of(x, 0.0), target, 8.0, 0.0)
        assert len(found) == 1
        assert found[0]["vx"] == pytest.approx(6.0, abs=tolerance)
        assert found[0]["x"] == pytest.approx(20.0 - 4.8 + 2.2, abs=0.4)


def test_false_targets_begin_no_track_and_lost_ones_are_forgotten():
    tracker = Tracker()
    tracker.reset()
    clutter = np.zeros((12, 4), np.float32)
    clutter[0] = (30.0, 0.2, -3.0, 1.0)
    nothing = np.full(len(LIDAR_ANGLES), LIDAR_REACH_M, np.float32)
    for _ in range(5):
        assert tracker(nothing, clutter, 8.0, 0.0) == []
    for _ in range(3):
        found = tracker(scan_of(20.0, 0.0), clutter, 0.0, 0.0)
    assert len(found) == 1
    for _ in range(10):
        found = tracker(nothing, clutter, 0.0, 0.0)
    assert found == []


def test_a_turning_car_sees_what_stands_turn_the_other_way():
    tracker = Tracker(use_radar=False)
    tracker.reset()
    for _ in range(3):
        tracker(scan_of(20.0, 0.0), np.zeros((12, 4)), 0.0, 0.0)
    nothing = np.full(len(LIDAR_ANGLES), LIDAR_REACH_M, np.float32)
    (found,) = tracker(nothing, np.zeros((12, 4)), 0.0, 0.5)  # to the left
    assert math.atan2(found["y"], found["x"]) == pytest.approx(-0.05, abs=0.02)


def test_predictions_are_straight_on():
    (future,) = predict([{"x": 10.0, "y": 2.0, "vx": 3.0, "vy": -1.0, "length": 4.4, "width": 1.8}])
    np.testing.assert_allclose(future[:, 0], 10 + 3 * TIMES_S)
    np.testing.assert_allclose(future[:, 1], 2 - TIMES_S)
    assert predict([]).shape == (0, len(TIMES_S), 5)


def thing(x, y, **changes):
    return {"x": x, "y": y, "vx": 0.0, "vy": 0.0, "length": 4.4, "width": 1.8, **changes}


def test_a_free_lane_is_driven_at_the_limit():
    plan = Planner()(STRAIGHT, predict([]), 8.0, 10.0)
    assert (plan["speed"], plan["offset"], plan["clear"]) == (10.0, 0.0, True)


def test_it_passes_what_stands_at_the_side_and_stops_before_what_blocks():
    beside = Planner()(STRAIGHT, predict([thing(18.0, -1.9)]), 8.0, 10.0)
    assert beside["clear"]
    assert beside["offset"] > 0
    assert beside["speed"] > 5
    # Across the whole road.
    blocked = Planner()(STRAIGHT, predict([thing(14.0, 0.0, width=8.0)]), 8.0, 10.0)
    assert blocked["speed"] < 2
    slow = Planner()(STRAIGHT, predict([thing(15.0, 0.0, width=8.0, vx=5.0)]), 8.0, 10.0)
    assert 2 < slow["speed"] <= 6.1


def test_bends_are_driven_slower():
    angle = AHEAD_M / 20.0  # a radius of 20 m
    bend = np.stack([20 * np.sin(angle), 20 * (1 - np.cos(angle))], 1)
    assert Planner()(bend, predict([]), 6.0, 10.0)["speed"] == pytest.approx(math.sqrt(2.2 * 20), rel=0.05)


def test_pure_pursuit_follows_a_circle():
    angle = AHEAD_M / 25.0
    circle = np.stack([25 * np.sin(angle), 25 * (1 - np.cos(angle))], 1)
    steer, _ = control({"path": circle, "speed": 6.0, "hurry": False}, 6.0)
    assert steer * 0.5 == pytest.approx(math.atan(2.7 / 25), rel=0.05)
    _, accelerate = control({"path": STRAIGHT, "speed": 6.0, "hurry": False}, 3.0)
    assert accelerate > 0.5
    _, brake = control({"path": STRAIGHT, "speed": 0.0, "hurry": True}, 8.0)
    assert brake < -0.8

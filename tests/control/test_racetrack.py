"""The racetrack of highway-env: what is seen, where the lane is, and a controller that keeps it."""

import math

import numpy as np
import pytest

pytest.importorskip("highway_env")

from longspan.control import run_episodes
from longspan.control.racetrack import LANE_AT_M, TRACKS, curve_to_steer, make_racetrack
from longspan.errors import UnknownNameError


def test_pure_pursuit_turns_the_car_onto_the_circle_through_the_point():
    # By the kinematic bicycle of highway-env a slip of beta turns at v sin(beta) / 2.5 m.
    for side in (-1.5, 0.5, 2.0):
        lane = np.array([[at, 0.0] for at in LANE_AT_M])
        lane[1] = (math.sqrt(25 - side**2), side)
        slip = math.atan(0.5 * math.tan(curve_to_steer(lane) * math.pi / 4))
        assert math.sin(slip) / 2.5 == pytest.approx(2 * side / 25)
    straight = np.array([[at, 0.0] for at in LANE_AT_M])
    assert curve_to_steer(straight) == 0
    straight[1] = (0.0, 5.0)
    assert curve_to_steer(straight) == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("track", TRACKS)
def test_the_true_lane_is_kept_for_a_lap(track):
    environment = make_racetrack((track,))

    def by_truth(seen):
        del seen
        return [curve_to_steer(environment.ground_truth()["lane"])]

    played = run_episodes(environment, by_truth, episodes=1, max_steps=150, measure=lambda infos: {
        "off": max(abs(info["off_lane_m"]) for info in infos), "metres": sum(info["driven_m"] for info in infos)
    })  # fmt: skip
    assert played[0].faults == ()
    assert played[0].measures["off"] < 1.2
    assert played[0].measures["metres"] == pytest.approx(300, rel=0.02)


def test_the_lane_lies_ahead_and_to_the_right_of_the_car_and_the_image_is_turned_with_it():
    environment = make_racetrack()
    seen, info = environment.reset(seed=3)
    np.testing.assert_allclose(info["truth"]["lane"], [[at, 0.0] for at in LANE_AT_M], atol=1e-3)
    assert seen["camera"].shape == (64, 64)
    car = environment._vehicle
    before = seen["camera"].copy()
    car.heading += 0.3  # the car turns right, so the road ahead goes to the left
    lane = environment.ground_truth()["lane"]
    np.testing.assert_allclose(lane[:, 1], [-at * math.sin(0.3) for at in LANE_AT_M], atol=1e-3)
    seen, _, _, _, info = environment.step([0.0])
    assert np.abs(seen["camera"].astype(int) - before).mean() > 1
    assert info["off_lane_m"] == pytest.approx(2 * math.sin(0.3), abs=0.2)  # 2 m later, to the right of the middle
    same = make_racetrack()
    again, _ = same.reset(seed=3)
    np.testing.assert_array_equal(again["camera"], before)


def test_a_car_may_start_aside_and_turned():
    environment = make_racetrack()
    seen, info = environment.reset(seed=3, options={"aside_m": 1.0, "turned_rad": 0.2})
    lane = info["truth"]["lane"]
    # The middle of the lane is a metre to the left, and the road ahead bends away to the left by the turn.
    expected = [[at * math.cos(0.2) - math.sin(0.2), -at * math.sin(0.2) - math.cos(0.2)] for at in LANE_AT_M]
    np.testing.assert_allclose(lane, expected, atol=1e-3)
    straight, _ = environment.reset(seed=3)
    assert np.abs(seen["camera"].astype(int) - straight["camera"]).mean() > 1


def test_leaving_the_road_is_the_fault_that_ends_an_episode():
    played = run_episodes(make_racetrack, lambda seen: [0.6], episodes=1, max_steps=100)
    assert played[0].faults == ("off the road",)
    assert not played[0].truncated
    assert played[0].length < 60


def test_an_unknown_track_is_named():
    with pytest.raises(UnknownNameError, match="racetrack-oval-v1"):
        make_racetrack(("racetrack-ovl-v1",))

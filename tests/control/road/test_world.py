"""The made-up road: geometry, faults, and that everything is a function of the seed and the actions."""

import numpy as np
import pytest

from longspan.control.road.track import LANE_M, Track
from longspan.control.road.world import CAR, RoadConfig, RoadWorld, _overlap
from longspan.errors import ConfigError

EMPTY = RoadConfig(traffic=0, length_m=200)


def drive(world, actions):
    return [(world.step(*action), world.own_s, world.own_d, world.speed) for action in actions]


def test_places_and_their_coordinates_belong_together():
    track = Track(3, 400.0, 45.0)
    for s, d in ((20.0, 0.0), (133.3, -1.75), (250.0, 3.0)):
        place, _ = track.place(s, d)
        found_s, found_d = track.locate(place, s + 4)
        assert found_s == pytest.approx(s, abs=0.2)
        assert found_d == pytest.approx(d, abs=0.1)
    gaps = np.hypot(*np.diff(track.xy, axis=0).T)
    np.testing.assert_allclose(gaps, 1, atol=0.01)
    assert np.abs(track.heading).max() <= np.deg2rad(45.0)


def test_a_straight_road_driven_straight():
    world = RoadWorld(RoadConfig(traffic=0, bend_deg=0, length_m=200), 0)
    before = world.own_s
    steps = drive(world, [(0.0, 0.0)] * 50)
    assert steps[-1][1] - before == pytest.approx(50 * 0.1 * 6.0, rel=1e-3)  # 6 m/s for five seconds
    assert all(abs(d + LANE_M / 2) < 1e-6 for _, _, d, _ in steps)


def test_a_circle_has_the_radius_of_the_bicycle_model():
    world = RoadWorld(RoadConfig(traffic=0, bend_deg=0, length_m=200), 0)
    world.steer = 0.1
    world.step(0.2, 0.0)
    yaw = world.yaw
    world.step(0.2, 0.0)
    assert world.yaw - yaw == pytest.approx(0.1 * 6.0 / 2.7 * np.tan(0.1))


def test_steering_and_braking_have_limits():
    world = RoadWorld(EMPTY, 0)
    world.step(1.0, -5.0)
    assert world.steer == pytest.approx(0.08)
    assert world.speed == pytest.approx(6.0 - 0.7)


def test_the_same_seed_and_actions_give_the_same_drive():
    random = np.random.default_rng(0)
    actions = random.uniform(-0.3, 0.6, (80, 2)).tolist()
    config = RoadConfig(traffic=2.0, disturb=0.3)
    first, second = RoadWorld(config, 7), RoadWorld(config, 7)
    assert drive(first, actions) == drive(second, actions)
    np.testing.assert_array_equal(first.s, second.s)
    other = RoadWorld(config, 8)
    assert drive(other, actions) != drive(first, actions)


def test_who_leaves_the_road_stands_in_the_lane_again():
    world = RoadWorld(EMPTY, 0)
    faults = [fault for fault, *_ in drive(world, [(1.0, 0.5)] * 60) if fault]
    assert faults[0] == "off the road"
    world = RoadWorld(EMPTY, 0)
    while world.step(1.0, 0.5) is None:
        pass
    assert (world.own_d, world.speed) == (-LANE_M / 2, 0.0)


def test_who_never_moves_is_stuck():
    world = RoadWorld(EMPTY, 0)
    faults = [fault for fault, *_ in drive(world, [(0.0, -1.0)] * 420)]
    assert faults.count("stuck") == 1
    assert 400 <= faults.index("stuck") <= 415


def test_who_drives_on_hits_a_parked_car():
    world = RoadWorld(RoadConfig(bend_deg=0, length_m=200), 0)
    world.kind, world.s, world.d = np.array([0]), np.array([40.0]), np.array([-LANE_M / 2])
    for name in ("pace", "along", "across", "begun", "_sides"):
        setattr(world, name, np.zeros(1))
    world.crossing, world.here, world.size = np.zeros(1, bool), np.ones(1, bool), np.array([CAR])
    seconds = 0
    while (fault := world.step(0.0, 0.0)) is None:
        seconds += 0.1
    assert fault == "hit a parked car"
    assert seconds == pytest.approx((40 - 12 - 4.4) / 6, abs=0.2)
    assert not world.here[0]


@pytest.mark.parametrize(
    ("x", "y", "angle", "touches"),
    [(4.3, 0, 0, True), (4.5, 0, 0, False), (0, 1.7, 0, True), (0, 1.9, 0, False), (3.0, 0, np.pi / 2, True),
     (3.2, 0, np.pi / 2, False), (4.0, 2.5, np.pi / 4, False), (3.5, 1.5, np.pi / 4, True)],
)  # fmt: skip
def test_cars_overlap_or_not(x, y, angle, touches):
    others = {"x": [x], "y": [y], "angle": [angle], "length": [4.4], "width": [1.8]}
    assert _overlap(others, 0) is touches
    # By points: a fine grid of one car inside the other.
    u, v = np.meshgrid(np.linspace(-2.2, 2.2, 89), np.linspace(-0.9, 0.9, 37))
    inside_x = x + u * np.cos(angle) - v * np.sin(angle)
    inside_y = y + u * np.sin(angle) + v * np.cos(angle)
    assert bool(((np.abs(inside_x) < 2.2) & (np.abs(inside_y) < 0.9)).any()) is touches


@pytest.mark.parametrize("options", [{"length_m": 5}, {"bend_deg": 90}, {"traffic": 9}, {"disturb": 1}, {"limit": 0}])
def test_values_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        RoadConfig(**options)

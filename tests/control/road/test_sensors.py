"""Camera, lidar and radar against the geometry by hand."""

import math

import numpy as np
import pytest

from longspan.control.road.sensors import LIDAR_ANGLES, LIDAR_REACH_M, Camera, lidar, radar
from longspan.control.road.world import CAR, RoadConfig, RoadWorld


def world_with(kind, ahead, left, pace=0.0):
    """A straight road with one other, so far ahead of and to the left of the car's middle."""
    world = RoadWorld(RoadConfig(bend_deg=0, length_m=200), 1)
    world.kind, world.s, world.d = np.array([kind]), np.array([12.0 + ahead]), np.array([-1.75 + left])
    for name in ("pace", "along", "across", "begun", "_sides"):
        setattr(world, name, np.zeros(1))
    world.along[:] = pace
    size = CAR if kind != 3 else (0.6, 0.6, 1.75)
    world.crossing, world.here, world.size = np.zeros(1, bool), np.ones(1, bool), np.array([size])
    return world


def test_lidar_measures_the_face_of_a_car():
    ranges = lidar(world_with(0, 20.0, 0.0))
    middle = int(np.abs(LIDAR_ANGLES).argmin())
    assert ranges[middle] == pytest.approx(20 - 2.2, abs=0.2)
    hit = np.flatnonzero(ranges < LIDAR_REACH_M)
    assert np.abs(LIDAR_ANGLES[hit]).max() <= math.atan2(0.9, 17.8) + 1e-6
    assert (lidar(world_with(0, 80.0, 0.0)) == LIDAR_REACH_M).all()


def test_radar_measures_radial_speed_and_misses_one_in_ten():
    world = world_with(1, 30.0, 5.0, pace=4.0)
    found = []
    for step in range(300):
        world.steps = step
        scan = radar(world)
        near = scan[
            (scan[:, 3] > 0) & (np.abs(scan[:, 1] - math.atan2(5, 30)) < 0.06) & (np.abs(scan[:, 0] - 28.2) < 1.5)
        ]
        found.append(near[0] if len(near) else None)
    seen = np.array([each for each in found if each is not None])
    assert 0.84 < len(seen) / 300 < 0.95
    assert seen[:, 2].mean() == pytest.approx((4.0 - 6.0) * math.cos(math.atan2(5, 30)), abs=0.1)
    assert seen[:, 0].mean() == pytest.approx(math.hypot(30, 5) - 2.2, abs=0.1)


def test_radar_has_false_targets():
    world = RoadWorld(RoadConfig(traffic=0), 0)
    counts = []
    for step in range(300):
        world.steps = step
        counts.append(int((radar(world)[:, 3] > 0).sum()))
    assert np.mean(counts) == pytest.approx(0.5, abs=0.12)


def test_the_camera_sees_a_car_where_its_box_is():
    camera = Camera(96, 192)
    near, empty = world_with(0, 12.0, 0.0), RoadWorld(RoadConfig(traffic=0, bend_deg=0, length_m=200), 1)
    difference = np.abs(camera.see(near).astype(int) - camera.see(empty).astype(int)).sum(2) > 30
    ((number, box, _),) = camera.boxes(near)
    assert number == 0
    rows, columns = np.nonzero(difference)
    assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == pytest.approx(box, abs=1.01)
    # A pinhole camera: 1.8 m at 9.8 m with a field of 80 degrees over 192 px.
    focal = 96 / math.tan(math.radians(40))
    assert box[2] - box[0] == pytest.approx(focal * 1.8 / 9.8, rel=1e-6)


def test_the_road_is_where_the_car_is_not_looking():
    camera = Camera(96, 192)
    world = RoadWorld(RoadConfig(traffic=0, bend_deg=0, length_m=200), 1)
    image = camera.see(world).astype(int)
    below = image[-1]
    green = below[:, 1] > below[:, 0] + 15
    # Right of the car the road ends 1.75 m away: grass; to the left it goes on for 5.25 m.
    assert green[-1]
    assert not green[96]
    edge = int(np.flatnonzero(green & (np.arange(192) > 96))[0])
    assert camera.left_m[-1, edge] == pytest.approx(-1.75, abs=0.15)


def test_sensors_are_a_function_of_seed_and_step():
    first, second = (RoadWorld(RoadConfig(), 5) for _ in range(2))
    for world in (first, second):
        world.step(0.0, 0.1)
    for sense in (lidar, radar, Camera().see):
        np.testing.assert_array_equal(sense(first), sense(second))
    second.steps += 1
    assert not np.array_equal(Camera().see(first), Camera().see(second))

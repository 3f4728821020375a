"""gymnasium's interface to the made-up road, and the expert on it."""

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")

from longspan.control import run_episodes  # noqa: E402
from longspan.control.road import RoadConfig, make_road  # noqa: E402
from longspan.control.road.expert import Expert  # noqa: E402
from longspan.errors import UnknownNameError  # noqa: E402


def test_gymnasium_finds_no_fault():
    from gymnasium.utils.env_checker import check_env

    check_env(make_road(RoadConfig(length_m=120)), skip_render_check=True)


def test_everything_is_marked_as_made_up_and_true():
    environment = make_road(RoadConfig(length_m=150))
    seen, info = environment.reset(seed=1)
    assert info["made_up"] is True
    assert set(seen) == {"camera", "lidar", "radar", "speed", "limit", "yaw_rate"}
    lane = info["truth"]["lane"]
    np.testing.assert_allclose(np.hypot(*np.diff(lane, axis=0).T), 2.0, atol=0.25)
    assert abs(lane[0, 1]) < 1e-6  # it begins in the middle


def test_sensors_are_chosen_by_name():
    assert set(make_road(sensors=("radar",)).observation_space.spaces) == {"radar", "speed", "limit", "yaw_rate"}
    with pytest.raises(UnknownNameError, match="lidar"):
        make_road(sensors=("lidarr",))


def test_the_expert_drives_without_a_fault():
    environment, expert = make_road(RoadConfig(length_m=400, traffic=1.5), sensors=()), Expert()
    for seed in range(3):
        _, info = environment.reset(seed=seed)
        expert.reset()
        over, faults = False, []
        for _ in range(1500):
            _, _, over, _, info = environment.step(expert(info["truth"]))
            faults += [info["fault"]] if info["fault"] else []
            if over:
                break
        assert (over, faults) == (True, [])


def test_nobody_at_the_wheel_has_faults():
    episodes = run_episodes(
        make_road(RoadConfig(length_m=200), sensors=()), lambda seen: np.zeros(2), episodes=2, max_steps=300
    )
    assert all(len(episode.faults) for episode in episodes)

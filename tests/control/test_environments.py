"""Environments: seeds, restoring, and what is said where one cannot be used."""

import functools

import numpy as np
import pytest
from tests.control.worlds import Walk

from longspan import extras
from longspan.control import Environments, make_environment
from longspan.control.environments import episode_seed
from longspan.control.families import FAMILIES
from longspan.errors import ConfigError, DependencyError, TrainingError, UnknownNameError


def play(environments, steps, start=0):
    """Observations, rewards and ends of some steps, by actions that are a function of the step."""
    found = []
    for step in range(start, start + steps):
        actions = np.array([(step * 7 + number * 3) % 5 % 2 for number in range(len(environments))])
        steps_ = environments.step(actions)
        found.append((steps_.observations.copy(), steps_.rewards.tolist(), steps_.terminated.tolist()))
    return found


def same(one, other):
    return all(np.array_equal(a[0], b[0]) and a[1:] == b[1:] for a, b in zip(one, other, strict=True))


def test_episodes_are_a_function_of_seed_and_number_and_not_of_how_many_environments_there_are():
    alone, three = Environments(Walk, seed=5), Environments(Walk, number=3, seed=5)
    first, others = alone.reset(), three.reset()
    assert np.array_equal(first[0], others[0])
    one, all_ = play(alone, 40), play(three, 40)
    assert all(np.array_equal(a[0][0], b[0][0]) and a[1][0] == b[1][0] for a, b in zip(one, all_, strict=True))
    again = Environments(Walk, seed=6)
    again.reset()
    assert not same(one, play(again, 40))


@pytest.mark.parametrize("make", [Walk, "MinAtar/Breakout-v1"])
def test_restored_environments_go_on_as_if_nothing_had_been(make):
    undisturbed = Environments(make, number=2, seed=1)
    undisturbed.reset()
    play(undisturbed, 23)
    state = undisturbed.state()
    resumed = Environments(make, number=2, seed=1)
    resumed.restore(state)
    assert same(play(undisturbed, 60, 23), play(resumed, 60, 23))


def test_an_environment_with_randomness_that_no_seed_sets_is_told_when_it_is_restored():
    environments = Environments(Walk, seed=1)
    with pytest.raises(TrainingError, match="does not play the same episode again"):
        environments.restore({"episodes": [0], "actions": [[1] * 60]})


def test_seeds_of_training_and_evaluation_never_meet():
    training = {episode_seed(3, "training", number, episode) for number in range(4) for episode in range(500)}
    evaluation = {episode_seed(3, "evaluation", 0, episode) for episode in range(2000)}
    assert not training & evaluation
    assert len(training) == 2000
    assert max(training) < 2**31


def test_a_time_limit_is_truncation_and_an_end_of_the_episode_is_not():
    environments = Environments(functools.partial(Walk, slip=0.0), seed=0, max_steps=3)
    first = environments.reset()
    ends = [environments.step(np.array([step % 2])) for step in range(3)]
    assert [bool(each.truncated[0]) for each in ends] == [False, False, True]
    assert not any(each.terminated[0] for each in ends)
    assert np.array_equal(ends[2].last_observations[0][0].argmax(), first[0][0].argmax() - 1)
    assert environments.episodes == [1]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raises", r"episode 0, step 2\) failed: RuntimeError: the world fell apart"),
        ("reward", "gave the reward nan"),
        ("shape", r"observation of shape \(2, 7\); those before have \(3, 7\)"),
    ],
)
def test_an_environment_that_breaks_is_named_with_its_episode_and_step(fault, said):
    environments = Environments(functools.partial(Walk, break_at=2, fault=fault), seed=0)
    environments.reset()
    with pytest.raises(TrainingError, match=said):
        play(environments, 2)


@pytest.mark.parametrize(
    ("name", "near", "extra"),
    [("MinAtar/Brekout-v1", "MinAtar/Breakout-v1", "games"), ("CartPole-v9", "CartPole-v1", "control"),
     ("racetrak-v0", "racetrack-v0", "control")],
)  # fmt: skip
def test_an_unknown_name_is_answered_by_the_nearest_and_its_extra(name, near, extra):
    with pytest.raises(UnknownNameError, match=f"Did you mean '{near}'.*longspan\\[{extra}\\]"):
        make_environment(name)


def test_a_missing_library_is_answered_by_the_install_line(monkeypatch):
    real = extras.importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "minatar" else real(name))
    with pytest.raises(DependencyError, match=r"minatar, which is not installed: python -m pip .*longspan\[games\]"):
        make_environment("MinAtar/Breakout-v1")


def test_options_that_an_environment_does_not_have_are_named():
    with pytest.raises(ConfigError, match="stickiness"):
        make_environment("MinAtar/Breakout-v1", stickiness=0.5)


def test_the_names_that_are_known_without_a_library_exist_in_it():
    for family in FAMILIES:
        for name in family.names:
            make_environment(name) if "ALE" not in name and "-v0" not in name else family.register()
    import gymnasium

    assert {name for family in FAMILIES for name in family.names} <= set(gymnasium.registry)

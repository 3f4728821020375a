"""Q-learning with a table, and positions that a function finds."""

import functools

import numpy as np
import pytest
from tests.control.worlds import Walk

import longspan as ls
from longspan.control import breakout_positions, run_episodes
from longspan.errors import ConfigError


def test_values_are_those_of_the_equations_of_bellman():
    make = functools.partial(Walk, slip=0.0)
    table = ls.QTable(make, ls.QTableConfig(rate=0.5, discount=0.9, exploration_final=1.0), seed=0).fit(3000)
    world = make()
    world.reset(seed=0)
    world.place = 3
    values = table.values[np.ascontiguousarray(world._seen()).tobytes()]
    # Three steps to the right end; one to the left and back costs two more.
    assert values == pytest.approx([0.9**4, 0.9**2], abs=1e-3)
    assert len(table.values) == 5  # the two ends have no future


def test_it_plays_well_and_the_same_with_the_same_seed():
    make = functools.partial(Walk, either=True)
    tables = [ls.QTable(make, ls.QTableConfig(exploration_steps=1000), seed=3) for _ in range(2)]
    tables[0].fit(4000)
    tables[1].fit(1000).fit(3000)  # in pieces
    assert run_episodes(make, tables[0], episodes=50).mean() > 0.9
    assert tables[0].steps == tables[1].steps


def test_positions_of_breakout_are_those_of_the_game():
    environment = ls.make_environment("MinAtar/Breakout-v1")
    seen, _ = environment.reset(seed=5)
    game = environment.unwrapped.game.env
    for step in range(60):
        seen, _, over, _, _ = environment.step(step % 3)
        found = breakout_positions(seen)
        assert found[:3] == pytest.approx([game.pos / 9, game.ball_x / 9, game.ball_y / 9])
        assert found[5] == pytest.approx(game.brick_map.sum() / 30)
        if over:
            environment.reset(seed=step)


def test_what_a_table_cannot_learn_is_refused():
    with pytest.raises(ConfigError, match="chooses among a few actions"):
        ls.QTable("Pendulum-v1")
    with pytest.raises(ConfigError, match="coarser state="):
        ls.QTable("CartPole-v1", ls.QTableConfig(most_states=50)).fit(200)
    with pytest.raises(ConfigError, match="not those of 'MinAtar/Freeway-v1'"):
        ls.with_positions("MinAtar/Freeway-v1")

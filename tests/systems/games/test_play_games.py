"""play-games: short runs of each strategy."""

import json

import numpy as np
import pytest

from longspan.control.episodes import interquartile_mean
from longspan.errors import ConfigError
from longspan.systems import SystemRun, find_system
from longspan.systems.games.play_games import PlayGamesOptions

PONG = "ALE/Pong-v5"
pytestmark = pytest.mark.filterwarnings("ignore:.*render")


def run(folder, **options):
    find_system("play-games").run(PlayGamesOptions(**options), SystemRun("play-games", folder, quiet=True))
    return json.loads((folder / "result.json").read_text())


@pytest.mark.parametrize("strategy", ["pixels", "positions", "table"])
def test_each_strategy_ends_in_returns_with_an_interval(tmp_path, strategy):
    result = run(tmp_path, strategy=strategy, frames=400, episodes=4, seeds=2)
    returns = np.array([each["returns"] for each in result["seeds"]])
    assert returns.shape == (2, 4)
    metrics = result["metrics"]
    assert metrics["return, interquartile mean"] == pytest.approx(interquartile_mean(returns))
    assert metrics["95 % from"] <= metrics["return, interquartile mean"] <= metrics["95 % to"]
    assert [len(each["curve"]) for each in result["seeds"]] == [20, 20]
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "episode.gif").exists() == (strategy == "pixels")


def test_finished_trainings_are_not_done_again(tmp_path):
    first = run(tmp_path, frames=400, episodes=4)
    again = run(tmp_path, frames=400, episodes=4)
    for name in ("returns", "curve"):
        assert again["seeds"][0][name] == first["seeds"][0][name]
    assert again["seconds"]["train"] < 2 * first["seconds"]["train"]


def test_positions_are_known_of_one_game():
    with pytest.raises(ConfigError, match="MinAtar/Breakout-v1 alone"):
        PlayGamesOptions(env="MinAtar/Freeway-v1", strategy="table")
    with pytest.raises(ConfigError, match="prioritized"):
        PlayGamesOptions(prioritized=2.0)


def test_atari_games_have_settings_of_their_own():
    grid, screen = (
        PlayGamesOptions(env=name, n_step=2, dueling=True).config() for name in ("MinAtar/Freeway-v1", PONG)
    )
    assert grid.network is None
    assert screen.network is not None
    assert (screen.network.hidden, screen.network.dueling, grid.dueling, grid.train_every) == ((256,), True, True, 4)
    assert (grid.n_step, screen.n_step, screen.train_every) == (2, 2, 8)


@pytest.mark.slow
def test_a_table_learns_breakout(tmp_path):
    result = run(tmp_path, strategy="table", frames=150_000, episodes=50)
    assert result["metrics"]["return, mean"] > 4

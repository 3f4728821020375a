"""Environments that answer: games and driving, recorded, replayed and measured episode by episode."""

from __future__ import annotations

from longspan.control.dqn import DQN, Agent, DQNConfig, DQNRun, load_agent
from longspan.control.environments import Environments, make_environment
from longspan.control.episode_evaluator import episode_evaluator
from longspan.control.episodes import Episode, Episodes, run_episodes
from longspan.control.films import film_strip, save_gif
from longspan.control.object_positions import breakout_positions, with_positions
from longspan.control.q_table import QTable, QTableConfig
from longspan.control.recording import Recording

__all__ = [
    "DQN", "Agent", "DQNConfig", "DQNRun", "Environments", "Episode", "Episodes", "QTable", "QTableConfig", "Recording",
    "breakout_positions", "episode_evaluator", "film_strip", "load_agent", "make_environment", "run_episodes",
    "save_gif", "with_positions",
]  # fmt: skip

"""DQN: action values learned from what the environment shows."""

from __future__ import annotations

from longspan.control.dqn.agent import Agent, load_agent
from longspan.control.dqn.config import DQNConfig
from longspan.control.dqn.replay_buffer import ReplayBuffer
from longspan.control.dqn.training import DQN, DQNRun

__all__ = ["DQN", "Agent", "DQNConfig", "DQNRun", "ReplayBuffer", "load_agent"]

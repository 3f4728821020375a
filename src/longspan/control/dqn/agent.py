"""A trained agent: a network with what it needs to play, in a file and out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch

from longspan.control.dqn.config import DQNConfig
from longspan.control.dqn.observations import FrameKind, game_maker
from longspan.control.dqn.replay_buffer import next_stack
from longspan.control.environments import episode_seed, forget_last_action
from longspan.control.episodes import Episode, Episodes, run_episodes
from longspan.errors import ConfigError, LongspanError, ModelFileError, TrainingError
from longspan.models.control import QNetwork, QNetworkConfig
from longspan.storage.files import read_tensors, write_tensors
from longspan.version import __version__

if TYPE_CHECKING:
    from gymnasium import Env

    from longspan.control.recording import Recording

__all__ = ["AGENT_FORMAT", "Agent", "load_agent"]

AGENT_FORMAT = {"format": "longspan agent", "format_version": 1}


@final
class Agent:
    """A network that plays: the action with the highest value, always.

    `agent(observation)` gives an action and remembers frames where the network sees several; `agent.reset()` forgets
    them. So an agent is a policy for `run_episodes`.
    """

    def __init__(
        self,
        network: QNetwork,
        kind: FrameKind,
        config: DQNConfig,
        *,
        environment: str,
        options: Mapping[str, Any] | None = None,
        trained: Mapping[str, Any] | None = None,
        make: Callable[[], Env] | None = None,
    ) -> None:
        """Wrap a network.

        Args:
            network: Values of actions.
            kind: What it sees.
            config: How it was trained.
            environment: Name of the environment.
            options: Of the environment.
            trained: What is on record of the training: frames, seed, evaluations.
            make: Makes the environment, where a name does not.
        """
        self.network = network.eval()
        self.kind = kind
        self.config = config
        self.environment = environment
        self.options = dict(options or {})
        self.trained = dict(trained or {})
        self.make = make
        self._stack: np.ndarray | None = None

    def reset(self) -> None:
        """Forget the frames of the last episode."""
        self._stack = None

    def __call__(self, observation: Any) -> int:
        """An action for one observation."""
        frame = self.kind.stored(np.asarray(observation)[None])[0]
        self._stack = _first_stack(frame, self.kind.stack) if self._stack is None else next_stack(
            self._stack, frame, self.kind.stack
        )  # fmt: skip
        return int(self.actions(self._stack[None])[0])

    def actions(self, stacks: np.ndarray) -> np.ndarray:
        """`(B,)`: actions for stacked frames `(B, ...)`."""
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            return self.network(torch.from_numpy(np.ascontiguousarray(stacks)).to(device)).argmax(1).cpu().numpy()

    def maker(self, *, render: bool = False, options: Mapping[str, Any] | None = None) -> Callable[[], Env]:
        """Makes the environment as it was in training, but for lives: an evaluation plays whole games."""
        if self.make is not None:
            return self.make
        return game_maker(self.environment, render=render, **{**self.options, **(options or {})})

    def play(
        self, episodes: int = 10, *, seed: int = 0, recording: Recording | None = None, max_steps: int | None = None
    ) -> Episodes:
        """Greedy episodes one after another, none of them one of any training.

        Args:
            episodes: How many.
            seed: Of the evaluation.
            recording: Keeps every step.
            max_steps: Truncate episodes after so many steps; None: as in training.
        """
        make = self.maker(render=recording is not None and recording.frames)
        return run_episodes(
            make, self, episodes=episodes, seed=seed, max_steps=max_steps or self.config.max_steps, recording=recording
        )

    def evaluate(self, episodes: int = 100, *, seed: int = 0) -> Episodes:
        """Greedy episodes played side by side, which is quicker than `play`: the same ones."""
        return play_together(self, self.maker(), episodes, seed, self.config.max_steps)

    def save(self, path: str | Path) -> Path:
        """Write one file with everything that `load_agent` needs, but for an environment class of your own."""
        target = Path(path).expanduser()
        values = {
            **AGENT_FORMAT, "library_version": __version__, "environment": self.environment, "options": self.options,
            "network": self.network.config.to_json(), "kind": asdict(self.kind), "config": self.config.to_json(),
            "trained": self.trained,
        }  # fmt: skip
        write_tensors(target, self.network.state_dict(), values)
        return target


def load_agent(path: str | Path, *, make: Callable[[], Env] | None = None, device: str = "cpu") -> Agent:
    """The agent in a file that `Agent.save` or `longspan train --env` wrote. Nothing in it is executed.

    Args:
        path: The file, or the folder of the training.
        make: Makes the environment, where it is a class of your own.
        device: Where it shall run.

    Raises:
        ModelFileError: cut short, damaged, from a newer longspan, or not an agent.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        path = path / "model.safetensors"
    tensors, values = read_tensors(path)
    if values.get("format") != AGENT_FORMAT["format"]:
        raise ModelFileError(
            f"{path} is a longspan file of kind {values.get('format')!r}, not an agent. Models of rows are read by "
            "longspan.load and longspan predict."
        )
    version = values.get("format_version")
    if not isinstance(version, int) or version > AGENT_FORMAT["format_version"]:
        raise ModelFileError(
            f"{path} has format version {version}, written by longspan {values.get('library_version')}; this is "
            f"longspan {__version__}, which reads up to {AGENT_FORMAT['format_version']}. Update longspan."
        )
    try:
        about = values["kind"]
        kind = FrameKind(**{**about, "shape": tuple(about["shape"])})
        network = QNetwork(
            QNetworkConfig.from_json(values["network"]), shape=kind.network_shape, num_actions=kind.num_actions,
            largest=kind.largest,
        )  # fmt: skip
        network.load_state_dict(tensors)
        config = DQNConfig.from_json(values["config"])
        name, options, trained = values["environment"], values["options"], values["trained"]
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, LongspanError) as error:
        raise ModelFileError(f"{path} cannot be read as an agent: {error}") from error
    return Agent(network.to(device), kind, config, environment=name, options=options, trained=trained, make=make)


def play_together(
    agent: Agent, make: Callable[[], Env], episodes: int, seed: int, max_steps: int, at_once: int = 32
) -> Episodes:
    """As `run_episodes`, several at a time: one forward pass chooses for all that are still running."""
    if episodes < 1:
        raise ConfigError(f"An evaluation needs at least one episode, got {episodes}.")
    found: list[Episode] = []
    environments = [make() for _ in range(min(at_once, episodes))]
    try:
        for first in range(0, episodes, at_once):
            numbers = range(first, min(first + at_once, episodes))
            found += _play_some(agent, environments[: len(numbers)], numbers, seed, max_steps)
    finally:
        for environment in environments:
            environment.close()
    return Episodes(tuple(found))


def _play_some(agent: Agent, environments: list[Any], numbers: range, seed: int, max_steps: int) -> list[Episode]:
    kind = agent.kind
    seeds = [episode_seed(seed, "evaluation", 0, number) for number in numbers]
    totals, lengths = np.zeros(len(numbers)), np.zeros(len(numbers), int)
    cut_short, faults = np.zeros(len(numbers), bool), [[] for _ in numbers]
    stacks = []
    for environment, its_seed in zip(environments, seeds, strict=True):
        forget_last_action(environment)
        seen, _ = environment.reset(seed=its_seed)
        stacks.append(_first_stack(kind.stored(np.asarray(seen)[None])[0], kind.stack))
    going = list(range(len(numbers)))
    while going:
        chosen = agent.actions(np.stack([stacks[place] for place in going]))
        still = []
        for place, action in zip(going, chosen.tolist(), strict=True):
            try:
                seen, reward, over, cut, info = environments[place].step(action)
            except LongspanError:
                raise
            except Exception as error:
                raise TrainingError(
                    f"Episode {numbers[place]} (seed {seeds[place]}) failed after {lengths[place]} steps: "
                    f"{type(error).__name__}: {error}"
                ) from error
            totals[place] += float(reward)
            lengths[place] += 1
            if not np.isfinite(totals[place]):
                raise TrainingError(f"The environment gave the reward {reward} in episode {numbers[place]}.")
            if fault := info.get("fault"):
                faults[place].append("fault" if fault is True else str(fault))
            stacks[place] = next_stack(stacks[place], kind.stored(np.asarray(seen)[None])[0], kind.stack)
            cut_short[place] = not over and (cut or lengths[place] >= max_steps)
            if not over and not cut_short[place]:
                still.append(place)
        going = still
    return [
        Episode(
            number=number, seed=seeds[place], total_reward=float(totals[place]), length=int(lengths[place]),
            faults=tuple(faults[place]), truncated=bool(cut_short[place]),
        )
        for place, number in enumerate(numbers)
    ]  # fmt: skip


def _first_stack(frame: np.ndarray, stack: int) -> np.ndarray:
    return frame if stack == 1 else np.concatenate([frame] * stack, axis=-1)

"""DQN: the training loop on one page, with checkpoints that go on exactly."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from longspan.control.dqn.agent import Agent, play_together
from longspan.control.dqn.checkpoint import STATE, check_same, newest_checkpoint, write_checkpoint
from longspan.control.dqn.config import DQNConfig
from longspan.control.dqn.observations import frame_kind, game_maker
from longspan.control.dqn.replay_buffer import ReplayBuffer, Transitions
from longspan.control.environments import Environments
from longspan.errors import CheckpointError, ConfigError, TrainingError
from longspan.models.control import QNetwork, QNetworkConfig
from longspan.randomness import seed_generators, step_seed, uniform
from longspan.storage.files import plain, write_whole
from longspan.storage.lock import FolderLock
from longspan.train.protection.interrupt import interrupts_noted

if TYPE_CHECKING:
    from gymnasium import Env

__all__ = ["DQN", "DQNRun"]

_CHUNK = 128
"""Steps of all environments whose random numbers are computed together."""


@final
@dataclass(frozen=True, kw_only=True)
class DQNRun:
    """What a training came to."""

    agent: Agent
    """The network at the end: the last one, not the best of the evaluations."""
    frames: int
    """Frames that were played."""
    updates: int
    """Steps of the optimizer."""
    curve: list[dict[str, Any]]
    """Of each evaluation on the way: frames, mean return, episodes; and the mean return of the training episodes
    since the one before."""
    seconds: float
    """Of all calls, without evaluations."""
    frames_per_s: float
    """While it learned, without evaluations."""


@final
class DQN:
    """Deep Q-learning from what an environment shows: images, grids or vectors.

    Everything random is a function of the seed and a count: initial weights, exploration by step, draws from the buffer
    by step, environments by episode. A training that is killed and resumed from its folder is equal, to the bit, to one
    that was not. Sticky actions, lives and time limits: see `game_maker` and `DQNConfig`.

    Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning", algorithm 1. Differs: Adam in
    place of RMSProp; several environments step together, and all updates until their next step draw from the buffer
    first and value their targets in one pass, as the target network stands still (with `double`, the online network
    chooses their next actions as it is before those updates); a step that a time limit cuts is not taken for an end.

    Example:
        >>> DQN("MinAtar/Breakout-v1", DQNConfig(double=True, n_step=3), seed=1).config.n_step
        3
    """

    def __init__(
        self,
        environment: str | Callable[[], Env],
        config: DQNConfig | None = None,
        *,
        seed: int = 0,
        device: str = "auto",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare a training.

        Args:
            environment: Name, or a function that makes one.
            config: How it learns.
            seed: Of everything random.
            device: Where the network runs; "auto" is the GPU if there is one.
            options: Of an environment that is given by name: `{"sticky_action_prob": 0.0}`.
        """
        self.config = config or DQNConfig()
        self.seed = seed
        self.options = dict(options or {})
        self.name = environment if isinstance(environment, str) else _name_of(environment)
        self.make = game_maker(environment, life_loss=self.config.terminal_on_life_loss, **self.options)
        self._given = None if isinstance(environment, str) else environment
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(wanted if device == "auto" else device)

    def fit(
        self,
        frames: int = 1_000_000,
        *,
        folder: str | Path | None = None,
        resume: bool = False,
        evaluate_every: int | None = 50_000,
        evaluation_episodes: int = 20,
        checkpoint_every: int = 50_000,
        tell: Callable[[str], None] | None = None,
    ) -> DQNRun:
        """Play and learn.

        Args:
            frames: How many frames are played, over all environments.
            folder: For the model, its curve, and checkpoints with the replay buffer; None keeps everything in memory.
            resume: Go on from the last checkpoint in `folder`.
            evaluate_every: Frames between evaluations by greedy episodes; None: none.
            evaluation_episodes: Of each.
            checkpoint_every: Frames between checkpoints.
            tell: Gets a line per evaluation.

        Raises:
            TrainingError: the environment fails, or the loss is not finite. What the last checkpoint has is kept.
            CheckpointError: the folder is in use, cannot be written, or does not fit this training.
        """
        if frames < 1 or checkpoint_every < 1 or evaluation_episodes < 1 or (evaluate_every or 1) < 1:
            raise ConfigError(
                "DQN.fit: frames, checkpoint_every, evaluate_every and evaluation_episodes are at least 1."
            )
        if resume and folder is None:
            raise ConfigError("DQN.fit: resume=True needs the folder of the training.")
        training = _Training(self, frames, None if folder is None else Path(folder).expanduser(), checkpoint_every)
        training.evaluate_every, training.evaluation_episodes = evaluate_every, evaluation_episodes
        training.tell = tell or (lambda line: None)
        return training.run(resume)


def _name_of(make: Callable[[], Any]) -> str:
    inner = getattr(make, "func", make)
    return getattr(inner, "__qualname__", type(inner).__name__)


@final
class _Training:
    """One training while it runs."""

    def __init__(self, dqn: DQN, frames: int, folder: Path | None, checkpoint_every: int) -> None:
        config = self.config = dqn.config
        self.dqn, self.total, self.folder, self.checkpoint_every = dqn, frames, folder, checkpoint_every
        self.evaluate_every: int | None = None
        self.evaluation_episodes = 20
        self.tell: Callable[[str], None] = print
        n = config.environments
        self.environments = Environments(dqn.make, number=n, seed=dqn.seed, max_steps=config.max_steps)
        self.environments.name = dqn.name
        self.kind = frame_kind(
            dqn.name, self.environments.observation_space, self.environments.action_space, config.frame_stack
        )
        seed_generators(step_seed(dqn.seed, "network", 0), dqn.device)
        design = config.network or QNetworkConfig.of_shape(self.kind.network_shape, dueling=config.dueling)
        shape, actions = self.kind.network_shape, self.kind.num_actions
        self.online = QNetwork(design, shape=shape, num_actions=actions, largest=self.kind.largest).to(dqn.device)
        self.target = QNetwork(design, shape=shape, num_actions=actions, largest=self.kind.largest).to(dqn.device)
        self.target.load_state_dict(self.online.state_dict())
        self.parameters = list(self.online.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=config.lr, eps=config.adam_eps, fused=True)
        self.step = 0  # of all environments together
        self.updates = 0
        self.curve: list[dict[str, Any]] = []
        self.returns = np.zeros(n)  # of the running episodes
        self.finished: list[float] = []  # returns of training episodes since the last evaluation
        self.seconds = 0.0

    @property
    def frames(self) -> int:
        return self.step * self.config.environments

    def run(self, resume: bool) -> DQNRun:
        if self.folder is None:
            return self._run(False)
        what = f"The folder {self.folder}"
        with FolderLock(self.folder, ".training.lock", what=what, error=CheckpointError):
            if not resume and any((self.folder / name).exists() for name in (STATE, "model.safetensors")):
                raise CheckpointError(
                    f"{self.folder} holds a training already. Resume it (resume=True, --resume), or name another "
                    "folder."
                )
            return self._run(resume)

    def _run(self, resume: bool) -> DQNRun:
        """The loop: act, store, learn, evaluate."""
        config = self.config
        seen = self._begin(resume)
        learning_from, learned_s = time.perf_counter(), 0.0
        try:
            with interrupts_noted() as interrupted:
                while self.frames < self.total:
                    ages = np.array([len(actions) for actions in self.environments.actions])
                    actions = self._act(self.buffer.newest_stack(seen, ages))
                    steps = self.environments.step(actions)
                    self._store(seen, actions, steps, ages)
                    seen = self.kind.stored(steps.observations)
                    before, self.step = self.frames, self.step + 1
                    if self.frames >= config.learning_starts and self.buffer.drawable:
                        updates = self.frames // config.train_every - before // config.train_every
                        if updates:
                            self._learn(updates)
                    if self.frames // config.target_every > before // config.target_every:
                        self.target.load_state_dict(self.online.state_dict())
                    if _passed(before, self.frames, self.evaluate_every) or self.frames >= self.total:
                        learned_s += time.perf_counter() - learning_from
                        self._evaluate(last=self.frames >= self.total)
                        learning_from = time.perf_counter()
                    stop = interrupted()
                    if self.folder is not None and (stop or _passed(before, self.frames, self.checkpoint_every)):
                        self.seconds += learned_s + time.perf_counter() - learning_from
                        learned_s, learning_from = 0.0, time.perf_counter()
                        self._checkpoint()
                    if stop:
                        raise KeyboardInterrupt
        except TrainingError as error:
            kept = self._kept()
            raise TrainingError(f"{error} {kept}" if kept else str(error)) from error
        finally:
            self.environments.close()
        learned_s += time.perf_counter() - learning_from
        self.seconds += learned_s
        return self._end()

    # --- one step ---------------------------------------------------------------------------------------------------

    def _act(self, stacks: np.ndarray) -> np.ndarray:
        """`(N,)` actions: random ones with the probability of this frame, else the best."""
        config, n = self.config, self.config.environments
        place = self.step % _CHUNK
        if place == 0 or self._explore_chunk != self.step // _CHUNK:
            self._explore_chunk = self.step // _CHUNK
            rows = torch.arange(_CHUNK * n)
            drawn = uniform(self.dqn.seed, "explore", self._explore_chunk, rows, 2)
            self._explore = drawn.numpy().reshape(_CHUNK, n, 2)
        if self.frames < config.learning_starts:
            chance = 1.0
        else:
            done = min(1.0, self.frames / config.exploration_frames)
            chance = 1.0 + done * (config.exploration_final - 1.0)
        random = self._explore[place, :, 0] < chance
        actions = (self._explore[place, :, 1] * self.kind.num_actions).astype(np.int64)
        if not random.all():
            with torch.inference_mode():
                values = self.online(torch.from_numpy(stacks).to(self.dqn.device))
            actions = np.where(random, actions, values.argmax(1).cpu().numpy())
        return actions

    def _store(self, seen: np.ndarray, actions: np.ndarray, steps: Any, ages: np.ndarray) -> None:
        rewards = np.clip(steps.rewards, -1, 1) if self.config.clip_rewards else steps.rewards
        last = {number: self.kind.stored(found[None])[0] for number, found in steps.last_observations.items()}
        self.buffer.add(seen, actions, rewards, steps.terminated, steps.truncated, ages, last)
        self.returns += steps.rewards
        for number in steps.last_observations:
            self.finished.append(float(self.returns[number]))
            self.returns[number] = 0.0

    def _learn(self, updates: int) -> None:
        """Some steps of the optimizer: all batches are drawn, and their targets valued, at once."""
        config, size = self.config, self.config.batch_size
        done = min(1.0, self.frames / self.total)
        drawn = self.buffer.draw(
            self._numbers(updates * size), importance=config.importance + done * (1 - config.importance)
        )
        observations = self.online.scaled(torch.from_numpy(drawn.observations).to(self.dqn.device))
        targets = self._targets(drawn)
        actions = torch.from_numpy(drawn.actions).to(self.dqn.device).unsqueeze(1)
        weights = None if drawn.weights is None else torch.from_numpy(drawn.weights).to(self.dqn.device)
        errors = []
        for first in range(0, updates * size, size):
            part = slice(first, first + size)
            values = self.online(observations[part]).gather(1, actions[part]).squeeze(1)
            loss = _huber(values, targets[part], None if weights is None else weights[part])
            loss.backward()
            if config.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(self.parameters, config.clip_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
            if weights is not None:
                errors.append((targets[part] - values.detach()).cpu().numpy())
        self.updates += updates
        if self.buffer.priorities is not None:
            self.buffer.priorities.update(drawn.places, np.concatenate(errors))
        if self.step % _CHUNK == 0 and not bool(torch.isfinite(self.parameters[-1]).all()):
            raise TrainingError(
                f"The weights are not finite after {self.frames:,} frames. Use a lower lr, or clip_norm=10."
            )

    def _targets(self, drawn: Transitions) -> Tensor:
        with torch.inference_mode():
            after = self.target.scaled(torch.from_numpy(drawn.next_observations).to(self.dqn.device))
            values = self.target(after)
            if self.config.double:
                best = values.gather(1, self.online(after).argmax(1, keepdim=True)).squeeze(1)
            else:
                best = values.amax(1)
            returns = torch.from_numpy(drawn.returns).to(self.dqn.device)
            found = returns + torch.from_numpy(drawn.discounts).to(self.dqn.device) * best
        return found.clone()  # an ordinary tensor: the loss saves it for the backward pass

    def _numbers(self, count: int) -> np.ndarray:
        """`(count,)` numbers in [0, 1): a function of seed and step alone."""
        chunk, place = divmod(self.step, _CHUNK)
        if self._draw_chunk != (chunk, count):
            self._draw_chunk = (chunk, count)
            drawn = uniform(self.dqn.seed, "replay", chunk, torch.arange(_CHUNK * count), 1)
            self._drawn = drawn.numpy().reshape(_CHUNK, count)
        return self._drawn[place]

    # --- evaluations, checkpoints, the end --------------------------------------------------------------------------

    def _agent(self) -> Agent:
        about = {
            "frames": self.frames, "updates": self.updates, "seed": self.dqn.seed, "curve": self.curve,
            "seconds": self.seconds,
        }  # fmt: skip
        return Agent(
            self.online, self.kind, self.config, environment=self.dqn.name, options=self.dqn.options, trained=about,
            make=self.dqn._given,
        )  # fmt: skip

    def _evaluate(self, *, last: bool) -> None:
        """Greedy episodes that no training plays; the network and the training's environments stay as they are."""
        training = float(np.mean(self.finished)) if self.finished else None
        row: dict[str, Any] = {
            "frames": self.frames, "updates": self.updates, "training_return": training,
            "training_episodes": len(self.finished),
        }  # fmt: skip
        if self.evaluate_every is not None:
            agent = self._agent()
            found = play_together(
                agent, agent.maker(), self.evaluation_episodes, self.dqn.seed, self.config.max_steps
            ).values("return")
            self.online.train()
            row |= {"return": float(found.mean()), "episodes": len(found), "returns": found.tolist()}
            self.tell(
                f"{self.frames:>11,} frames  return {row['return']:8.2f} over {len(found)} greedy episodes"
                + ("" if training is None else f"  ({training:.2f} while training)")
            )
        if self.evaluate_every is not None or last:
            self.curve.append(row)
            self.finished = []

    def _checkpoint(self) -> None:
        assert self.folder is not None
        self._agent().save(self.folder / "model.safetensors")
        write_checkpoint(self.folder, self)

    def _begin(self, resume: bool) -> np.ndarray:
        """What the environments show at first, or where the checkpoint left them."""
        config = self.config
        self._explore_chunk, self._draw_chunk = -1, (-1, 0)
        self._explore, self._drawn = np.zeros(0), np.zeros(0)
        tensors, values = newest_checkpoint(self.folder) if resume and self.folder is not None else ({}, {})
        if values:
            check_same(values, self._settings(), self.folder)
        self.buffer = ReplayBuffer(
            config.buffer_size, shape=self.kind.shape, dtype=self.kind.dtype, environments=config.environments,
            stack=self.kind.stack, n_step=config.n_step, discount=config.discount, prioritized=config.prioritized,
            spare=self.checkpoint_every + config.environments,
            folder=None if self.folder is None else self.folder / "replay", resume=bool(values),
        )  # fmt: skip
        if not values:
            seen = self.kind.stored(self.environments.reset())
            if self.folder is not None:
                self._checkpoint()  # so that a training can be resumed from its first step on
            return seen
        try:
            self._restore(tensors, values)
            return self.kind.stored(self.environments.restore(values["environments"]))
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise CheckpointError(f"The checkpoint in {self.folder} cannot be read: {error}.") from error

    def _settings(self) -> dict[str, Any]:
        """What a resumed training must have in common with the one before."""
        return {
            "environment": self.dqn.name, "options": self.dqn.options, "config": self.config.to_json(),
            "seed": self.dqn.seed, "kind": asdict(self.kind), "checkpoint_every": self.checkpoint_every,
            "evaluate_every": self.evaluate_every, "evaluation_episodes": self.evaluation_episodes,
            "total": self.total,
        }  # fmt: skip

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON values of everything but the rows of the buffer."""
        tensors = {f"online.{name}": value for name, value in self.online.state_dict().items()}
        tensors |= {f"target.{name}": value for name, value in self.target.state_dict().items()}
        for place, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{place}.{name}": value for name, value in state.items()}
        tensors["returns"] = torch.from_numpy(self.returns.copy())
        cut = sorted(self.buffer.cut_short.items())
        if cut:
            tensors["cut_short"] = torch.from_numpy(np.stack([frame for _, frame in cut]))
        if self.buffer.priorities is not None:
            tensors["priorities"] = torch.from_numpy(self.buffer.priorities.leaves())
        values = {
            **self._settings(), "step": self.step, "updates": self.updates, "curve": self.curve,
            "finished": self.finished, "seconds": self.seconds, "head": self.buffer.head,
            "environments": self.environments.state(), "cut_short": [list(key) for key, _ in cut],
            "largest": None if self.buffer.priorities is None else self.buffer.priorities.largest,
        }  # fmt: skip
        return tensors, values

    def _restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        for network, prefix in ((self.online, "online."), (self.target, "target.")):
            network.load_state_dict(
                {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            )
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, place, what = name.split(".")
                state.setdefault(int(place), {})[what] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.returns = tensors["returns"].numpy().copy()
        self.step, self.updates = int(values["step"]), int(values["updates"])
        self.curve, self.finished = list(values["curve"]), list(values["finished"])
        self.seconds = float(values["seconds"])
        self.buffer.restore(int(values["head"]))
        for key, frame in zip(values["cut_short"], tensors.get("cut_short", []), strict=True):
            self.buffer.cut_short[int(key[0]), int(key[1])] = frame.numpy()
        if self.buffer.priorities is not None:
            self.buffer.priorities.restore(tensors["priorities"].numpy(), float(values["largest"]))

    def _kept(self) -> str:
        if self.folder is None or not (self.folder / STATE).exists():
            return ""
        return f"The training up to its last checkpoint is in {self.folder}; it can be resumed."

    def _end(self) -> DQNRun:
        agent = self._agent()
        speed = max(0, self.frames - self.config.learning_starts) / max(self.seconds, 1e-9)
        if self.folder is not None:
            agent.save(self.folder / "model.safetensors")
            about = {**agent.trained, "environment": self.dqn.name, "options": self.dqn.options,
                     "config": self.config.to_json()}  # fmt: skip
            write_whole(self.folder / "result.json", lambda part: _write_json(part, about))
            self._checkpoint()
        return DQNRun(
            agent=agent, frames=self.frames, updates=self.updates, curve=self.curve, seconds=self.seconds,
            frames_per_s=speed,
        )  # fmt: skip


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(plain(values), indent=1) + "\n", "utf-8")


def _passed(before: int, now: int, every: int | None) -> bool:
    """Whether a multiple of `every` lies in (before, now]."""
    return every is not None and now // every > before // every


def _huber(values: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """Errors are cut to -1..1 in the gradient (Mnih et al. 2015, "error clipping")."""
    if weights is None:
        return F.smooth_l1_loss(values, targets)
    return (weights * F.smooth_l1_loss(values, targets, reduction="none")).mean()

"""A game learned from what the screen shows, or from positions that a function finds first."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

from longspan.errors import ConfigError
from longspan.systems.options import check_at_least
from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from longspan.control import Agent, DQNConfig
    from longspan.report import Document
    from longspan.report.canvas import Sheet

__all__ = ["PLAY_GAMES", "PlayGamesOptions"]

_EVALUATIONS = 20
_MINATAR = {"train_every": 4, "environments": 16, "lr": 5e-4}
"""A quarter of the updates of Young and Tian 2019 at twice the learning rate."""
_ATARI = {"train_every": 8, "exploration_frames": 50_000, "learning_starts": 10_000, "target_every": 4_000}
_SMALL = {"convolutions": ((16, 8, 4), (32, 4, 2)), "hidden": (256,)}
"""The network of Mnih et al. 2013: a third of the arithmetic of that of 2015."""
_ATARI_EPISODES = 3
"""Of each evaluation on the way, where a game has thousands of steps."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class PlayGamesOptions:
    """Options of play-games."""

    env: str = "MinAtar/Breakout-v1"
    """The game: one of MinAtar, or an Atari game of ale-py as in ALE/Pong-v5."""
    strategy: Literal["pixels", "positions", "table"] = "pixels"
    """pixels: DQN from the screen. positions: DQN from object positions that a function finds first. table: Q-learning
    with a table by those positions. The last two for MinAtar Breakout."""
    frames: int = 1_000_000
    """Decisions of the agent in each training."""
    seeds: int = 1
    """Trainings, from --seed on."""
    episodes: int = 100
    """Greedy episodes of each trained agent, none of them one of a training."""
    double: bool = True
    """Double DQN."""
    dueling: bool = False
    """Dueling networks."""
    n_step: int = 3
    """Rewards that a target adds up."""
    prioritized: float = 0.0
    """Exponent of prioritised replay; 0 draws uniformly."""
    buffer_size: int = 100_000
    """Frames in the replay buffer."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_at_least(
            frames=(self.frames, 1), seeds=(self.seeds, 1), episodes=(self.episodes, 1), n_step=(self.n_step, 1),
            buffer_size=(self.buffer_size, 1000),
        )  # fmt: skip
        if not 0 <= self.prioritized <= 1:
            raise ConfigError(f"--prioritized must be from 0 to 1, got {self.prioritized}.")
        if self.strategy != "pixels" and not self.env.startswith("MinAtar/Breakout"):
            raise ConfigError(
                f"--strategy {self.strategy} knows the objects of MinAtar/Breakout-v1 alone, not those of {self.env}."
            )

    @property
    def atari(self) -> bool:
        """Whether the game is one of ale-py."""
        return self.env.startswith("ALE/")

    def config(self) -> DQNConfig:
        """Settings of DQN."""
        from longspan.control import DQNConfig
        from longspan.models.control import QNetworkConfig

        more: dict[str, Any] = _ATARI if self.atari else _MINATAR
        return DQNConfig(
            double=self.double, dueling=self.dueling, n_step=self.n_step, prioritized=self.prioritized,
            buffer_size=self.buffer_size,
            network=QNetworkConfig(**_SMALL, dueling=self.dueling) if self.atari else None, **more,
        )  # fmt: skip


def _run(options: PlayGamesOptions, run: SystemRun) -> None:
    from longspan.control import make_environment
    from longspan.control.episodes import interquartile_mean, seed_interval

    make_environment(options.env).close()  # an unknown name, or a missing library, before any training
    run.when_stopped = f"Finished trainings and checkpoints are kept in {run.folder}; the same command goes on."
    seeds = range(run.seed, run.seed + options.seeds)
    found = [_trained(options, run, seed) for seed in seeds]
    returns = np.array([each["returns"] for each in found])
    low, high = seed_interval(returns)
    minutes = [each["seconds"] / 60 for each in found]
    metrics = {
        "return, interquartile mean": interquartile_mean(returns), "95 % from": low, "95 % to": high,
        "return, mean": float(returns.mean()), "lowest mean of a seed": float(returns.mean(axis=1).min()),
        "highest mean of a seed": float(returns.mean(axis=1).max()), "trainings": float(len(found)),
        "frames of a training": float(found[0]["frames"]),
        "frames per second": float(np.mean([each["rate"] for each in found])),
        "minutes of a training, mean": float(np.mean(minutes)),
    }  # fmt: skip
    run.finish(
        found[0]["model"], metrics, train_seconds=60 * sum(minutes), options=asdict(options),
        report=lambda: _report(options, metrics, found, run.folder),
        details={"seeds": [{name: each[name] for name in ("seed", "returns", "curve", "seconds")} for each in found]},
    )  # fmt: skip


def _trained(options: PlayGamesOptions, run: SystemRun, seed: int) -> dict[str, Any]:
    """One training, or what is left of it, and its final evaluation."""
    if options.strategy == "table":
        return _table(options, run, seed)
    from longspan.control import DQN, load_agent, with_positions
    from longspan.control.dqn.checkpoint import STATE

    folder = run.folder / f"seed-{seed}"
    positions = options.strategy == "positions"
    make = with_positions(options.env) if positions else options.env
    dqn = DQN(make, options.config(), seed=seed)
    resume = (folder / STATE).is_file()
    run.say(f"Seed {seed}: {options.frames:,} frames of {options.env}, {options.strategy}.")
    done = dqn.fit(
        options.frames, folder=folder, resume=resume, evaluate_every=max(1, options.frames // _EVALUATIONS),
        evaluation_episodes=_ATARI_EPISODES if options.atari else 20, tell=run.say,
    )  # fmt: skip
    model = folder / "model.safetensors"
    agent = load_agent(model, make=with_positions(options.env) if positions else None)
    # Other episodes than those of the curve: nothing that was looked at on the way counts in the end.
    returns = agent.evaluate(options.episodes, seed=seed + 1_000_000).values("return")
    run.say(f"Seed {seed}: mean return {returns.mean():.2f} over {options.episodes} greedy episodes.")
    return {
        "seed": seed, "returns": returns.tolist(), "curve": done.curve, "seconds": done.seconds, "frames": done.frames,
        "rate": done.frames / max(done.seconds, 1e-9), "model": model, "agent": agent,
    }  # fmt: skip


def _table(options: PlayGamesOptions, run: SystemRun, seed: int) -> dict[str, Any]:
    from longspan.control import QTable, QTableConfig, run_episodes, with_positions

    make = with_positions(options.env)
    table = QTable(make, QTableConfig(exploration_steps=max(1, options.frames // 10)), seed=seed, state=_without_bricks)
    curve, seconds = [], 0.0
    each = max(1, options.frames // _EVALUATIONS)
    while table.steps < options.frames:
        started = time.perf_counter()
        table.fit(min(each, options.frames - table.steps))
        seconds += time.perf_counter() - started
        played = run_episodes(make, table, episodes=20, seed=seed, max_steps=10_000)
        curve.append({"frames": table.steps, "return": played.mean()})
        run.say(f"{table.steps:>11,} frames  return {played.mean():8.2f}  {len(table.values):,} states")
    played = run_episodes(make, table, episodes=options.episodes, seed=seed + 1_000_000, max_steps=10_000)
    return {
        "seed": seed, "returns": played.values("return").tolist(), "curve": curve, "seconds": seconds,
        "frames": table.steps, "rate": table.steps / max(seconds, 1e-9), "model": None, "agent": None,
    }  # fmt: skip


def _without_bricks(positions: np.ndarray) -> tuple[int, ...]:
    """Columns and row in tenths and the two directions: with the bricks hardly a state would come twice."""
    return tuple(np.round(positions[:5] * 9).astype(int).tolist())


def _report(
    options: PlayGamesOptions, metrics: Mapping[str, float], found: Sequence[Mapping[str, Any]], folder: Path
) -> Document:
    from longspan.report import Document

    document = Document(f"play-games: {options.env}", subtitle=f"{options.strategy}, {options.frames:,} frames")
    low, high = metrics["95 % from"], metrics["95 % to"]
    note = f"95 %: {low:.2f} to {high:.2f}, over {len(found)} trainings and {options.episodes} episodes each"
    document.headline("return, interquartile mean", f"{metrics['return, interquartile mean']:.2f}", note)
    document.section("Return by frames")
    document.figure(_figure(found), caption="Mean return of greedy episodes at each point; a line for each training.")
    document.section("Trainings")
    document.table(
        {
            "seed": each["seed"], "mean return": round(float(np.mean(each["returns"])), 2),
            "least": min(each["returns"]), "most": max(each["returns"]), "minutes": round(each["seconds"] / 60, 1),
        }
        for each in found
    )  # fmt: skip
    if found[0]["agent"] is not None:
        _show_episode(document, found[0]["agent"], folder, options)
    document.section("Settings").settings(asdict(options))
    return document.environment()


def _show_episode(document: Document, agent: Agent, folder: Path, options: PlayGamesOptions) -> None:
    """A film strip in the report, and the whole film beside it."""
    from longspan.control import Recording, film_strip, save_gif
    from longspan.report.images import CaptionedImage

    recording = Recording(frames=True, observations=False, most_steps=1000)
    if options.strategy == "positions":
        return  # its wrapper shows no images
    agent.play(1, seed=agent.trained.get("seed", 0), recording=recording)
    frames = recording.images()
    small = max(frames[0].shape[:2]) < 100
    save_gif(frames, folder / "episode.gif", scale=16 if small else 1)
    strip = np.asarray(film_strip(frames, count=8, columns=8, scale=10 if small else 1))
    document.section("An episode")
    document.images(
        [CaptionedImage(strip, caption=f"{len(frames)} steps, from left to right; the film is episode.gif")]
    )


def _figure(found: Sequence[Mapping[str, Any]]) -> Sheet:
    from longspan.report.canvas import COLOURS, new_axes

    sheet, (axes,) = new_axes(width_px=680, height_px=320)
    for place, each in enumerate(found):
        rows = [row for row in each["curve"] if "return" in row]
        axes.plot(
            [row["frames"] / 1000 for row in rows], [row["return"] for row in rows],
            color=COLOURS[place % len(COLOURS)], linewidth=1.6, label=f"seed {each['seed']}",
        )  # fmt: skip
    axes.set(xlabel="thousand frames", ylabel="return")
    axes.legend(frameon=False)
    return sheet


PLAY_GAMES = System(
    name="play-games",
    summary="Games learned by DQN from the screen, or from object positions that a function finds first.",
    needs="no download but the extra games and, for a million frames of MinAtar, a quarter of an hour a seed",
    options=PlayGamesOptions,
    extras=("games",),
    run=_run,
)

"""`longspan play`: a trained agent in its environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from longspan.cli import options as flags
from longspan.cli.options import Opt
from longspan.cli.shell import interruptible, new_file
from longspan.errors import ConfigError

__all__ = ["play"]

_FILM_STEPS = 2000


def play(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A file or folder that `longspan train --env` wrote.")],
    episodes: Annotated[int, Opt(metavar="N", help="How many.")] = 10,
    seed: Annotated[int, Opt(metavar="N", help="Of the episodes; none of them is one of a training.")] = 0,
    film: Annotated[
        str | None, Opt(metavar="FILE.gif", help="Save the first episode, at most 2,000 steps of it, as a GIF.")
    ] = None,
    json_lines: Annotated[bool, Opt("--json", help="Print a JSON object for each episode.")] = False,
    device: flags.Device = "auto",
    force: flags.Force = False,
) -> None:
    """Let a trained agent play: its return, length and faults in each episode.

    The agent takes the action of the highest value in every step.
    """
    if episodes < 1:
        raise ConfigError(f"--episodes must be at least 1, got {episodes}.")
    target = None
    if film is not None:
        if Path(film).suffix.lower() != ".gif":
            raise ConfigError(f"--film {film} must end in .gif.")
        target = new_file(film, "--film", force=force)
    from longspan.control import Recording, load_agent, save_gif

    agent = load_agent(model, device=_device(device))
    with interruptible(lambda: "Stopped playing."):
        if target is not None:
            recording = Recording(frames=True, observations=False, most_steps=_FILM_STEPS)
            agent.play(1, seed=seed, recording=recording)
            small = max(recording.images()[0].shape[:2]) < 100
            save_gif(recording.images(), target, scale=20 if small else 2, rate_hz=12 if small else 25)
        played = agent.evaluate(episodes, seed=seed)
    for episode in played:
        values = {
            "episode": episode.number, "return": episode.total_reward, "steps": episode.length,
            "faults": len(episode.faults), "truncated": episode.truncated, "seed": episode.seed,
        }  # fmt: skip
        cut = "  (time limit)" if episode.truncated else ""
        text = f"episode {episode.number:>4}  return {episode.total_reward:10.2f}  {episode.length:>7,} steps{cut}"
        print(json.dumps(values) if json_lines else text)
    if not json_lines:
        low, high = played.interval() if len(played) > 1 else (played.mean(), played.mean())
        print(f"{agent.environment}: mean return {played.mean():.2f} (95 %: {low:.2f} to {high:.2f})")
        if target is not None:
            print(f"film      {target}")


def _device(name: str) -> str:
    from longspan.inference.precision import pick_device

    return str(pick_device(name))

"""`longspan train --env`: an agent learns in an environment, in a folder that it can be resumed from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from longspan.cli.setting_words import parse_settings
from longspan.cli.shell import interruptible
from longspan.errors import ConfigError, unknown_name

__all__ = ["train_agent"]

_ALGORITHMS = ("dqn",)
_TAKEN = {"env", "algorithm", "frames", "setting", "out", "seed", "device", "quiet", "resume", "checkpoint_every"}
"""Options of `longspan train` that an environment takes."""


def train_agent(params: Mapping[str, Any], given: Collection[str]) -> None:
    """What `longspan train --env NAME --algorithm dqn --out DIR` does.

    Args:
        params: Every option by its name.
        given: Those that were on the command line.
    """
    foreign = sorted(set(given) - _TAKEN)
    if foreign:
        names = ", ".join("SOURCE" if name == "source" else f"--{name.replace('_', '-')}" for name in foreign)
        raise ConfigError(
            f"--env trains in an environment, not on rows: leave out {names}. Settings of DQN are given by --set, as "
            "in --set double=true --set n_step=3."
        )
    if params["algorithm"] not in (None, *_ALGORITHMS):
        raise unknown_name("algorithm", str(params["algorithm"]), _ALGORITHMS)
    resume = params["resume"]
    if resume is None and "out" not in given:
        raise ConfigError(f"--out is missing: longspan train --env {params['env']} --out DIR, a folder for the agent.")
    from longspan.control.dqn import DQN, DQNConfig
    from longspan.control.dqn.checkpoint import read_settings

    quiet = bool(params["quiet"])
    if resume is not None:
        fixed = sorted(set(given) & {"env", "algorithm", "frames", "setting", "seed", "out", "checkpoint_every"})
        if fixed:
            raise ConfigError(
                "--resume continues with the settings that the training was started with; leave out "
                + ", ".join("--set" if name == "setting" else f"--{name.replace('_', '-')}" for name in fixed)
                + "."
            )
        folder = Path(resume).expanduser()
        stored = read_settings(folder)
        dqn = DQN(
            stored["environment"], DQNConfig.from_json(stored["config"]), seed=stored["seed"], device=params["device"],
            options=stored["options"],
        )  # fmt: skip
        frames, fit = stored["total"], {
            name: stored[name] for name in ("evaluate_every", "evaluation_episodes", "checkpoint_every")
        }  # fmt: skip
    else:
        folder = Path(params["out"]).expanduser()
        if folder.suffix == ".safetensors":
            raise ConfigError(f"--out {folder} must be a folder: it holds the agent, its curve and checkpoints.")
        config = DQNConfig.from_words(parse_settings(params["setting"] or (), "n_step=3"))
        dqn = DQN(params["env"], config, seed=params["seed"], device=params["device"])
        frames, fit = params["frames"], _checkpoints(params["checkpoint_every"])
    with interruptible(lambda: f"Stopped. Continue with: longspan train --resume {folder}"):
        run = dqn.fit(
            frames, folder=folder, resume=resume is not None, tell=None if quiet else _say, **fit
        )  # fmt: skip
    if not quiet:
        print(f"{run.frames:,} frames, {run.updates:,} updates, {run.frames_per_s:,.0f} frames/s while learning")
        print(f"agent     {folder / 'model.safetensors'}")
        print(f"play      longspan play {folder}")


def _checkpoints(words: str | None) -> dict[str, int]:
    """What --checkpoint-every says of a training in an environment, for `DQN.fit`."""
    if words is None:
        return {}
    if not words.strip().isdecimal() or not int(words):
        raise ConfigError(f"--checkpoint-every {words}: with --env write a number of frames, such as 50000.")
    return {"checkpoint_every": int(words)}


def _say(line: str) -> None:
    print(line, flush=True)

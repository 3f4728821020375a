"""What each option of DQN gains on MinAtar Breakout, against plain DQN with the same seeds.

python -m pip install 'longspan[games]'
OMP_NUM_THREADS=1 python benchmarks/dqn_gains.py --frames 100000 --seeds 3 --out benchmarks/results/dqn_gains.json

Plain DQN (Mnih et al. 2015), and that with one change: double (van Hasselt et al. 2016), duelling (Wang et al. 2016),
returns of three steps, prioritised replay (Schaul et al. 2016); and with all four. All with an update for every four
frames of 16 environments at a learning rate of 5e-4, as in `longspan run play-games`. Each training is measured by 100
greedy episodes at its end. A gain is the difference of mean returns, paired by seed, with a 95 % interval over seeds.
Every training is written to the file at once; the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import longspan as ls
from longspan.control import load_agent
from longspan.control.episodes import interquartile_mean, seed_interval
from longspan.report import describe_environment
from longspan.study.statistics.t_distribution import mean_interval

GAME, PLAIN = "MinAtar/Breakout-v1", "plain"
ALL = {"train_every": 4, "environments": 16, "lr": 5e-4}
CHANGES = {
    PLAIN: {},
    "double": {"double": True},
    "duelling": {"dueling": True},
    "three steps": {"n_step": 3},
    "prioritised": {"prioritized": 0.6},
    "all four": {"double": True, "dueling": True, "n_step": 3, "prioritized": 0.6},
}


def train(change, frames, seed, episodes):
    """Returns of greedy episodes of a fresh agent, none of them one of the training, and seconds."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        ls.DQN(GAME, ls.DQNConfig(**ALL, **CHANGES[change]), seed=seed).fit(frames, folder=folder, evaluate_every=None)
        agent = load_agent(Path(folder) / "model.safetensors")
    seconds = time.perf_counter() - started
    return agent.evaluate(episodes, seed=seed + 1_000_000).values("return").tolist(), seconds


def summary(trainings):
    """By change: the return over seeds, and the gain over plain DQN."""
    returns = {}
    for each in trainings:
        returns.setdefault(each["change"], {})[each["seed"]] = each["returns"]
    plain, rows = returns.get(PLAIN, {}), {}
    for change, found in returns.items():
        values = np.array([found[seed] for seed in sorted(found)])
        low, high = seed_interval(values)
        rows[change] = {
            "seeds": len(values), "interquartile mean": interquartile_mean(values), "95 %": [low, high],
            "mean of each seed": values.mean(axis=1).tolist(),
        }  # fmt: skip
        both = sorted(set(found) & set(plain))
        if change != PLAIN and both:
            gain, low, high = mean_interval(np.mean(found[seed]) - np.mean(plain[seed]) for seed in both)
            rows[change]["gain over plain"] = {"mean": gain, "95 %": [low, high], "seeds": len(both)}
    return rows


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100_000, help="of each training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=100, help="greedy, at the end of each training")
    parser.add_argument("--changes", nargs="+", choices=CHANGES, default=list(CHANGES))
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    command = f"OMP_NUM_THREADS=1 python benchmarks/dqn_gains.py --frames {given.frames} --seeds {given.seeds}"
    command += "" if given.episodes == 100 else f" --episodes {given.episodes}"
    kept = json.loads(given.out.read_text()) if given.out.is_file() else {}
    trainings = kept["trainings"] if kept.get("command") == command else []
    done = {(each["change"], each["seed"]) for each in trainings}
    for seed in range(given.seeds):
        for change in given.changes:
            if (change, seed) in done:
                continue
            returns, seconds = train(change, given.frames, seed, given.episodes)
            trainings.append({"change": change, "seed": seed, "returns": returns, "seconds": round(seconds, 1)})
            result = {
                "command": command, "environment": describe_environment(device="cpu", precision="float32"),
                "changes": summary(trainings), "trainings": trainings,
            }  # fmt: skip
            given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            print(f"seed {seed}  {change:<12} mean return {np.mean(returns):6.2f}  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()

"""Trainings of DQN killed with SIGKILL at random moments and resumed, beside undisturbed ones: the same bits, or not.

python benchmarks/dqn_kill.py --kills 20 --out benchmarks/results/dqn_kill.json

`longspan train --env MinAtar/Breakout-v1` with prioritised replay and returns of three steps, and the same with uniform
draws, with a checkpoint every thousand frames. Each killed training is finished after one to three kills, from the last
checkpoint where there is one; weights and the curve must then equal those of the undisturbed training, bit for bit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import longspan as ls
from longspan.control.dqn.checkpoint import STATE
from longspan.report import describe_environment

KINDS = {"uniform": [], "prioritised, three steps": ["--set", "prioritized=0.6", "--set", "n_step=3"]}
FRAMES = 12_000


def start(folder, words, resume):
    """The training's process."""
    command = [sys.executable, "-m", "longspan", "train"]
    if resume:
        command += ["--resume", str(folder)]
    else:
        command += ["--env", "MinAtar/Breakout-v1", "--frames", str(FRAMES), "--seed", "1", "--out", str(folder)]
        command += ["--set", "learning_starts=1000", "--set", "buffer_size=6000", "--set", "train_every=4", *words]
        command += ["--checkpoint-every", "1000"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(process):
    """Wait; an error is one of the benchmark."""
    error = process.communicate()[1]
    assert process.returncode == 0, error.decode()


def weights(folder):
    """Of the agent, and its curve."""
    agent = ls.load_agent(folder)
    return {name: value.numpy().tobytes() for name, value in agent.network.state_dict().items()}, agent.trained["curve"]


def main() -> None:
    """Kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="trainings that are killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    found, kills = [], 0
    with tempfile.TemporaryDirectory() as scratch:
        wanted, seconds = {}, {}
        for kind, words in KINDS.items():
            started = time.monotonic()
            finished(start(Path(scratch) / kind, words, False))
            seconds[kind] = time.monotonic() - started
            wanted[kind] = weights(Path(scratch) / kind)
        for number in range(options.kills):
            kind = list(KINDS)[number % len(KINDS)]
            folder = Path(scratch) / f"killed-{number}"
            mine = resumed = 0
            for _ in range(moments.randint(1, 3)):
                there = (folder / STATE).exists()
                resumed += there
                process = start(folder, KINDS[kind], there)
                time.sleep(moments.uniform(0.3, 1.0) * seconds[kind] * 0.7)
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
                    mine += 1
                process.communicate()
            there = (folder / STATE).exists()
            resumed += there
            finished(start(folder, KINDS[kind], there))
            same = weights(folder) == wanted[kind]
            kills += mine
            found.append({"kind": kind, "kills": mine, "resumed": resumed, "same": same})
            ended = "the same bits" if same else "DIFFERENT"
            print(f"{number + 1:>3}  {kind:<28}{mine} kills, {resumed} resumed  {ended}", flush=True)
    same = sum(each["same"] for each in found)
    assert any(each["resumed"] for each in found), "every kill came before the first checkpoint"
    print(f"{same} of {len(found)} trainings with {kills} kills ended with the same bits")
    if options.out:
        result = {
            "command": f"python benchmarks/dqn_kill.py --kills {options.kills}",
            "same": same, "trainings": len(found), "kills": kills, "runs": found,
            "environment": describe_environment(device="cpu", precision="float32"),
        }  # fmt: skip
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

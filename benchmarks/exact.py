"""Are weights with virtual workers the same bits on 1, 2 and 4 processes, and after a process was killed?

    python benchmarks/exact.py                    # about five minutes on two quiet cores
    python benchmarks/exact.py --trainings 3      # a quick look
    python benchmarks/exact.py --parts 1 2        # only these; the others stay in the file

Each of 20 trainings (seeds) has four virtual workers, batch normalisation, MixUp, clipped gradients and AdamW, on the
digits of the UCI repository. Parts: "1", "2" and "4" processes on gloo, and "killed": two processes, of which in every
training one, drawn at random, kills itself (SIGKILL) after a random step; torchrun starts both again, and they go on
from the last checkpoint. Compared is a digest of every weight and buffer with that of one process.
Writes `benchmarks/results/exact.json`.
"""

from __future__ import annotations

import argparse
import hashlib
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
from longspan.report import describe_environment

RESULTS = Path(__file__).parent / "results" / "exact.json"
PARTS = ("1", "2", "4", "killed")
WORKERS, EPOCHS, BATCH = 4, 2, 64


class KillOne(ls.Callback):
    """Once in a training, one of two processes kills itself after a random step."""

    def __init__(self, seed: int, rank: int, folder: Path, steps: int) -> None:
        """Draw the step and the process."""
        drawn = random.Random(f"kill {seed}")
        self.at, self.here = drawn.randrange(2, steps), drawn.randrange(2) == rank
        self.mark, self.done = folder / "killed", 0

    def step_end(self, state: object) -> None:
        """Kill, once."""
        self.done += 1
        if self.here and self.done == self.at and not self.mark.exists():
            self.mark.write_text(str(self.at))
            os.kill(os.getpid(), signal.SIGKILL)


def work(folder: Path, trainings: int, kill: bool) -> None:
    """What each process does."""
    table = ls.datasets.load("digits")
    rank = int(os.environ.get("RANK", "0"))
    for seed in range(trainings):
        home = folder / str(seed)
        home.mkdir(parents=True, exist_ok=True)
        if (home / f"done-{rank}").exists():  # before the others were started again
            continue
        task = ls.Task(table.split(valid=0.2, seed=seed), "image", "digit", size_px=16, allow_leaks=True)
        config = ls.TrainConfig(
            batch_size=BATCH, virtual_workers=WORKERS, mixup=0.2, clip_norm=1.0, precision="float32", keep="last"
        )
        steps = EPOCHS * -(-len(task.split.train) // BATCH)
        learner = ls.Learner(
            task, ls.SmallResNetConfig(blocks=1, width=8), config=config, seed=seed, device="cpu", progress=False,
            callbacks=[KillOne(seed, rank, home, steps)] if kill else [],
        )  # fmt: skip
        learner.fit(EPOCHS, checkpoints=ls.Checkpoints(home / "run", steps=5) if kill else None)
        digest = hashlib.blake2b(digest_size=16)
        for value in learner.network.state_dict().values():
            digest.update(value.numpy().tobytes())
        (home / f"digest-{rank}").write_text(digest.hexdigest())
        (home / f"done-{rank}").touch()


def measured(part: str, trainings: int) -> dict[str, object]:
    """One part: digests by seed, how many were killed, and the seconds of the whole."""
    with tempfile.TemporaryDirectory() as folder:
        count = 2 if part == "killed" else int(part)
        own = [__file__, "--work", folder, "--trainings", str(trainings), *(["--kill"] if part == "killed" else [])]
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}",
                    f"--max-restarts={trainings if part == 'killed' else 0}", "--monitor-interval=0.1"]  # fmt: skip
        started = time.perf_counter()
        command = [sys.executable, *([] if count == 1 else launcher), *own]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        seconds, homes = time.perf_counter() - started, [Path(folder, str(seed)) for seed in range(trainings)]
        digests = [sorted({each.read_text() for each in home.glob("digest-*")}) for home in homes]
        killed = sum((home / "killed").exists() for home in homes)
    return {"processes": count, "digests": digests, "killed": killed, "seconds": round(seconds, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", type=int, default=20)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kill", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work is not None:
        work(options.work, options.trainings, options.kill)
        return
    found = json.loads(RESULTS.read_text("utf-8"))["parts"] if RESULTS.is_file() else {}
    for part in options.parts:
        found[part] = measured(part, options.trainings)
        print(part, found[part]["seconds"], "s", flush=True)
        one = found.get("1", {}).get("digests", [])
        same = {
            name: sum(len(each) == 1 and each == mine for each, mine in zip(values["digests"], one, strict=False))
            for name, values in found.items()
        }
        result = {
            "command": "python benchmarks/exact.py", "virtual_workers": WORKERS, "trainings": len(one), "same": same,
            "killed": found.get("killed", {}).get("killed"), "environment": describe_environment(device="cpu"),
            "parts": found,
        }  # fmt: skip
        RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["same"]), "of", result["trainings"])


if __name__ == "__main__":
    main()

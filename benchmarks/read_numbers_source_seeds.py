"""How much the source training matters: "all stages learned" on MNIST's digits, from three source seeds.

python benchmarks/read_numbers_source_seeds.py --out benchmarks/results/read_numbers_source_seeds.json
python benchmarks/read_numbers_source_seeds.py --source-seeds 0 --sizes 60 --steps 4 --source 40 --images 50   # starts?

Each source seed is one whole `longspan run read-numbers --strategies "all stages learned" --source-seed N` in a folder
of its own below `--scratch`: new source numbers, new source trainings of the finder and the classifier, then the
trainings of the study. What is finished there is not run again. About an hour for each source seed on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import longspan as ls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source-seeds", default="0,1,2", help="separated by commas")
    parser.add_argument("--data", default="mnist", choices=("mnist", "digits"))
    parser.add_argument("--sizes", default="3000")
    parser.add_argument("--steps", default="800")
    parser.add_argument("--source", default="60000")
    parser.add_argument("--images", default="1000")
    parser.add_argument("--seeds", default="3")
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--scratch", type=Path, help="folder for the runs; continued where they stopped")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = options.scratch or Path(folder)
        runs = [run_one(int(seed), options, scratch) for seed in options.source_seeds.split(",")]
    text = json.dumps({"by_source_seed": runs}, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def run_one(source_seed: int, options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """The study from one source seed: its command, the error of each training, and what it ran on."""
    folder = scratch / f"source-seed-{source_seed}"
    words = ["run", "read-numbers", "--strategies", "all stages learned", "--source-seed", str(source_seed)]
    for name in ("data", "sizes", "steps", "source", "images", "seeds", "jobs"):
        words += [f"--{name}", getattr(options, name)]
    command = [sys.executable, "-c", "from longspan.cli import main; main()", *words, "--out", str(folder)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    frame = ls.Study.open(folder / "study.sqlite").frame().sort("size", "seed")
    largest = frame.filter(frame["size"] == frame["size"].max())
    return {
        "source_seed": source_seed,
        "command": "longspan " + " ".join(f"'{word}'" if " " in word else word for word in words),
        "errors": largest["error"].to_list(),
        "runs": frame.to_dicts(),
        "seconds": result["seconds"],
        "environment": result["environment"],
    }


if __name__ == "__main__":
    main()

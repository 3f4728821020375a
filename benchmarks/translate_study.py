"""BLEU of every strategy of system translate with more and more training sentences.

python benchmarks/translate_study.py --out benchmarks/results/translate_study.json
python benchmarks/translate_study.py --sizes 1000 --strategies staged word-by-word --out FILE

Networks see each size for as many epochs as make about the same number of steps as 30 epochs of all sentences, at most
120. The file is written after each run; a run that is in it is not run again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from longspan.report.environment import describe_environment
from longspan.systems import SystemRun, find_system
from longspan.systems.translate import TranslateOptions

SIZES = (1000, 3000, 10_000, 29_000)
STRATEGIES = ("word-by-word", "staged", "middle", "transformer", "gru")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", required=True)
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options.add_argument("--strategies", nargs="+", default=STRATEGIES, choices=STRATEGIES)
    options.add_argument("--seeds", type=int, default=1)
    given = options.parse_args()
    path = Path(given.out)
    runs = json.loads(path.read_text("utf-8"))["runs"] if path.is_file() else []
    done = {(run["strategy"], run["sentences"], run["seed"]) for run in runs}
    for size in given.sizes:
        for strategy in given.strategies:
            for seed in range(given.seeds):
                if (strategy, size, seed) in done:
                    continue
                epochs = min(120, 30 * 29_000 // size)
                chosen = TranslateOptions(strategy=strategy, train_rows=size, epochs=epochs)
                with tempfile.TemporaryDirectory() as folder:
                    find_system("translate").run(chosen, SystemRun("translate", folder, seed=seed))
                    result = json.loads((Path(folder) / "result.json").read_text("utf-8"))
                run = {"strategy": strategy, "sentences": size, "seed": seed, "epochs": epochs}
                runs.append({**run, "metrics": result["metrics"], "seconds": result["seconds"]})
                environment = describe_environment(device="cpu", precision="auto")
                text = json.dumps({"runs": runs, "environment": environment}, indent=1)
                path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

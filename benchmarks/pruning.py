"""What half of the multiply-adds are worth: SqueezeNet that tells cats from dogs, pruned, over several seeds.

    OMP_NUM_THREADS=1 python benchmarks/pruning.py [--seeds 5] [--variants prune50]

For each seed another fifth of the photos measures, the others train the network and fine-tune the pruned one. The loss
is paired: both predict the same photos. Writes `benchmarks/results/pruning.json`: accuracies, the loss with its
interval over seeds (Student's t), and how many times as quick as the original each is at batch 1.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch

import longspan as ls
from longspan.report import describe_environment
from longspan.study.statistics.t_distribution import mean_interval

RESULTS = Path(__file__).parent / "results" / "pruning.json"


def frontier_of(seed: int, variants: list[str], runs: int):
    """Variants of a network that was trained with this seed."""
    photos = ls.datasets.load("pets", accept_small=True)
    split = photos.split(valid=len(photos) // 5, seed=seed, stratify="cat")
    task = ls.Task(split, inputs="image", targets="cat", size_px=224, move_leaks=True)
    learner = ls.Learner(
        task, "squeezenet1_1", weights="imagenet", pool="avg_max", seed=seed, progress=False,
        heads={"cat": ls.Classify(hidden=(512,), dropout=0.5, label_smoothing=0.05)},
        config=ls.TrainConfig(batch_size=32, weight_decay=0.05),
    )  # fmt: skip
    learner.run([ls.Phase(epochs=8, lr=2e-3, frozen=1.0)])
    with tempfile.TemporaryDirectory() as folder:
        return ls.compress(
            learner, out=Path(folder) / "variants", variants=variants, runs=runs, seed=seed,
            augment=ls.Augment(flip=True, shift=0.1, scale=0.2), threads=[torch.get_num_threads()],
        )  # fmt: skip


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--variants", default="prune50", help="with commas between")
    parser.add_argument("--runs", type=int, default=60, help="predictions that are timed")
    given = parser.parse_args()
    names = given.variants.split(",")
    found = {name: {"accuracy": [], "lost": [], "times_as_quick": []} for name in names}
    original, rows = [], []
    for seed in range(given.seeds):
        frontier = frontier_of(seed, names, given.runs)
        threads = frontier.original.latencies[0].threads
        original.append(frontier.original.metrics["cat"])
        rows.append(frontier.rows)
        for each in frontier.variants[1:]:
            values = found[each.name]
            values["accuracy"].append(each.metrics["cat"])
            values["lost"].append(original[-1] - each.metrics["cat"])
            values["times_as_quick"].append(round(frontier.speedup(each, threads), 3))
        print(seed, original[-1], {name: values["accuracy"][-1] for name, values in found.items()}, flush=True)
    for values in found.values():
        mean, low, high = mean_interval(values["lost"])
        values["lost_mean"], values["lost_interval"] = round(mean, 5), [round(low, 5), round(high, 5)]
    result = {
        "command": f"python benchmarks/pruning.py --seeds {given.seeds} --variants {given.variants}",
        "environment": describe_environment(device="cpu"),
        "rows": rows,
        "original": original,
        "variants": found,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["variants"], indent=1))


if __name__ == "__main__":
    main()

"""What each ingredient of `mnist-deep-cnn` gains, at 1,000 and at 60,000 training images, 3 seeds each.

    LONGSPAN_DATA=../shared/data python benchmarks/mnist_gains.py --jobs 2

Every variant is trained for the same number of epochs at the same peak rate and measured once, after its last epoch,
on the 10,000 test images: nothing is selected by them. Runs already in the result file are not run again. The table in
`docs/systems/mnist-deep-cnn.md` is printed from the same file with `--table`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "mnist_gains.json"
EPOCHS = {1_000: 30, 60_000: 2}
SEEDS = (0, 1, 2)
VARIANTS: dict[str, dict[str, Any]] = {
    "plain: He initialisation, dropout, decay": {},
    "+ rotation by up to 10 degrees": {"augment": {"rotate_deg": 10}},
    "+ shift by up to 6 % of the side": {"augment": {"shift": 0.06}},
    "+ scale by up to 10 %": {"augment": {"scale": 0.1}},
    "+ random crops of at least 85 % of the area": {"augment": {"crop": 0.85}},
    "+ brightness and contrast": {"augment": {"brightness": 0.1, "contrast": 0.2}},
    "+ rotation, shift and scale": {"augment": {"rotate_deg": 10, "shift": 0.06, "scale": 0.1}},
    "- He initialisation (normal, 0.01)": {"model": {"init": "small"}},
    "- dropout": {"model": {"dropout": 0.0}},
    "- learning-rate decay (constant rate)": {"schedule": "constant"},
}


def run(variant: str, images: int, seed: int) -> dict[str, Any]:
    """Train one network; gives accuracy and probabilities' file-free summary."""
    import numpy as np
    import torch

    import longspan as ls

    torch.set_num_threads(1)
    table = ls.datasets.load("mnist")
    parts = np.asarray(table.column_values("part"))
    train, test = np.flatnonzero(parts == "train"), np.flatnonzero(parts == "test")
    train = table.take(train).sample(images, seed=seed) if images < len(train) else table.take(train)
    options = VARIANTS[variant]
    task = ls.Task(train.split(valid=0), inputs="image", targets="digit")
    config = ls.TrainConfig(
        batch_size=128 if images > 10_000 else 32,
        weight_decay=0.02,
        augment=ls.Augment(**{"fill": 0.0, **options.get("augment", {})}),
    )
    model = ls.DeepCNNConfig(**options.get("model", {}))
    learner = ls.Learner(task, model, config=config, seed=seed, progress=False)
    started = time.perf_counter()
    schedule = options.get("schedule", "linear")
    learner.fit(EPOCHS[images], lr=3e-3, schedule=schedule, warmup=0.1)
    held_out = table.take(test)
    probabilities = learner.predictor().raw_predictions(held_out, batch_size=256).values["digit"]
    truth = torch.tensor(held_out.column_values("digit"))
    return {
        "variant": variant,
        "images": images,
        "seed": seed,
        "accuracy": float((probabilities.argmax(1) == truth).double().mean()),
        "seconds": round(time.perf_counter() - started, 1),
        "probabilities": probabilities.half().numpy().tobytes().hex() if variant.startswith("plain") else "",
        "truth": truth.byte().numpy().tobytes().hex() if variant.startswith("plain") else "",
    }


def ensemble_accuracy(runs: list[dict[str, Any]]) -> float:
    """Accuracy of the mean of the probabilities of several runs."""
    import numpy as np

    members = [np.frombuffer(bytes.fromhex(r["probabilities"]), np.float16).reshape(-1, 10) for r in runs]
    truth = np.frombuffer(bytes.fromhex(runs[0]["truth"]), np.uint8)
    return float((np.mean(members, axis=0, dtype=np.float64).argmax(1) == truth).mean())


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and spread of each variant at each size, and the gain over the plain one, paired by seed."""
    lines = []
    for images in EPOCHS:
        found = {(r["variant"], r["seed"]): r for r in runs if r["images"] == images}
        plain = next(iter(VARIANTS))
        for variant in VARIANTS:
            seeds = [s for s in SEEDS if (variant, s) in found and (plain, s) in found]
            if not seeds:
                continue
            accuracies = [found[variant, s]["accuracy"] for s in seeds]
            gains = [found[variant, s]["accuracy"] - found[plain, s]["accuracy"] for s in seeds]
            lines.append(_line(variant, images, accuracies, gains))
        members = [found[plain, s] for s in SEEDS if (plain, s) in found and found[plain, s].get("probabilities")]
        if len(members) == len(SEEDS):
            joint = ensemble_accuracy(members)
            gain = joint - statistics.mean(m["accuracy"] for m in members)
            lines.append(_line("ensemble of the 3 plain networks", images, [joint], [gain]))
    return lines


def _line(variant: str, images: int, accuracies: list[float], gains: list[float]) -> dict[str, Any]:
    return {
        "variant": variant,
        "images": images,
        "runs": len(accuracies),
        "accuracy": round(statistics.mean(accuracies), 5),
        "accuracy_sd": round(statistics.stdev(accuracies), 5) if len(accuracies) > 1 else None,
        "gain": round(statistics.mean(gains), 5),
        "gain_sd": round(statistics.stdev(gains), 5) if len(gains) > 1 else None,
    }


def table(lines: list[dict[str, Any]]) -> str:
    """The summary in Markdown, one line per variant, accuracies and gains in percent."""
    rows = ["| | 1,000 images | gain | 60,000 images | gain |", "|---|---:|---:|---:|---:|"]
    for variant in dict.fromkeys(line["variant"] for line in lines):
        cells = [variant]
        for images in EPOCHS:
            line = next((x for x in lines if x["variant"] == variant and x["images"] == images), None)
            if line is None:
                cells += ["", ""]
                continue
            sd = "" if line["accuracy_sd"] is None else f" ± {line['accuracy_sd']:.2%}"
            gain_sd = "" if line["gain_sd"] is None else f" ± {100 * line['gain_sd']:.2f}"
            gain = "" if variant.startswith("plain") else f"{100 * line['gain']:+.2f}{gain_sd}"
            cells += [f"{line['accuracy']:.2%}{sd}", gain]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main() -> None:
    """Run what is missing, then write the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="processes with one thread each")
    parser.add_argument("--images", type=int, nargs="*", default=list(EPOCHS))
    parser.add_argument("--scratch", type=Path, required=False, help="folder for single runs (with probabilities)")
    parser.add_argument("--table", action="store_true", help="only print the table")
    arguments = parser.parse_args()
    if arguments.table:
        print(table(json.loads(RESULTS.read_text())["summary"]))
        return
    scratch = arguments.scratch or Path(os.environ.get("TMPDIR", "/tmp")) / "mnist_gains"
    scratch.mkdir(parents=True, exist_ok=True)
    wanted = [(v, n, s) for n in arguments.images for s in SEEDS for v in VARIANTS]
    paths = {key: scratch / f"{list(VARIANTS).index(key[0])}-{key[1]}-{key[2]}.json" for key in wanted}
    missing = [key for key in wanted if not paths[key].exists()]
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(run, *key): key for key in missing}
        for done, future in enumerate(as_completed(futures), start=1):
            key, result = futures[future], future.result()
            paths[key].write_text(json.dumps(result))
            print(f"{done}/{len(missing)}  {key[0]}  {key[1]}  seed {key[2]}: {result['accuracy']:.4f}", flush=True)
    runs = [json.loads(path.read_text()) for path in sorted(scratch.glob("*.json"))]
    lines = summary(runs)
    from longspan.report import describe_environment

    kept = [{k: v for k, v in r.items() if k not in ("probabilities", "truth")} for r in runs]
    RESULTS.parent.mkdir(exist_ok=True)
    record = {"command": "python " + " ".join(sys.argv), "environment": describe_environment(), "epochs": EPOCHS}
    RESULTS.write_text(json.dumps({**record, "summary": lines, "runs": kept}, indent=1))
    print(table(lines))


if __name__ == "__main__":
    main()

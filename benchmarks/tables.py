"""Networks for tables beside boosted trees, on the same held-out rows.

    python benchmarks/tables.py adult california-housing bike-sharing --models boosting mlp mlp_plr

Adult: 5 folds of the pack's 32,561 rows. California housing: 5 random splits, a fifth held out, RMSE in units of
100,000 dollars.
Bike sharing: the last fifth in time is held out, five seeds; features of the hour, without what sums to the target.
Settings are those of the command line: batches of 256, one cycle of 10 epochs with a peak rate of 0.003, no tuning.
A tenth of the training rows chooses the epoch; the held-out rows are looked at once.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import polars as pl
from sklearn import metrics

import longspan as ls
from longspan import datasets
from longspan.report import describe_environment

RESULTS = Path(__file__).parent / "results" / "tables.json"
SEEDS = range(5)
BIKE_LEFT_OUT = ["cnt", "casual", "registered", "instant"]


def parts_of(name, table, seed):
    """A column of "train", "valid", "test" for one seed or fold."""
    rng = np.random.default_rng(seed)
    count = len(table)
    if name == "adult":
        order = np.random.default_rng(0).permutation(count)
        test = order[seed::5]
    elif name == "bike-sharing":
        test = np.arange(int(count * 0.8), count)
    else:
        test = rng.permutation(count)[: count // 5]
    parts = np.full(count, "train", dtype=object)
    parts[test] = "test"
    rest = np.flatnonzero(parts == "train")
    parts[rest[-len(rest) // 10 :] if name == "bike-sharing" else rng.choice(rest, len(rest) // 10, replace=False)] = (
        "valid"
    )
    return parts.tolist()


def load(name):
    """The table with its features, and its target."""
    if name == "adult":
        return datasets.load("adult-small"), "salary", ["salary"]
    if name == "bike-sharing":
        return datasets.load("bike-sharing"), "cnt", BIKE_LEFT_OUT
    table = datasets.load("california-housing")
    prices = (table.frame["median_house_value"] / 1e5).alias("price")
    frame = table.frame.drop("median_house_value").with_columns(prices)
    return ls.Table.from_frame(frame, {"ocean_proximity": ls.Category()}), "price", ["price"]


def run(name, model, seed, epochs):
    """Metrics on held-out rows, and seconds of training."""
    table, target, left_out = load(name)
    table = table.with_column("part", ls.Category(), parts_of(name, table, seed))
    table = table.with_features([*left_out, "part"])
    task = ls.Task(table.split(column="part"), "features", target, allow_leaks=True)
    task.prepare()
    rows = np.flatnonzero(np.asarray(table.frame["part"].to_list()) == "test")
    held_out = table.take(rows).select("features", target)
    started = time.perf_counter()
    if model == "boosting":
        trained = ls.Boosting().train(task, seed=seed)
    else:
        trained = ls.Learner(task, model, config=ls.TrainConfig(batch_size=256), seed=seed, progress=False)
        trained.fit_one_cycle(epochs, 3e-3)
    seconds = time.perf_counter() - started
    found = trained.predict(held_out)
    truth = held_out.column_values(target)
    if name == "adult":
        right = np.array([each == ">50K" for each in truth])
        probable = np.array([each.probabilities[">50K"] for each in found])
        values = {
            "accuracy": metrics.accuracy_score(right, probable >= 0.5),
            "auc": metrics.roc_auc_score(right, probable),
            "log_loss": metrics.log_loss(right, probable),
        }
    else:
        values = {"rmse": metrics.root_mean_squared_error(truth, [each.value for each in found])}
    return {
        "set": name,
        "model": model,
        "seed": seed,
        "seconds": round(seconds, 2),
        **{k: round(float(v), 5) for k, v in values.items()},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", choices=["adult", "california-housing", "bike-sharing"])
    parser.add_argument("--models", nargs="+", default=["boosting", "mlp", "mlp_plr"])
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"runs": []}
    for name in options.sets:
        for model in options.models:
            runs = [run(name, model, seed, options.epochs) for seed in SEEDS]
            same = [(each["set"], each["model"]) == (name, model) for each in known["runs"]]
            known["runs"] = [each for each, old in zip(known["runs"], same, strict=True) if not old] + runs
            known["environment"] = describe_environment()
            frame = pl.DataFrame(known["runs"], infer_schema_length=None)
            numbers = [column for column in frame.columns if column not in ("set", "model", "seed")]
            known["summary"] = (
                frame.group_by("set", "model", maintain_order=True)
                .agg(
                    *(pl.col(c).mean().round(4).alias(f"{c}_mean") for c in numbers),
                    *(pl.col(c).std().round(4).alias(f"{c}_std") for c in numbers),
                )
                .to_dicts()
            )
            RESULTS.write_text(json.dumps(known, indent=1) + "\n")
            print(known["summary"][-1], flush=True)


if __name__ == "__main__":
    main()

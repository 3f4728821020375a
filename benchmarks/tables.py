"""Networks for tables beside boosted trees, on the same held-out rows.

    python benchmarks/tables.py german-credit telco-churn ames-housing california-housing bike-sharing diamonds adult

Five folds of each table; California housing: five random splits, a fifth held out, RMSE in units of 100,000 dollars,
with the eight numbers of the published data set (rooms, bedrooms and people of a household instead of their totals);
bike sharing: the last fifth in time is held out, five seeds, features of the hour without what sums to the target and
without the date itself, which only grows (year, season, month and weekday are columns of their own). Ames and
diamonds: RMSE of the logarithm of the price, which all models learn.

"default" is `ls.TableRecipe`, which chooses its own settings; other networks train with batches of 256, one cycle of 10
epochs with a peak rate of 0.003. No rows choose an epoch, and the held-out rows are looked at once. The recipe's
batches, steps and members were chosen on a fifth of the training rows of California housing and the last fifth of those
of bike sharing; so were, for bikes, to leave out the date and to train 10 epochs instead of 18 (6 to 12 were as good),
and for California 128 bins instead of 48. Else nothing is tuned.
Differences from boosting are paired by fold or seed, with intervals by Student's t. `--only 0` runs the first fold.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from scipy import stats
from sklearn import metrics

import longspan as ls
from longspan import datasets
from longspan.report import describe_environment

RESULTS = Path(__file__).parent / "results" / "table_recipe.json"
SEEDS = range(5)


@dataclass(frozen=True)
class Set:
    """What is learned from a table, and how it is measured."""

    target: str
    left_out: tuple[str, ...] = ()
    positive: str | None = None
    """Of two classes the one whose probability is measured; None for a number."""
    log: bool = False
    """Whether the logarithm of the number is learned and measured."""
    bins: int = 48
    """The most bins of a number, for networks."""
    epochs: int | None = None
    """Of the recipe, where rows of a later time are held out."""
    data: str | None = None
    """The name of the data set, where it is another."""

    @property
    def error(self) -> str:
        """The metric that is compared: lower is better."""
        return "rmse" if self.positive is None else "log_loss"


SETS = {
    "german-credit": Set("class", positive="bad"),
    "telco-churn": Set("Churn", ("customerID",), positive="Yes"),
    "ames-housing": Set("SalePrice", ("Order", "PID"), log=True),
    "california-housing": Set("price", bins=128),
    "bike-sharing": Set("cnt", ("casual", "registered", "instant", "dteday"), epochs=10),
    "diamonds": Set("price", log=True),
    "adult": Set("salary", positive=">50K", data="adult-small"),
}


def test_rows(name: str, count: int, seed: int) -> np.ndarray:
    """The rows held out for one seed or fold."""
    if name == "bike-sharing":
        return np.arange(int(count * 0.8), count)
    if name == "california-housing":
        return np.sort(np.random.default_rng(seed).permutation(count)[: count // 5])
    return np.sort(np.random.default_rng(0).permutation(count)[seed::5])


def load(name: str) -> ls.Table:
    table = datasets.load(SETS[name].data or name)
    if name != "california-housing":
        return table
    # As Pace and Barry 1997 and scikit-learn have it; this copy has totals, and a label that was added later.
    per_household = {"rooms": "total_rooms", "bedrooms": "total_bedrooms", "people": "population"}
    found = [(pl.col(total) / pl.col("households")).alias(f"{what} each") for what, total in per_household.items()]
    price = (pl.col("median_house_value") / 1e5).alias("price")
    frame = table.frame.with_columns(*found, price)
    return ls.Table.from_frame(
        frame.drop("median_house_value", "total_rooms", "total_bedrooms", "households", "ocean_proximity")
    )


def train(model: str, task: ls.Task, chosen: Set, seed: int, epochs: int) -> Any:
    """The trained model, with nothing but the training rows."""
    heads = {chosen.target: ls.Regress(scale="log")} if chosen.log else {}
    if model == "default":
        return ls.TableRecipe(heads=heads, epochs=chosen.epochs).train(task, seed=seed)
    if model in ("boosting", "xgboost", "lightgbm", "catboost"):
        library = "scikit-learn" if model == "boosting" else model
        return ls.Boosting(library=library).train(task, seed=seed)
    learner = ls.Learner(task, model, heads=heads, config=ls.TrainConfig(batch_size=256), seed=seed, progress=False)
    return learner.fit_one_cycle(epochs, 3e-3)


def run(name: str, model: str, seed: int, epochs: int) -> dict[str, Any]:
    """Metrics on held-out rows, and seconds of training."""
    chosen, table = SETS[name], load(name)
    test = test_rows(name, len(table), seed)
    parts = np.full(len(table), "train", dtype=object)
    parts[test] = "test"
    trees_learn_logs = chosen.log and model in ("boosting", "xgboost", "lightgbm", "catboost")
    if trees_learn_logs:
        logs = np.log1p(np.array(table[chosen.target], np.float64))
        table = table.with_column(chosen.target, ls.Number(), logs.tolist())
    table = table.with_column("part", ls.Category(), parts.tolist())
    table = table.with_features([chosen.target, *chosen.left_out, "part"], bins=chosen.bins)
    task = ls.Task(table.split(column="part"), "features", chosen.target, allow_leaks=True)
    task.prepare()
    held_out = table.take(test).select("features", chosen.target)
    started = time.perf_counter()
    trained = train(model, task, chosen, seed, epochs)
    seconds = time.perf_counter() - started
    found, actual = trained.predict(held_out), held_out.column_values(chosen.target)
    if chosen.positive is not None:
        right = np.array([each == chosen.positive for each in actual])
        probable = np.array([each.probabilities[chosen.positive] for each in found])
        values = {
            "accuracy": metrics.accuracy_score(right, probable >= 0.5),
            "auc": metrics.roc_auc_score(right, probable),
            "log_loss": metrics.log_loss(right, np.clip(probable, 1e-7, 1 - 1e-7)),
        }
    else:
        predicted, true = np.array([each.value for each in found], np.float64), np.array(actual, np.float64)
        if chosen.log and not trees_learn_logs:
            predicted, true = np.log1p(np.maximum(predicted, 0)), np.log1p(true)
        values = {"rmse": metrics.root_mean_squared_error(true, predicted)}
    values = {key: round(float(value), 5) for key, value in values.items()}
    return {"set": name, "model": model, "seed": seed, "seconds": round(seconds, 2), **values}


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and spread of each metric by set and model."""
    frame = pl.DataFrame(runs, infer_schema_length=None)
    numbers = [column for column in frame.columns if column not in ("set", "model", "seed")]
    means = [pl.col(each).mean().round(4).alias(f"{each}_mean") for each in numbers]
    spreads = [pl.col(each).std().round(4).alias(f"{each}_std") for each in numbers]
    grouped = frame.group_by("set", "model", maintain_order=True).agg(*means, *spreads)
    return [{key: value for key, value in row.items() if value is not None} for row in grouped.to_dicts()]


def beside_boosting(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By set and network the mean difference of its error from that of boosting, with a 95 % interval."""
    found = []
    for name, model in dict.fromkeys((each["set"], each["model"]) for each in runs):
        metric = SETS[name].error
        by_seed = {
            which: {each["seed"]: each[metric] for each in runs if (each["set"], each["model"]) == (name, which)}
            for which in (model, "boosting")
        }
        shared = sorted(by_seed[model].keys() & by_seed["boosting"].keys())
        if model == "boosting" or len(shared) < 2:
            continue
        gaps = np.array([by_seed[model][seed] - by_seed["boosting"][seed] for seed in shared])
        margin = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
        low, high = float(gaps.mean() - margin), float(gaps.mean() + margin)
        told = "lower" if high < 0 else "higher" if low > 0 else "cannot be distinguished"
        found.append(
            {
                "set": name, "model": model, "metric": metric, "difference": round(float(gaps.mean()), 5),
                "interval": [round(low, 5), round(high, 5)], "error": told,
            }
        )  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", choices=list(SETS))
    parser.add_argument("--models", nargs="+", default=["boosting", "default"])
    parser.add_argument("--epochs", type=int, default=10, help="of networks other than the default")
    parser.add_argument("--only", type=int, nargs="+", default=list(SEEDS), help="these folds or seeds")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    known: dict[str, Any] = json.loads(options.out.read_text()) if options.out.exists() else {"runs": []}
    for name in options.sets:
        for model in options.models:
            for seed in options.only:
                new = run(name, model, seed, options.epochs)
                key = (name, model, seed)
                known["runs"] = [r for r in known["runs"] if (r["set"], r["model"], r["seed"]) != key] + [new]
                known["summary"], known["beside boosting"] = summary(known["runs"]), beside_boosting(known["runs"])
                known["environment"] = describe_environment()
                options.out.write_text(json.dumps(known, indent=1) + "\n")
                print(new, flush=True)


if __name__ == "__main__":
    main()

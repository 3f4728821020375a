import numpy as np
import polars as pl
import pytest

import longspan as ls


@pytest.fixture(scope="package")
def loans():
    """Boosted trees that predict a class and a number, and held-out rows: 'income' matters, 'noise' does not."""
    rng = np.random.default_rng(0)
    count = 1200
    income, noise = rng.normal(50, 10, count), rng.normal(size=count)
    job = rng.choice(["baker", "smith", "clerk"], count)
    odds = (income - 50) / 5 + 1.5 * (job == "smith")
    frame = pl.DataFrame(
        {
            "income": income,
            "noise": noise,
            "job": job,
            "paid": np.where(rng.random(count) < 1 / (1 + np.exp(-odds)), "yes", "no"),
            "sum": 3.0 * income + rng.normal(size=count) + 20 * rng.normal(size=count) * (job == "baker"),
        }
    )
    table = ls.Table.from_frame(frame, {"paid": ls.Category(), "job": ls.Category()})
    table = table.with_features(["paid", "sum"])
    task = ls.Task(table.split(valid=0.5), "features", ["paid", "sum"], allow_leaks=True)
    trees = ls.Boosting(trees=60).train(task)
    return trees, table.take(task.valid.numpy())

"""Systems of business tables: their baselines and errors against values worked out apart."""

import datetime
import json

import numpy as np
import polars as pl
import pytest

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems import SystemRun, find_system
from longspan.systems.business.adult import AdultOptions
from longspan.systems.business.bike_demand import BikeDemandOptions
from longspan.systems.business.house_prices import HousePricesOptions
from longspan.systems.business.random_splits import RandomSplitsOptions
from longspan.systems.business.store_sales import StoreSalesOptions


def run(name, options, folder):
    find_system(name).run(options, SystemRun(name, folder, quiet=True))
    return json.loads((folder / "result.json").read_text())


def hours(days=50):
    """Bikes of one hour of the week are one more each week."""
    count = 24 * days
    bikes = [hour % 168 + hour // 168 for hour in range(count)]
    frame = pl.DataFrame(
        {
            "instant": range(count),
            "dteday": [str(datetime.date(2011, 1, 1) + datetime.timedelta(days=hour // 24)) for hour in range(count)],
            "hr": [hour % 24 for hour in range(count)],
            "workingday": [str(int(hour // 24 % 7 < 5)) for hour in range(count)],
            "casual": [0] * count,
            "registered": bikes,
            "cnt": bikes,
        }
    )
    return ls.Table.from_frame(frame, {"workingday": ls.Category()})


def test_bikes_of_last_week_are_off_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(ls.datasets, "load", lambda name: hours())
    result = run("bike-demand", BikeDemandOptions(lags=True, origins=2, held_out=0.4), tmp_path)
    assert result["metrics"]["rmse, same hour last week"] == pytest.approx(1)
    assert result["metrics"]["rmse_low"] < result["metrics"]["rmse"] < result["metrics"]["rmse_high"]
    assert len(result["origins"]) == 2
    assert ls.load(tmp_path / "model.safetensors").inputs["features"].sources.count("casual") == 0


def test_sales_of_last_year_and_four_weeks_before(tmp_path, monkeypatch):
    weeks = [datetime.date(2010, 1, 1) + datetime.timedelta(weeks=week) for week in range(80)]
    rows = [(store, number, week) for store in ("a", "b") for number, week in enumerate(weeks)]
    table = ls.Table.from_frame(
        pl.DataFrame(
            {
                "Store": [store for store, _, _ in rows],
                "Date": [week for _, _, week in rows],
                "Weekly_Sales": [1000.0 + 10 * number + 500 * (store == "b") for store, number, _ in rows],
                "Holiday_Flag": [int(number % 10 == 0) for _, number, _ in rows],
            }
        ),
        {"Holiday_Flag": ls.Category(), "Store": ls.Category()},
    )
    monkeypatch.setattr(ls.datasets, "load", lambda name: table)
    metrics = run("store-sales", StoreSalesOptions(horizon=4), tmp_path)["metrics"]
    assert metrics["rmse, 4 weeks before"] == pytest.approx(40)
    assert metrics["rmse, same week last year"] == pytest.approx(520)
    assert metrics["wmae, 4 weeks before"] == pytest.approx(40)


@pytest.mark.parametrize("flags", [(0, 1), ("0", "1")])
def test_weeks_of_holidays_weigh_five_times(tmp_path, monkeypatch, flags):
    weeks = [datetime.date(2010, 1, 1) + datetime.timedelta(weeks=week) for week in range(80)]
    sales = [1000.0 + (100 if number == 75 else 0) for number in range(80)]
    frame = pl.DataFrame(
        {
            "Store": ["a"] * 80, "Date": weeks, "Weekly_Sales": sales,
            "Holiday_Flag": [flags[number == 75] for number in range(80)],
        }
    )  # fmt: skip
    table = ls.Table.from_frame(frame, {"Holiday_Flag": ls.Category(), "Store": ls.Category()})
    monkeypatch.setattr(ls.datasets, "load", lambda name: table)
    metrics = run("store-sales", StoreSalesOptions(horizon=8), tmp_path)["metrics"]
    assert metrics["wmae, same week last year"] == pytest.approx(5 * 100 / (16 + 4))  # 16 weeks, one of them five times


def test_prices_are_measured_on_every_row_once(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    area = rng.integers(50, 300, 150)
    frame = pl.DataFrame({"Order": range(150), "PID": range(150), "area": area, "SalePrice": 1000.0 * area})
    monkeypatch.setattr(ls.datasets, "load", lambda name: ls.Table.from_frame(frame))
    result = run("house-prices", HousePricesOptions(folds=3), tmp_path)
    assert len(result["folds"]) == 3
    assert result["metrics"]["r2"] > 0.9
    network = HousePricesOptions(folds=2, only=1, model="mlp", epochs=40, batch_size=16, lr=1e-2)
    assert run("house-prices", network, tmp_path)["metrics"]["rmse of the log"] < 0.5


def test_fewer_rows_train_and_all_are_measured(tmp_path, monkeypatch):
    frame = pl.DataFrame(
        {
            "age": [20 + row % 50 for row in range(300)],
            "part": ["train"] * 250 + ["test"] * 50,
            "salary": [">50K" if row % 50 > 25 else "<=50K" for row in range(300)],
        }
    )
    monkeypatch.setattr(ls.datasets, "load", lambda name, accept_small: ls.Table.from_frame(frame))
    result = run("adult", AdultOptions(folds=2, train_rows=60), tmp_path)
    assert result["metrics"]["auc"] > 0.9
    assert {"accuracy", "auc", "log_loss"} < set(result["folds"][0])


def test_a_random_split_flatters_where_groups_matter(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    days = np.repeat(np.arange(40), 50)
    table = ls.Table.from_frame(
        pl.DataFrame(
            {
                "instant": range(2000), "dteday": [f"2011-{1 + day // 28:02}-{1 + day % 28:02}" for day in days],
                "temp": rng.normal(size=2000), "cnt": rng.normal(size=40).cumsum()[days], "casual": 0, "registered": 0,
            }
        )
    )  # fmt: skip
    monkeypatch.setattr(ls.datasets, "load", lambda name: table)
    metrics = run("claim-random-splits", RandomSplitsOptions(data="bike-sharing"), tmp_path)["metrics"]
    assert metrics["bike-sharing, ratio"] > 1.5
    assert metrics["bike-sharing, low"] < metrics["bike-sharing, ratio"] < metrics["bike-sharing, high"]
    assert metrics["surely optimistic"] == 1


@pytest.mark.parametrize(
    ("options", "fields", "names"),
    [
        (BikeDemandOptions, {"origins": 1}, "--origins"),
        (BikeDemandOptions, {"held_out": 1.0}, "--held-out"),
        (BikeDemandOptions, {"lr": 0.0}, "--lr"),
        (StoreSalesOptions, {"horizon": 60}, "--horizon"),
        (HousePricesOptions, {"only": 6}, "--only"),
        (AdultOptions, {"train_rows": 3}, "--train-rows"),
        (RandomSplitsOptions, {"data": "bikes"}, "bikes is not among bike-sharing"),
        (RandomSplitsOptions, {"limit": 3}, "--limit"),
    ],
)
def test_options_that_cannot_be_are_refused(options, fields, names):
    with pytest.raises(ConfigError, match=names):
        options(**fields)

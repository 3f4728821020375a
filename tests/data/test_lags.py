from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import longspan as ls
from longspan.errors import ConfigError, DataError, SplitError


def hours(count=400, gap_at=100, seed=0):
    """Hourly counts of two stores, unsorted, without one hour."""
    rng = np.random.default_rng(seed)
    rows = [
        {"when": datetime(2026, 1, 1) + timedelta(hours=hour), "store": store, "sold": float(rng.integers(100))}
        for store in ("north", "south")
        for hour in range(count)
        if hour != gap_at
    ]
    return pl.DataFrame([rows[place] for place in rng.permutation(len(rows))])


def test_lags_are_those_of_a_join_by_time():
    frame = hours()
    table = ls.Table.from_frame(frame).with_lags("sold", time="when", group="store", lags=["24h", "7d"], horizon="24h")
    for lag, width in (("24h", timedelta(hours=24)), ("7d", timedelta(days=7))):
        earlier = frame.select(pl.col("when") + width, "store", pl.col("sold").alias("expected"))
        joined = frame.join(earlier, on=["when", "store"], how="left", maintain_order="left")
        assert table.column_values(f"sold {lag} before") == joined["expected"].to_list()
    assert table.column_values("sold 24h before").count(None) == 2 * 25  # a day, and the hour after the missing one


def test_means_end_where_the_past_is_known():
    frame = hours(60)
    table = ls.Table.from_frame(frame).with_lags("sold", time="when", group="store", means=["12h"], horizon="6h")
    found = table.column_values("mean sold of 12h")
    for row, (when, store) in enumerate(frame.select("when", "store").iter_rows()):
        end = when - timedelta(hours=6)
        inside = frame.filter(
            (pl.col("store") == store) & (pl.col("when") <= end) & (pl.col("when") > end - timedelta(hours=12))
        )
        assert found[row] == (pytest.approx(inside["sold"].mean()) if len(inside) else None)


def test_numbers_and_dates_are_moments_too_and_missing_values_stay_out_of_means():
    days = ls.Table.from_frame(pl.DataFrame({"day": [date(2026, 1, d) for d in (1, 2, 3)], "x": [1.0, None, 5.0]}))
    more = days.with_lags("x", time="day", lags=["1d"], means=["2d"], horizon="1d")
    assert more.column_values("x 1d before") == [None, 1.0, None]
    assert more.column_values("mean x of 2d") == [None, 1.0, 1.0]
    weeks = ls.Table.from_frame(pl.DataFrame({"week": [3, 1, 2], "x": [30.0, 10.0, 20.0]}))
    assert weeks.with_lags("x", time="week", lags=[1], horizon=1).column_values("x 1 before") == [20.0, None, 10.0]


def test_slips_are_told():
    table = ls.Table.from_frame(hours(30))
    for options, error, words in (
        ({"lags": ["12h"], "horizon": "24h"}, ConfigError, "shorter than horizon"),
        ({"horizon": "24h"}, ConfigError, "Nothing to add"),
        ({"lags": ["24h"], "horizon": "0h"}, ConfigError, "must be longer than 0"),
        ({"lags": [3], "horizon": "1h"}, SplitError, "needs a unit"),
        ({"lags": ["24h"], "horizon": "1h", "group": None}, DataError, "have the same time in"),
    ):
        with pytest.raises(error, match=words):
            table.with_lags("sold", **{"time": "when", "group": "store", **options})


def test_lags_do_not_know_the_future_and_means_over_all_rows_do():
    table = ls.Table.from_frame(hours(80))

    def honest(rows):
        return rows.with_lags("sold", time="when", group="store", lags=["24h"], means=["24h"], horizon="24h")

    def leaking(rows):
        mean = float(np.mean(rows.column_values("sold")))
        return honest(rows).with_column("ratio", ls.Number(), lambda row: row["sold"] / mean)

    assert ls.future_leaks(honest, table, time="when") == []
    assert ls.future_leaks(leaking, table, time="when") == ["ratio"]
    with pytest.raises(DataError, match="must keep every row"):
        ls.future_leaks(lambda rows: rows.take(np.arange(3)), table, time="when")

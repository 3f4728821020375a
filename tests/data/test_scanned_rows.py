"""Tables whose features stay in a Parquet file: the same statistics, rows, leaks and weights as of tables in memory."""

import os
import pickle
from contextlib import nullcontext

import numpy as np
import polars as pl
import pytest
import torch

import longspan as ls
from longspan.data.batches import store as stores
from longspan.data.scanned_rows import ScannedRows
from longspan.errors import ConfigError, DataError, LeakError, UnknownNameError

ROWS = 900


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def frame():
    draw = np.random.default_rng(0)
    x = draw.normal(size=ROWS)
    shop = draw.integers(0, 4, ROWS)
    return pl.DataFrame(
        {
            "x": [None if k % 50 == 0 else v for k, v in enumerate(x.tolist())],
            "shop": [f"s{k}" for k in shop],
            "day": pl.Series(draw.integers(19_000, 19_400, ROWS)).cast(pl.Date),
            "y": x + shop,
        }
    )


@pytest.fixture
def path(frame, tmp_path):
    frame.write_parquet(tmp_path / "rows.parquet", row_group_size=200)
    return tmp_path / "rows.parquet"


def small_windows(table, window=250):
    """The table, reading so few rows at a time that every part of it takes several windows."""
    held = table.arrays["features"]
    held.window = window
    return table


def tasks(path, **options):
    """The same task of a scanned table and of one in memory."""
    scanned = small_windows(ls.Table.scan(path, "y"))
    whole = ls.Table.read(path).with_features("y")
    return [
        ls.Task(each.split(valid=0.2, test=0.1, stratify=None), "features", "y", **options) for each in (scanned, whole)
    ]


def test_rows_are_read_by_position_in_any_order(path, frame):
    held = ScannedRows(path, ["shop", "x"], window=64)
    rows = np.array([899, 3, 3, 640, 63, 64])
    assert held.frame(rows).equals(frame.select("shop", "x")[rows])
    assert held.frame(np.empty(0, np.int64)).schema == frame.select("shop", "x").schema
    assert held[640] == frame.select("shop", "x").row(640, named=True)
    assert pl.concat(held.windows()).equals(frame.select("shop", "x"))
    again = pickle.loads(pickle.dumps(held))
    assert (len(again), again.window) == (ROWS, 64)


def test_kinds_are_decided_from_early_and_late_rows(tmp_path):
    late = pl.DataFrame({"flag": [0] * 9_000 + [1] * 1000, "y": range(10_000)})
    late.write_parquet(tmp_path / "late.parquet")
    held = ScannedRows(tmp_path / "late.parquet", ["flag"])
    assert set(held.spread(100)["flag"]) == {0, 1}
    assert len(held.spread(100_000)) == 10_000


@pytest.mark.parametrize("kind", ["memory", "file", "blocks"])
def test_statistics_and_encoded_rows_equal_those_of_a_table_in_memory(path, kind, monkeypatch):
    monkeypatch.setattr(stores, "BLOCK_ROWS", 300)
    monkeypatch.setattr(stores, "_KEPT_BLOCKS", 2)
    cache = {} if kind == "memory" else {"cache_gb": 0.0, "disk_cache_gb": 0.0 if kind == "blocks" else 1.0}
    scanned, whole = tasks(path, **cache)
    whole.cache_gb = 4.0
    with pytest.warns(UserWarning, match="neither in memory") if kind == "blocks" else nullcontext():
        scanned.prepare()
    whole.prepare()
    store = scanned.samples.inputs["features"]
    assert isinstance(store, stores.BlockStore if kind == "blocks" else stores.Store)
    assert (store.in_memory, store.block_rows is None) == (kind == "memory", kind == "memory")
    for name in ("number_stats", "category_stats"):
        assert getattr(scanned.inputs["features"], name) == getattr(whole.inputs["features"], name)
    every = torch.cat([scanned.train, scanned.valid])[::7]
    for batch, other in zip(scanned.samples.batches(every, 40), whole.samples.batches(every, 40), strict=True):
        torch.testing.assert_close(batch.inputs["features"], other.inputs["features"], rtol=0, atol=0)
        torch.testing.assert_close(batch.targets["y"], other.targets["y"], rtol=0, atol=0)


def test_a_network_trains_and_predicts_as_on_a_table_in_memory(path):
    found = []
    for task in tasks(path):
        learner = ls.Learner(task, "mlp", config=ls.TrainConfig(batch_size=64, precision="float32"), progress=False)
        learner.fit_one_cycle(2, 1e-2)
        found.append((learner.history[-1]["valid_loss"], [p.value for p in learner.predict(task.table[:5])]))
    assert found[0] == found[1]


@pytest.mark.parametrize("sampling", ["by_class", "balanced"])
def test_rows_are_drawn_by_class_as_from_a_table_in_memory(path, sampling):
    found = []
    for table in (small_windows(ls.Table.scan(path, "shop")), ls.Table.read(path).with_features("shop")):
        task = ls.Task(table.split(seed=1, stratify="shop"), "features", "shop", allow_leaks=True)
        config = ls.TrainConfig(batch_size=32, sampling=sampling, precision="float32")
        learner = ls.Learner(task, "mlp", config=config, progress=False)
        learner.fit_one_cycle(2, 1e-2)
        found.append([epoch["train_loss"] for epoch in learner.history])
    assert found[0] == found[1]


def test_copies_across_parts_are_found_in_the_file(frame, tmp_path):
    both = pl.concat([frame, frame[1:2]])
    both.write_parquet(tmp_path / "twice.parquet")
    table = small_windows(ls.Table.scan(tmp_path / "twice.parquet", "y"))
    parts = np.array(["train"] * ROWS + ["valid"])
    table = table.with_column("part", ls.Category(), parts.tolist())
    with pytest.raises(LeakError, match=f"row 1 .*row {ROWS} "):
        ls.Task(table.split(column="part"), "features", "y").prepare()


def test_a_column_that_gives_the_target_away_is_found_in_the_file(frame, tmp_path):
    frame.with_columns(copy=pl.col("y") * 2 + 1).write_parquet(tmp_path / "leak.parquet")
    table = small_windows(ls.Table.scan(tmp_path / "leak.parquet", "y"))
    with pytest.raises(LeakError, match="'copy' alone predicts 'y'"):
        ls.Task(table.split(stratify=None), "features", "y").prepare()


def test_a_part_of_a_scanned_table_is_one(path, frame):
    table = ls.Table.scan(path, ["y", "shop"])
    part = table.take([5, 1]).select("y", "features")
    assert [row["features"]["x"] for row in part] == [frame["x"][5], frame["x"][1]]
    assert part.filter(pl.col("y") == frame["y"][1])["features"][0]["x"] == frame["x"][1]
    assert set(table.columns["features"].sources) == {"x", "day"}


def test_kept_columns_may_be_features_too(path):
    table = ls.Table.scan(path, ["y", "day"], leave_out=["y"])
    assert table.columns["features"].dates == ("day",)  # pyright: ignore
    assert list(table.columns) == ["y", "day", "features"]


def test_what_cannot_be_done_with_a_file_is_said(path, tmp_path):
    table = ls.Table.scan(path, "y")
    with pytest.raises(ConfigError, match=r"'x' is read from .* as a part of 'features'"):
        table.with_column("x", ls.Number(), [0.0] * ROWS)
    with pytest.raises(DataError, match="one Parquet file"):
        table.concat(table)
    with pytest.raises(UnknownNameError, match="'z'"):
        ls.Table.scan(path, "z")
    with pytest.raises(ConfigError, match="the target at least"):
        ls.Table.scan(path, [])
    with pytest.raises(DataError, match="does not exist"):
        ls.Table.scan(tmp_path / "other.parquet", "y")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        ls.Table.scan(tmp_path / "bad.parquet", "y")


def test_a_file_that_changes_is_not_read_on(path, frame):
    table = ls.Table.scan(path, "y")
    frame[:100].write_parquet(path)
    os.utime(path, (1, 1))
    with pytest.raises(DataError, match="has changed"):
        table.value(500, "features")

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

import longspan as ls
from longspan.columns import Category, Features, Image, Number
from longspan.data import Table
from longspan.errors import ConfigError, DataError, LeakError


def people(count=300, seed=0):
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, count)
    job = rng.choice(["baker", "smith", "clerk"], count)
    return pl.DataFrame(
        {
            "id": range(count),
            "key": [f"k{i:05d}" for i in range(count)],
            "age": age,
            "pay": [None if rng.random() < 0.1 else float(p) for p in rng.lognormal(8, 1, count)],
            "job": job,
            "born": [f"19{50 + i % 50}-03-01" for i in range(count)],
            "planet": ["earth"] * count,
            "rich": np.where((age > 50) ^ (job == "smith") ^ (rng.random(count) < 0.05), "yes", "no"),
        }
    )


def test_kinds_are_chosen_and_told():
    table = Table.from_frame(people()).with_features("rich")
    column = table.columns["features"]
    assert (column.numbers, column.categories, column.dates) == (("age", "pay"), ("job",), ("born",))
    told = dict(line.split(": ", 1) for line in column.describe().splitlines())
    assert told["id"] == "left out: counts the rows from 0 to 299, as an index does"
    assert told["key"] == "left out: another value in each of 300 rows, as of an identifier"
    assert told["age"].startswith("number, ")
    assert "missing" in told["pay"]
    assert told["job"] == "category of 3 labels"
    assert told["born"] == "date, written as text"
    assert told["planet"] == "left out: 'earth' in every row that has a value"
    assert told["rich"] == "left out, as asked"


def test_columns_that_mix_forms_are_told():
    rows = range(120)
    frame = pl.DataFrame(
        {
            "day": [f"2021-{1 + i % 12:02d}-01" if i % 2 else f"01/{1 + i % 12:02d}/2021" for i in rows],
            "size": ["old" if i % 3 == 0 else str(i % 7) for i in rows],
            "code": [2**53 + 7919 * i for i in rows],
            "group": [2**60 + i % 3 for i in rows],
            "amount": ["x5" if i == 5 else str(i * 1.5) for i in rows],
            "y": [i % 5 for i in rows],
        }
    )
    column = Table.from_frame(frame).with_features("y").columns["features"]
    told = dict(line.split(": ", 1) for line in column.describe().splitlines())
    assert told["day"].startswith(
        "left out: 60 cells are dates and 60 are written in another way, such as '01/01/2021'"
    )
    assert told["size"] == "category of 8 labels; 80 of 120 cells are numbers, others such as 'old' are not"
    assert told["code"] == "left out: whole numbers beyond 2^53, another in each row, as of an identifier"
    assert "beyond 2^53 the last digits are lost" in told["group"]
    assert told["amount"].endswith("as of an identifier; 119 of 120 cells are numbers, others such as 'x5' are not")


def test_what_was_asked_for_stays():
    table = Table.from_frame(people()).with_features("rich", categories=["age"], scaling="quantile")
    assert table.columns["features"].categories == ("age", "job")
    assert table.columns["features"].scaling == "quantile"
    with pytest.raises(ConfigError, match="'rich' cannot be features"):
        Table.from_frame(people()).with_features("rich", numbers=["rich"])
    with pytest.raises(DataError, match="No column can be a feature"):
        Table.from_frame(people().select("planet", "rich")).with_features("rich")


@pytest.mark.parametrize("model", ["mlp", "tabm_mini"])
def test_from_a_table_to_a_model_file_and_back(model, tmp_path):
    table = Table.from_frame(people(600)).with_features("rich", min_count=1)
    task = ls.Task(table.split(valid=0.25), "features", "rich", allow_leaks=True)
    learner = ls.Learner(task, model, progress=False, config=ls.TrainConfig(batch_size=32))
    learner.fit_one_cycle(8 if model == "mlp" else 3, 1e-2)
    assert learner.evaluate()["accuracy"] > 0.75
    again = ls.load(learner.save(tmp_path / "model.safetensors"))
    fresh = people(20, seed=1).drop("rich").with_columns(job=pl.lit("astronaut"))  # never seen
    predictions = again.predict(Table.from_frame(fresh))
    assert [p.value for p in predictions] == [p.value for p in again.predict(fresh.to_dicts())]
    with pytest.raises(DataError, match="has no column 'job', which 'features' is made of"):
        again.predict(Table.from_frame(fresh.drop("job")))


def test_an_image_and_features_in_one_network():
    frame = people(60)
    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28), np.uint8)
    rows = {
        "scan": images,
        "age": frame["age"].to_list(),
        "job": frame["job"].to_list(),
        "rich": frame["rich"].to_list(),
    }
    table = Table.from_arrays(rows, {"scan": Image(), "age": Number(), "job": Category(), "rich": Category()})
    table = table.with_column("person", Features(numbers=["age"], categories=["job"]))
    learner = ls.Learner(ls.Task(table.split(), ["scan", "person"], "rich"), "lenet5", progress=False).fit(1)
    prediction = learner.predict({"scan": images[0], "person": {"age": 30, "job": "clerk"}})
    assert prediction.value in ("yes", "no")


def test_a_column_that_gives_the_target_away_is_found_among_the_features():
    frame = people().with_columns(copy=pl.col("rich").replace_strict({"yes": 1.5, "no": 0.5}))
    table = Table.from_frame(frame).with_features("rich")
    with pytest.raises(LeakError, match="'copy' alone predicts 'rich'"):
        ls.Task(table.split(), "features", "rich").prepare()


def test_features_follow_a_column_that_is_replaced():
    table = ls.Table.from_frame(pl.DataFrame({"x": [1.0, 2.0] * 20, "y": [1, 2] * 20})).with_features("y")
    assert table[0]["features"]["x"] == 1.0
    changed = table.with_column("x", ls.Number(), [7.0] * 40)
    assert changed[0]["features"]["x"] == 7.0


def test_types_that_no_network_reads_are_left_out():
    rows = range(12)
    frame = pl.DataFrame(
        {
            "x": [float(row % 5) for row in rows],
            "lasted": [timedelta(hours=row) for row in rows],
            "code": [bytes([row]) for row in rows],
            "any": pl.Series([date(2024, 1, 1 + row) for row in rows], dtype=pl.Object),
            "y": ["ab"[row % 2] for row in rows],
        }
    )
    features = ls.Table.from_frame(frame).with_features("y").columns["features"]
    assert features.sources == ("x",)
    assert "lasted: left out: a network of tables reads no values of type Duration" in "\n".join(features.reasons)


def test_days_that_do_not_exist_and_several_offsets_are_told():
    days = [f"2024-02-{1 + n % 31:02}" for n in range(62)]
    moments = [f"2024-03-{1 + n % 28:02}T12:00:00{'Z' if n % 2 else '+05:30'}" for n in range(62)]
    table = Table.from_frame(pl.DataFrame({"day": days, "at": moments, "y": [n % 2 for n in range(62)]}))
    reasons = table.with_features("y").columns["features"].reasons
    assert "day: left out: 4 cells name days that do not exist, such as '2024-02-30'" in reasons
    assert "at: date, written as text with 2 offsets from UTC, each read in its local time" in reasons

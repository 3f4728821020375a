import datetime
import json

import numpy as np
import polars as pl
import pytest

from longspan.columns import Features, column_from_json
from longspan.errors import ConfigError, DataError, UnknownNameError


def rows(count=1000, seed=0):
    rng = np.random.default_rng(seed)
    return [
        {
            "age": float(rng.normal(40, 10)),
            "pay": None if rng.random() < 0.1 else float(rng.lognormal(8, 2)),
            "job": str(rng.choice(["baker", "smith", "clerk"], p=[0.6, 0.3, 0.1])),
            "day": datetime.date(2020, 1, 1) + datetime.timedelta(days=int(rng.integers(0, 800))),
        }
        for _ in range(count)
    ]


def column_of(data, **options):
    return Features(numbers=["age", "pay"], categories=["job"], dates=["day"], **options).fit(data)


def encoded_by_name(column, data):
    return dict(zip(column.names, np.stack([column.encode(row) for row in data]).T, strict=True))


def test_numbers_are_standardised_and_missing_ones_are_the_median_with_an_indicator():
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    data = rows()
    found = encoded_by_name(column_of(data), data)
    ages = np.array([[row["age"]] for row in data])
    np.testing.assert_allclose(found["age"], StandardScaler().fit_transform(ages)[:, 0], atol=1e-5)
    pays = np.array([[np.nan if row["pay"] is None else row["pay"]] for row in data])
    imputer = SimpleImputer(strategy="median", add_indicator=True).fit(pays)
    filled, missing = imputer.transform(pays).T  # pyright: ignore
    there = pays[~np.isnan(pays)]
    np.testing.assert_allclose(found["pay"], (filled - there.mean()) / there.std(), atol=1e-5)
    np.testing.assert_array_equal(found["pay is missing"], missing)
    assert "age is missing" not in found


def test_robust_and_quantile_scaling_agree_with_scikit_learn():
    from sklearn.preprocessing import QuantileTransformer, RobustScaler

    data = rows()
    ages = np.array([[row["age"]] for row in data])
    robust = encoded_by_name(column_of(data, scaling="robust"), data)["age"]
    np.testing.assert_allclose(robust, RobustScaler().fit_transform(ages)[:, 0] * 1.349, atol=1e-4)
    quantile = encoded_by_name(column_of(data, scaling="quantile"), data)["age"]
    wanted = QuantileTransformer(n_quantiles=256, output_distribution="normal").fit_transform(ages)[:, 0]
    inside = np.abs(wanted) < 2
    np.testing.assert_allclose(quantile[inside], wanted[inside], atol=0.03)


def test_logs_are_read_of_numbers_on_both_sides_of_zero():
    data = [{"x": float(x)} for x in (-100, -1, 0, 1, 100)]
    column = Features(numbers=["x"], logs=["x"]).fit(data)
    values = np.array([column.encode(row)[0] for row in data])
    logs = np.array([-np.log1p(100), -np.log1p(1), 0, np.log1p(1), np.log1p(100)])
    np.testing.assert_allclose(values, (logs - logs.mean()) / logs.std(), atol=1e-6)
    assert column.decode(column.encode({"x": 37.0}))["x"] == pytest.approx(37, rel=1e-4)


def test_labels_are_classes_by_frequency_and_rare_or_unknown_ones_are_class_0():
    data = [{"job": job} for job in ["a"] * 5 + ["b"] * 9 + ["c"] * 2 + [None]]
    column = Features(categories=["job"], min_count=3).fit(data)
    codes = {job: int(column.encode({"job": job})[0]) for job in ("a", "b", "c", "new", None)}
    assert codes == {"b": 2, "a": 3, "c": 0, "new": 0, None: 1}
    assert column.spec().categories == (4,)


def test_whole_floats_are_the_same_label_as_integers():
    column = Features(categories=["code"], min_count=1).fit([{"code": 1}, {"code": 2}])
    assert column.encode({"code": 2.0}) == column.encode({"code": 2})
    assert column.encode({"code": "2"}) == column.encode({"code": 2})


def test_dates_are_parts_and_cycles():
    data = rows()
    column = column_of(data)
    for written in ("2020-03-01", "2020-03-01T00:00:00", datetime.datetime(2020, 3, 1), datetime.date(2020, 3, 1)):
        found = dict(zip(column.names, column.encode({**data[0], "day": written}), strict=True))
        stats = column.number_stats[4]  # pyright: ignore
        expected = (np.sin(2 * np.pi * 61 / 365.25) - stats.mean) / stats.std
        assert found["day: day of year, sine"] == pytest.approx(expected, abs=1e-4)
        months = column.category_stats[1]  # pyright: ignore
        assert months.label(int(found["day: month"])) == "3"
        weekday = column.category_stats[2]  # pyright: ignore
        assert weekday.label(int(found["day: weekday"])) == "7"  # a Sunday
    assert column.decode(column.encode(data[5]))["day"] == str(data[5]["day"])


@pytest.mark.parametrize("language", ["en_US.UTF-8", "de_DE.UTF-8", "C"])
def test_public_holidays_of_a_country_are_features_of_its_dates(monkeypatch, language):
    pytest.importorskip("holidays")
    monkeypatch.setenv("LANGUAGE", language)  # gettext would translate to it
    days = [datetime.date(2022, 1, 1) + datetime.timedelta(n) for n in range(1000)]
    column = Features(dates=["day"], holidays="DE-BY", min_count=2).fit([{"day": day} for day in days])
    place = column.names.index("day: holiday")
    closed = [column.encode({"day": day})[place] for day in ("2024-10-03", "2024-11-01", "2024-11-02", "2031-01-01")]
    assert [value > 1 for value in closed] == [True, True, False, True]  # also in years without a training row
    (which,) = (stats for stats in column.category_stats if stats.name == "day: which holiday")  # pyright: ignore
    assert which.labels[0] == "none"
    assert "All Saints' Day" in which.labels
    assert set(column.owners) == {"day"}
    assert column_from_json(json.loads(json.dumps(column.to_json()))) == column
    assert "holidays" not in Features(dates=["day"]).to_json()
    for country, words in (("DEU1", "country of public holidays 'DEU1'"), ("DE-XY", "part of DE 'XY'")):
        with pytest.raises(UnknownNameError, match=words):
            Features(dates=["day"], holidays=country)
    with pytest.raises(ConfigError, match="is read of dates="):
        Features(numbers=["day"], holidays="DE")


def test_edges_are_those_of_the_reference_package():
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("rtdl_num_embeddings")
    data = rows()
    column = column_of(data, bins=16)
    ages = torch.from_numpy(encoded_by_name(column, data)["age"][:, None])
    (wanted,) = reference.compute_bins(ages, n_bins=16)
    np.testing.assert_allclose(column.spec().edges[0], wanted.numpy(), atol=1e-5)


def test_a_value_of_most_rows_leaves_bins_for_the_others():
    rng = np.random.default_rng(0)
    gains = np.where(rng.random(4000) < 0.9, 0.0, rng.lognormal(8, 1, 4000))
    column = Features(numbers=["gain"], bins=48).fit([{"gain": float(gain)} for gain in gains])
    (stats,) = column.number_stats  # pyright: ignore
    edges = np.array([stats.unscale(edge) for edge in stats.edges])
    assert 45 <= len(edges) <= 50
    assert edges[0] == pytest.approx(0, abs=1e-2)
    assert edges[1] == pytest.approx(gains[gains > 0].min(), rel=1e-3)
    assert edges[-1] == pytest.approx(gains.max(), rel=1e-3)


def test_numbers_of_few_values_have_an_edge_at_each():
    column = Features(numbers=["rooms"], bins=8).fit([{"rooms": each} for each in (1, 1, 1, 1, 2, 3, 3, 9)])
    (stats,) = column.number_stats  # pyright: ignore
    assert [stats.unscale(edge) for edge in stats.edges] == pytest.approx([1, 2, 3, 9], rel=1e-4)


def test_statistics_are_the_same_however_rows_come():
    data = rows(5000)
    once = column_of(data)
    assert column_of(iter(data)) == once
    cells = pl.DataFrame(data, infer_schema_length=None).to_struct("features")
    assert Features(numbers=["age", "pay"], categories=["job"], dates=["day"]).fit_cells([cells]) == once


def test_statistics_of_many_rows_take_little_memory(monkeypatch):
    from longspan.columns import feature_stats

    monkeypatch.setattr(feature_stats, "_SAMPLE", 1000)
    counter = feature_stats.NumberCounter("x")
    values = np.random.default_rng(0).normal(5, 2, 20_000)
    for chunk in np.array_split(values, 37):
        counter.add(chunk)
    assert sum(map(len, counter._sample)) <= 1000
    stats = counter.stats("standard", 8)
    assert (stats.mean, stats.std) == (pytest.approx(values.mean()), pytest.approx(values.std()))
    kept = values[:: counter._step]
    np.testing.assert_array_equal(np.concatenate(counter._sample), kept)
    assert stats.median == np.median(kept)


def test_whole_columns_are_encoded_as_single_rows_are():
    data = rows(300)
    column = column_of(data)
    frame = pl.DataFrame(data, infer_schema_length=None)
    encoded, faults = column.encode_cells(frame.to_struct("features"))
    assert faults == {}
    np.testing.assert_array_equal(encoded, np.stack([column.encode(row) for row in data]))


def test_bad_cells_are_named_all_at_once():
    column = column_of(rows())
    frame = pl.DataFrame(
        {
            "age": ["4", "four", " 5 "],
            "pay": [1.0, float("inf"), None],
            "job": ["x"] * 3,
            "day": ["2020-01-01", "9/9/9", ""],
        }
    )
    faults = column.encode_cells(frame.to_struct("features"))[1]
    assert faults == {
        1: "'age': 'four' is not a number; 'pay': inf is not finite; "
        "'day': '9/9/9' is not a date; write year-month-day, such as 2024-03-31"
    }


def test_constant_numbers_and_large_ones_stay_finite():
    data = [{"same": 7.0, "large": 1e15 + i} for i in range(50)]
    column = Features(numbers=["same", "large"]).fit(data)
    values = np.stack([column.encode(row) for row in data])
    assert np.isfinite(values).all()
    assert values[:, 0].tolist() == [0.0] * 50
    assert values[:, 1].std() == pytest.approx(1, abs=1e-3)  # differences of a large number survive


def test_json_holds_all_that_was_learned():
    column = column_of(rows(), scaling="quantile")
    assert column_from_json(json.loads(json.dumps(column.to_json(), allow_nan=False))) == column


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"numbers": "age"}, "must be a list of column names"),
        ({"numbers": ["age"], "categories": ["age"]}, "'age' twice"),
        ({"numbers": ["age"], "logs": ["pay"]}, "logs names 'pay'"),
        ({"numbers": ["age"], "scaling": "none"}, "'standard', 'robust' or 'quantile'"),
        ({"numbers": ["age"], "bins": 0}, "bins must be a whole number of at least 1"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Features(**options)


def test_columns_without_any_value_are_refused_by_name():
    with pytest.raises(DataError, match="'age' has no number in any training row"):
        Features(numbers=["age"]).fit([{"age": None}] * 3)
    with pytest.raises(DataError, match="'job' has no label in any training row"):
        Features(categories=["job"]).fit([{"job": None}] * 3)
    with pytest.raises(ConfigError, match="Features names no column"):
        Features().fit([{"age": 1}])

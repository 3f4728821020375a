import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

import longspan as ls
from longspan.errors import ConfigError, DataError
from longspan.inference.conformal import _wilson


@pytest.fixture(scope="module")
def shop():
    """Trees for a number and a class; 400 rows to calibrate on, 2,000 to measure on."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, 2700)
    frame = pl.DataFrame(
        {
            "x": x,
            "price": 2 * x + rng.normal(size=2700),
            "kind": np.where(rng.random(2700) < x / 10, "large", np.where(rng.random(2700) < 0.5, "small", "tiny")),
        }
    )
    table = ls.Table.from_frame(frame, {"kind": ls.Category()}).with_features(["price", "kind"])
    task = ls.Task(table.take(np.arange(300)).split(valid=10), "features", ["price", "kind"], allow_leaks=True)
    trees = ls.Boosting(trees=20).train(task)
    return trees, table.take(np.arange(300, 700)), table.take(np.arange(700, 2700))


@pytest.mark.parametrize("target", ["price", "kind"])
@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_coverage_holds_on_rows_like_those_calibrated_on(shop, target, coverage):
    trees, known, new = shop
    found = ls.conformal(trees, known, target, coverage=coverage).measure(trees, new)
    assert found.covered == pytest.approx(coverage, abs=0.05)
    assert found.rows == 2000
    assert found.interval[0] < found.covered < found.interval[1]


def test_the_score_is_the_quantile_of_the_papers(shop):
    trees, known, _ = shop
    found = ls.conformal(trees, known, "price", coverage=0.9)
    off = [abs(each["price"] - v) for each, v in zip(trees.predict(known), known.column_values("price"), strict=True)]
    assert found.score == pytest.approx(np.quantile(off, 361 / 400, method="inverted_cdf"))  # ceil(401 * 0.9) = 361
    low, high = found.interval(trees.predict({"x": 5.0}).by_target["price"])
    assert high - low == pytest.approx(2 * found.score)
    assert low < 10 < high


def test_sets_hold_every_label_that_is_probable_enough(shop):
    trees, known, _ = shop
    found = ls.conformal(trees, known, "kind", coverage=0.9)
    one = trees.predict({"x": 5.0}).by_target["kind"]
    expected = {label for label, p in one.probabilities.items() if p >= 1 - found.score}
    assert set(found.labels(one)) == expected
    assert len(expected) > 1
    with pytest.raises(ConfigError, match="labels"):
        found.interval(one)


def test_slips_are_told(shop):
    trees, known, _ = shop
    with pytest.raises(DataError, match="needs at least 19 rows with a target; there are 10"):
        ls.conformal(trees, known.take(np.arange(10)), "price", coverage=0.95)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        ls.conformal(trees, known, "price", coverage=90)
    with pytest.raises(ConfigError, match="name one"):
        ls.conformal(trees, known)


def test_intervals_of_fractions_are_wilsons():
    expected = binomtest(37, 50).proportion_ci(0.95, method="wilson")
    assert _wilson(37, 50) == pytest.approx((expected.low, expected.high), abs=1e-6)

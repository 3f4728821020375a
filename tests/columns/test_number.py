import numpy as np
import polars as pl
import pytest

from longspan.columns import Number
from longspan.errors import ConfigError, DataError


def test_mean_and_spread_equal_numpy():
    values = [3.5, -2, 10, 7.25]
    column = Number(unit="km/h").fit(values)
    assert column.mean == pytest.approx(np.mean(values))
    assert column.std == pytest.approx(np.std(values))
    assert column.unit == "km/h"


def test_given_statistics_stay():
    assert Number(mean=1.0, std=2.0).fit([5, 6]) == Number(mean=1.0, std=2.0)
    learnt = Number(std=2.0).fit([5, 7])
    assert (learnt.mean, learnt.std) == (6.0, 2.0)


@pytest.mark.parametrize("value", [0.1, 0.0, 1e-30, 123456.7])
def test_equal_values_have_a_spread_of_one_not_of_rounding(value):
    assert Number().fit([value] * 3).std == 1.0


def test_what_is_no_number_teaches_nothing():
    assert Number().fit([1, 3, "n/a", float("nan"), None]).mean == 2.0
    with pytest.raises(DataError, match="found none"):
        Number().fit(["n/a"])


@pytest.mark.parametrize("value", [3, 3.0, "3", np.float64(3), np.int8(3), np.array(3)])
def test_numbers_of_every_sort_are_encoded(value):
    encoded = Number().encode(value)
    assert (encoded.shape, encoded.dtype, float(encoded)) == ((), np.float32, 3.0)
    assert Number().decode(encoded) == 3.0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "None is not a number"),
        ("three", "'three' is not a number"),
        ([1.0], "is not a number"),
        (np.array([1.0]), r"an array \(1,\) is not a number"),
        (float("nan"), "not finite"),
        ("inf", "not finite"),
        (1e39, "single precision"),
        (10**400, "is not a number"),
    ],
)
def test_what_cannot_be_encoded_says_why(value, words):
    with pytest.raises(ValueError, match=words):
        Number().encode(value)


@pytest.mark.parametrize("options", [{"std": 0.0}, {"std": -1.0}, {"std": float("nan")}, {"mean": float("inf")}])
def test_statistics_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match=r"Number\.(mean|std) must be"):
        Number(**options)


def test_a_cell_shows_four_digits_and_the_unit_and_never_fails():
    assert Number(unit="months").show_html(123.456) == "123.5 months"
    assert Number().show_html("n/a<") == "n/a&lt;"


def test_targets_whose_differences_single_precision_cannot_hold():
    with pytest.raises(DataError, match="differences would be lost"):
        Number().fit([2**53 + 2 * i for i in range(8)])
    with pytest.warns(UserWarning, match="they are rounded"):
        Number().fit([1.7e9 + 1000 * i for i in range(8)])
    assert Number().fit([1.7e9 + 1e6 * i for i in range(8)]).std == pytest.approx(1e6 * np.std(range(8)))
    assert Number().fit([2**53] * 4).std == 1.0, "equal values are no loss"
    assert Number().as_input().fit([2**53 + 2 * i for i in range(8)]).std == pytest.approx(
        2 * np.std(range(8)), rel=0.1
    )


@pytest.mark.parametrize("role", ["input", "target"])
@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32, pl.Int32, pl.UInt64])
def test_whole_columns_are_learned_and_encoded_as_single_values_are(role, dtype):
    cells = pl.Series([3, 0, 250, 7]).cast(dtype)
    one, whole = Number(role=role).fit(cells.to_list()), Number(role=role).fit_cells([cells[:1], cells[1:]])
    assert one == whole
    found = whole.encode_cells(cells)
    assert found is not None
    assert found[1] == {}
    np.testing.assert_array_equal(found[0], [one.encode(cell) for cell in cells.to_list()], strict=True)


def test_bad_cells_of_a_whole_column_are_named_as_single_ones_are():
    cells = pl.Series([1.0, float("inf"), float("nan"), 1e39, -2.0])
    column = Number(mean=0.0, std=1.0)
    found = column.encode_cells(cells)
    assert found is not None
    assert found[1] == {row: column.check(cells[row]) for row in (1, 2, 3)}
    assert found[0][[0, 4]].tolist() == [1.0, -2.0]
    assert Number().fit_cells([cells]).mean == -0.5
    assert Number().fit_cells([pl.Series(["1", "3"])]).mean == 2.0
    assert column.encode_cells(pl.Series(["1"])) is None
    assert Number(missing="indicator", role="input").fit([1.0, 2.0]).encode_cells(cells) is None


def test_digits_that_underscores_part_are_no_number():
    assert Number().check("1_000") == "'1_000' is not a number"

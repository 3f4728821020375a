"""Numbers as people read them, and no certainty."""

import pytest

from longspan.errors import ConfigError
from longspan.study.formatting import check_level, percent, say_error, say_interval, say_probability, say_size


def test_numbers_as_people_read_them():
    assert [say_size(each) for each in (3000, 1234.4, 2_345_678.9, 0.05, 12.5, 0)] == [
        "3,000", "1,230", "2,350,000", "0.05", "12.5", "0",
    ]  # fmt: skip
    assert [say_error(each) for each in (0.04321, 12.34, 0.0, 4321.0, 0.00000123)] == [
        "0.0432", "12.3", "0", "4,321", "1.23e-06",
    ]  # fmt: skip
    assert say_error(0.04321, "%") == "4.32 %"
    assert say_error(4.5, "years") == "4.5 years"
    assert say_interval(0.03, 0.045, "%") == "3 to 4.5 %"
    assert say_interval(0.03, 0.045) == "0.03 to 0.045"
    assert percent(0.95) == "95 %"


def test_a_probability_is_never_certainty():
    assert say_probability(1.0) == "P > 0.99"
    assert say_probability(0.0) == "P < 0.01"
    assert say_probability(0.714) == "P = 0.71"


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, float("nan")])
def test_a_level_is_a_fraction(level):
    with pytest.raises(ConfigError, match=r"0\.95 for 95 %"):
        check_level(level)

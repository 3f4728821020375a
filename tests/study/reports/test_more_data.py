import re

import numpy as np
import pytest

from longspan.study.reports.more_data import forecast_sentence, more_data_sentence
from longspan.study.statistics.extrapolation import Forecast

SIZES = np.array([100, 200, 400, 800])


def forecast(*errors, spread=0.01):
    return Forecast(
        size=1600.0, times=2.0, centers=np.log(errors), weights=np.full(len(errors), 1 / len(errors)), spread=spread,
        wide=0.1, largest=1.0,
    )  # fmt: skip


def test_a_forecast_below_the_last_error_promises_help():
    found = forecast_sentence("whole", 0.10, forecast(0.08), unit="%")
    assert found.startswith(
        "More data should still help whole: with 1,600 training rows its error is projected to fall"
    )
    assert "from 10 % to 8 %" in found


def test_a_forecast_around_the_last_error_is_unclear():
    found = forecast_sentence("whole", 0.10, forecast(0.09, spread=0.2), unit="%")
    assert found.startswith(
        "It is unclear whether more data would help whole: doubling it is projected to cut the error"
    )
    assert "by 10 %" in found
    assert "should still help" not in found
    assert re.search(r"interval of the cut: -\d+ to \d+ %", found)


def test_a_forecast_at_the_last_error_hardly_helps():
    assert forecast_sentence("a", 0.10, forecast(0.099)).startswith("More data hardly helps a")


@pytest.mark.parametrize("middle", [0.04, 0.07, 0.09, 0.097, 0.1, 0.12])
@pytest.mark.parametrize("spread", [0.003, 0.03, 0.3])
def test_help_is_promised_only_where_the_interval_says_so(middle, spread):
    one = forecast(middle, spread=spread)
    promised = "should still help" in forecast_sentence("a", 0.1, one)
    assert promised == (one.interval(0.8)[1] < 0.1)


def test_a_curve_of_zeros_has_no_law():
    found = more_data_sentence("a", SIZES, np.array([[0.1, 0.2], [0.05, 0.1], [0.0, 0.1], [0.0, 0.0]]), unit="%")
    assert found.startswith("a makes no error on the held-out rows with 800 training rows")
    assert "projected" not in found


def test_one_size_projects_nothing():
    errors = np.full((4, 2), np.nan)
    errors[1] = 0.1
    assert "one size only" in more_data_sentence("a", SIZES, errors)


def test_a_steep_curve_is_projected_to_fall():
    errors = (2 * SIZES**-0.5)[:, None] * np.array([[0.99, 1.0, 1.01]])
    assert more_data_sentence("a", SIZES, errors).startswith("More data should still help a")

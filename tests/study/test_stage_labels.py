"""Which stage's labels to buy next: by hand for curves that are power laws."""

import numpy as np
import pytest

from longspan.errors import StudyError
from longspan.pipeline.ceiling import Ceiling, StageCeiling
from longspan.study.stage_labels import labels_to_buy

SIZES = [100, 200, 400]
CEILING = Ceiling(
    target="number", measure="error", error=0.3, level=0.95, num_rows=500,
    stages=(
        StageCeiling(stage="find", adds=("boxes",), gain=0.2), StageCeiling(stage="read", adds=("digit",), gain=0.08),
    ),
)  # fmt: skip


def falling(exponent):
    return np.array([[(n / 100) ** -exponent * 0.2] * 3 for n in SIZES])


def test_what_pays_is_gain_times_slope_over_price():
    curves = {"find": (SIZES, falling(0.1)), "read": (SIZES, falling(0.5))}
    found = labels_to_buy(CEILING, curves, {"find": 1.0, "read": 1.0}, money=400)
    by_name = {each.stage: each for each in found}
    assert by_name["read"].gain == pytest.approx(0.08 * (1 - 2**-0.5), rel=0.12)
    assert by_name["find"].gain == pytest.approx(0.2 * (1 - 2**-0.1), rel=0.15)
    assert found[0].stage == "read"
    dear = labels_to_buy(CEILING, curves, {"find": 1.0, "read": 10.0}, money=400)
    assert dear[0].stage == "find"
    assert "read: 40 labels for 400" in str(dear[1])


def test_a_stage_that_learns_no_more_brings_nothing():
    flat = np.full((3, 3), 0.2)
    (found,) = labels_to_buy(CEILING, {"find": (SIZES, flat)}, {"find": 1.0}, money=100)
    assert found.gain < 0.01


def test_no_purchase_goes_beyond_what_forecasts_were_checked_for():
    (found,) = labels_to_buy(CEILING, {"read": (SIZES, falling(0.5))}, {"read": 0.01}, money=1e6)
    assert (found.labels, found.spent) == (1200, 12.0)


def test_all_faults_are_told_at_once():
    with pytest.raises(
        StudyError, match=r"(?s)'sort' is not a stage.*'sort' has no price.*price of 'find' is 0.*money=-1"
    ):
        labels_to_buy(CEILING, {"sort": (SIZES, falling(0.1))}, {"find": 0}, money=-1)

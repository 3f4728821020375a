"""The difference of two curves, on differences written by hand: which crossing, how far the doubt, what is settled."""

from typing import Any

import numpy as np
import pytest

from longspan.study.statistics.curve_difference import CurveDifference, curve_difference
from longspan.study.statistics.curve_fit import CurveFit, fit_curve
from longspan.study.statistics.resample import resamples

T = 4.3027  # of 2 degrees of freedom at 95 %


def difference(values, errors: Any = 0.1 / T, *, runs=3):
    """Places at 1, 2, 4, 8 ...; by default the sign is told where the difference is above 0.1."""
    values = np.array(values, dtype=float)
    spread = None if errors is None else np.broadcast_to(np.asarray(errors, dtype=float), values.shape)
    return CurveDifference(x=2.0 ** np.arange(len(values)), values=values, errors=spread, runs=runs, level=0.95)


def test_each_change_of_sign_is_a_crossing():
    assert difference([1, 1, -1, -1, 1]).crossings() == [(1, 2), (3, 4)]
    assert difference([1, 0, 0, -1]).crossings() == [(0, 3)]
    assert difference([1, 0, 1]).crossings() == []
    assert difference([0, 0, 0]).crossings() == []
    assert difference([0, -1, 1]).crossings() == [(1, 2)]


def test_a_crossing_lies_between_its_places():
    assert difference([1, -3]).place_of((0, 1)) == pytest.approx(2**0.25)
    assert difference([1, 0, 0, -3]).place_of((0, 3)) == pytest.approx(2**1.5)


def test_the_clearest_crossing_has_evidence_on_both_sides():
    feeble_first = difference([0.2, -0.05, -0.02, 1, 2, -3, -3])
    assert feeble_first.crossings() == [(0, 1), (2, 3), (4, 5)]
    assert feeble_first.clearest() == (4, 5)
    feeble_last = difference([3, 3, -2, -1, 0.02, 0.05, -0.2])
    assert feeble_last.clearest() == (1, 2)
    # What counts is the difference in units of its error.
    assert difference([1, -1, -1, 1], [0.01, 0.01, 1, 1]).clearest() == (0, 1)
    assert difference([1, -1, -1, 1], [1, 1, 0.01, 0.01]).clearest() == (2, 3)
    assert difference([1, 2]).clearest() is None


def test_the_doubt_ends_where_the_interval_leaves_zero():
    low, high = difference([1, 0.2, 0.05, -0.05, -0.3, -1]).span_around((2, 3))
    # 0.2 is told by 0.1, and 0.05 lacks 0.05: two thirds of the way from 2 to 4. Then a fifth of that from 8 to 16.
    assert low == pytest.approx(2 * 2 ** (2 / 3), rel=1e-3)
    assert high == pytest.approx(8 * 2 ** (0.05 / 0.25), rel=1e-3)


def test_the_doubt_may_reach_the_end():
    assert difference([0.05, 0.05, -0.05, -1]).span_around((1, 2))[0] is None
    assert difference([1, 0.05, -0.05, -0.05]).span_around((1, 2))[1] is None
    # Curves that part for a while and meet again settle nothing.
    assert difference([1, 0.05, -0.05, -0.5, -0.5, -0.05]).span_around((1, 2))[1] is None


def test_the_doubt_stops_before_another_crossing():
    two = difference([1, 1, -1, -1, -0.05, 0.05, 1])
    assert two.span_around((1, 2))[1] == pytest.approx(4)
    assert two.span_around((4, 5))[0] == pytest.approx(8 * 2 ** (0.9 / 0.95), rel=1e-3)
    mirrored = difference([1, 0.05, -0.05, -1, -1, 1, 1])
    assert mirrored.span_around((4, 5))[0] == pytest.approx(16)
    # With nothing told between them both are in doubt together.
    assert difference([1, 0.05, -0.05, 0.05, -1, -1]).span_around((1, 2))[1] == pytest.approx(
        8 * 2 ** (0.05 / 0.95), rel=1e-2
    )


def test_one_end_alone_must_be_told_at_half_the_error_rate():
    # t of 2 degrees of freedom is 6.205 at 1 - 0.05 / 4.
    assert difference([0.05, -0.05, -0.1 / T * 6.3]).settles((None, 3.0))
    assert not difference([0.05, -0.05, -0.1 / T * 6.1]).settles((None, 3.0))
    assert difference([0.1 / T * 6.3, 0.05, -0.05]).settles((3.0, None))
    assert difference([0.2, -0.2]).settles((1.2, 1.8))
    assert not difference([0.05, -0.05]).settles((None, None))
    assert not difference([1, -1], None, runs=1).settles((1.2, 1.8))


def test_how_sure_the_lower_curve_is_where_it_is_least_sure():
    # t = 2 with 2 degrees of freedom: 0.5 + 2 / (2 * sqrt(2 + 4)).
    assert difference([-1, -0.2, -3], 0.1).least_sure() == pytest.approx(0.5 + 1 / 6**0.5)
    assert difference([1, 0.2, 3], 0.1).least_sure() == pytest.approx(0.5 + 1 / 6**0.5)
    assert difference([1, 1], None, runs=1).least_sure() is None
    assert difference([1, 0.05, 1]).span_of_doubt() is not None
    assert difference([1, 1, 1]).span_of_doubt() is None


def test_curves_are_held_against_each_other_where_both_were_measured():
    sizes = np.array([100, 1000, 10_000])
    errors = np.array([[0.3, 0.31], [0.1, 0.11], [0.05, 0.052]])
    drawn = resamples(2)
    one, other = fit_curve(sizes, errors, drawn), fit_curve(sizes[1:], errors[1:] * 2, drawn)
    assert isinstance(one, CurveFit)
    assert isinstance(other, CurveFit)
    apart = curve_difference(one, other, level=0.95)
    assert apart is not None
    assert apart.x[[0, -1]] == pytest.approx([1000, 10_000])
    assert apart.values[[0, -1]] == pytest.approx([-0.105, -0.051])
    assert apart.errors is not None
    assert apart.errors[0] == pytest.approx(np.std([-0.1, -0.11], ddof=1) / 2**0.5)  # the paired standard error
    scaled = curve_difference(one, other, level=0.95, scales=(1.0, 10.0))
    assert scaled is None  # they touch at 10,000 only
    assert curve_difference(one, other, level=0.95, scales=(1.0, 2.0)) is not None

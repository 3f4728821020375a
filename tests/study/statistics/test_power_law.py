"""Power laws: recovered where there is no noise, and of least squares where there is."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from longspan.study.statistics.power_law import PowerLaw, fit_power_laws, power_laws_at

SIZES = np.array([100.0, 300, 1000, 3000, 10000])


def test_laws_without_noise_are_found_again():
    rng = np.random.default_rng(0)
    a, b, c = rng.uniform(0.5, 5, 200), rng.uniform(0.1, 1.5, 200), rng.uniform(0, 0.3, 200)
    errors = power_laws_at(SIZES, (a, b, c))
    found = fit_power_laws(SIZES, errors)
    np.testing.assert_allclose(power_laws_at(SIZES, found), errors, rtol=3e-3)
    np.testing.assert_allclose(found[1], b, atol=0.01)
    np.testing.assert_allclose(
        power_laws_at(np.array([1e5]), found), power_laws_at(np.array([1e5]), (a, b, c)), rtol=0.05
    )


def test_the_fit_is_that_of_non_negative_least_squares():
    rng = np.random.default_rng(1)
    truth = power_laws_at(SIZES, (np.array([2.0]), np.array([0.5]), np.array([0.02])))
    errors = truth * (1 + 0.1 * rng.normal(size=(4, 5)))
    found = fit_power_laws(SIZES, errors)
    for row, a, b, c in zip(errors, *found, strict=True):
        weights = 1 / (a * SIZES**-b + c) ** 2  # the weights of the last pass are those of the fit itself, nearly

        def best(exponent, row=row, weights=weights):
            columns = np.stack([SIZES**-exponent, np.ones(5)], axis=1)
            model = LinearRegression(positive=True, fit_intercept=False).fit(columns, row, weights)
            return float(weights @ (row - model.predict(columns)) ** 2)

        squares = float(weights @ (row - a * SIZES**-b - c) ** 2)
        assert squares <= min(best(e) for e in np.linspace(0.01, 2.5, 50)) * 1.002 + 1e-9


def test_nothing_comes_out_negative():
    rising, convex = [0.1, 0.12, 0.13, 0.15, 0.2], [0.5, 0.3, 0.1, 0.02, 0.001]
    a, b, c = fit_power_laws(SIZES, np.array([rising, convex]))
    assert a[0] == 0
    assert 0.1 < c[0] < 0.2
    assert c[1] == 0
    assert (b >= 0).all()
    np.testing.assert_array_equal(power_laws_at(SIZES, fit_power_laws(SIZES, np.zeros((1, 5)))), np.zeros((1, 5)))


def test_without_floor_two_sizes_are_met_exactly():
    a, b, c = fit_power_laws(SIZES[:2], np.array([[0.2, 0.1]]), floor=False)
    assert c[0] == 0
    np.testing.assert_allclose(power_laws_at(SIZES[:2], (a, b, c)), [[0.2, 0.1]], rtol=1e-3)
    assert b[0] == pytest.approx(np.log(2) / np.log(3), abs=1e-3)


def test_points_of_no_weight_do_not_count():
    law = np.array([1.5]), np.array([0.4]), np.array([0.01])
    errors = power_laws_at(SIZES, law)
    errors[0, 2] = 9.0
    found = fit_power_laws(SIZES, errors, np.array([[1.0, 1, 0, 1, 1]]))
    assert found[1][0] == pytest.approx(0.4, abs=0.01)


def test_a_zero_does_not_outweigh_the_rest():
    errors = np.array([[0.4, 0.2, 0.1, 0.05, 0.0]])
    found = power_laws_at(SIZES, fit_power_laws(SIZES, errors))
    assert np.isfinite(found).all()
    assert 0.25 < found[0, 0] < 0.75  # with relative squares alone it would be 1.3


def test_a_law_answers_both_ways():
    law = PowerLaw(a=2.0, b=0.5, c=0.01)
    assert law.error_at(10_000) == pytest.approx(0.03)
    assert law.size_for(0.03) == pytest.approx(10_000)
    assert law.size_for(0.01) is None
    assert law.size_for(0.005) is None
    flat = PowerLaw(a=0.0, b=0.5, c=0.1)
    assert flat.size_for(0.05) is None
    assert flat.size_for(0.2) == 0
    assert PowerLaw(a=1.0, b=1e-4, c=0.0).size_for(1e-9) is None  # a number no float holds
    assert law.to_json() == {"a": 2.0, "b": 0.5, "c": 0.01}

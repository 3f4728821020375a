import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.stats import norm

from longspan.errors import StudyError
from longspan.study.statistics.extrapolation import FORECASTS, Forecast, extrapolate, forecast_centers

# The shapes of MMF are tried on a coarse grid: its two parameters trade off against the floor.
TOLERANCE = {"power law": 0.01, "power law with floor": 0.04, "exponential": 0.04, "MMF": 0.08}
SIZES = np.array([100.0, 200, 400, 800, 1600])


def runs(law, *, noise=0.02, seeds=3, draw=0):
    rng = np.random.default_rng(draw)
    return law(SIZES)[:, None] * (1 + noise * rng.normal(size=(len(SIZES), seeds)))


def test_each_forecast_is_right_for_a_curve_of_its_own_kind():
    laws = {
        "power law": lambda n: 2 * n**-0.5,
        "power law with floor": lambda n: 2 * n**-0.5 + 0.05,
        "exponential": lambda n: 0.3 * np.exp(-n / 500) + 0.1,
        "MMF": lambda n: 0.05 + 0.4 / (1 + (n / 400) ** 1.5),
    }
    for name, law in laws.items():
        found = np.exp(forecast_centers(SIZES, law(SIZES)[None], np.array([3200.0, 6400.0])))[0]
        assert found[FORECASTS.index(name)] == pytest.approx(law(np.array([3200.0, 6400.0])), rel=TOLERANCE[name]), name
        assert found[0] == pytest.approx([law(1600)] * 2)


def test_the_power_law_with_floor_is_that_of_scipy():
    means = runs(lambda n: 2 * n**-0.5 + 0.03, noise=0.03).mean(axis=1)
    best, _ = curve_fit(
        lambda n, a, b, c: a * n**-b + c,
        SIZES,
        means,
        p0=(1, 0.5, 0.01),
        sigma=means,
        bounds=([0, 0.02, 0], [99, 2.5, 1]),
    )
    found = np.exp(forecast_centers(SIZES, means[None], np.array([6400.0])))[
        0, FORECASTS.index("power law with floor"), 0
    ]
    assert found == pytest.approx(best[0] * 6400 ** -best[1] + best[2], rel=0.02)


def test_the_mixture_is_the_sum_of_normal_distributions():
    one = Forecast(
        size=200, times=2.0, centers=np.log([0.1, 0.2]), weights=np.array([0.3, 0.7]), spread=0.2, wide=0.1, largest=1.0
    )
    expected = sum(
        weight * (0.9 * norm.cdf(np.log(0.15), center, 0.2) + 0.1 * norm.cdf(np.log(0.15), center, 0.6))
        for weight, center in zip(one.weights, one.centers, strict=True)
    )
    assert float(one.below(0.15)) == pytest.approx(expected)
    assert float(one.below(one.quantile(0.3))) == pytest.approx(0.3, abs=1e-6)
    low, high = one.interval(0.8)
    assert float(one.below(high) - one.below(low)) == pytest.approx(0.8, abs=1e-6)


def test_intervals_widen_with_distance_and_end_at_the_largest_error():
    errors = runs(lambda n: 1.5 * n**-0.3)
    widths = []
    for size in (2000, 3200, 6400):
        low, high = extrapolate(SIZES, errors, size).interval()
        widths.append(np.log(high / low))
    assert widths == sorted(widths)
    assert extrapolate(SIZES, errors * 5, 6400, largest=1.0).interval(0.999)[1] <= 1.0


def test_it_goes_four_times_as_far_and_further_only_if_asked_for():
    errors = runs(lambda n: 1.5 * n**-0.3)
    near, far = extrapolate(SIZES, errors, 6400), extrapolate(SIZES, errors, 64_000, beyond=True)
    assert far.spread > near.spread
    with pytest.raises(StudyError, match=r"40 times the largest size tried .* beyond=True"):
        extrapolate(SIZES, errors, 64_000)


@pytest.mark.parametrize(
    ("sizes", "errors", "size", "says"),
    [
        (SIZES, np.full((5, 2), 0.1), 1600, "not beyond the sizes tried"),
        (SIZES[:1], np.full((1, 2), 0.1), 200, "two sizes or more"),
        (SIZES, np.zeros((5, 2)), 3200, "error at the largest size is 0"),
    ],
)
def test_what_cannot_be_extrapolated_is_refused(sizes, errors, size, says):
    with pytest.raises(StudyError, match=says):
        extrapolate(sizes, errors, size)

"""Learning curves: textbook intervals, laws with honest ends, and sizes for a wanted error."""

import json

import numpy as np
import polars as pl
import pytest

from longspan.errors import ConfigError, StudyError
from longspan.study.statistics.curves import Curve, curves
from longspan.study.statistics.sample_size import NotReached, SizeFor

SIZES = (100, 300, 1000, 3000)


def law(n):
    return 2.0 * n**-0.5 + 0.01


def runs(truth=law, *, name="a", sizes=SIZES, seeds=3, noise=0.0, draw=0):
    rng = np.random.default_rng(draw)
    return pl.DataFrame(
        [
            {"strategy": name, "size": n, "seed": seed, "target": "y", "error": truth(n) * (1 + noise * rng.normal())}
            for seed in range(seeds)
            for n in sizes
        ]
    )


def test_means_have_an_interval_that_narrows_with_the_level():
    frame = pl.DataFrame(
        {"strategy": ["a"] * 3, "size": [100] * 3, "seed": [0, 1, 2], "target": ["y"] * 3, "error": [0.1, 0.2, 0.3]}
    )
    (point,) = curves(frame)["a"].points
    assert (point.size, point.runs) == (100, 3)
    assert point.mean == pytest.approx(0.2)
    assert 0 < point.low < 0.15
    assert point.high > 0.25
    (narrower,) = curves(frame, level=0.5)["a"].points
    assert point.low < narrower.low < 0.2 < narrower.high < point.high


def test_intervals_of_fractions_end_at_one():
    frame = pl.DataFrame(
        {"strategy": ["a"] * 2, "size": [100] * 2, "seed": [0, 1], "target": ["y"] * 2, "error": [0.9, 1.0]}
    )
    assert curves(frame)["a"].points[0].high > 1
    (point,) = curves(frame, largest=1.0)["a"].points
    assert (point.mean, point.high) == (pytest.approx(0.95), 1.0)


def test_a_law_is_found_and_goes_on_beyond_the_sizes():
    curve = curves(runs(noise=1e-4))["a"]
    assert curve.law is not None
    assert curve.law.b == pytest.approx(0.5, abs=0.01)
    inside, beyond = curve.error_at(500), curve.error_at(30_000)
    assert (inside.extrapolated, beyond.extrapolated) == (False, True)
    assert inside.value == pytest.approx(law(500), rel=0.01)
    assert beyond.value == pytest.approx(law(30_000), rel=0.03)
    assert curve.floor().value == pytest.approx(0.01, abs=1e-3)
    assert curve.gain(4).value == pytest.approx(1 - law(12_000) / law(3000), abs=0.01)
    assert curve.fits
    assert not curve.flat


def test_intervals_widen_outwards_and_hold_the_value():
    curve = curves(runs(noise=0.05))["a"]
    widths = []
    for size in (1000, 10_000, 100_000):
        found = curve.error_at(size)
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.value <= found.high
        widths.append((found.high - found.low) / found.value)
    assert widths == sorted(widths)


def test_the_size_for_an_error_lies_in_its_interval():
    curve = curves(runs(noise=0.03))["a"]
    answer = curve.size_for(law(800))
    assert isinstance(answer, SizeFor)
    assert not answer.extrapolated
    assert answer.low is not None
    assert answer.high is not None
    assert answer.low < answer.size < answer.high
    # The ends are where the interval of the law meets the wanted error.
    assert curve.error_at(answer.low).low == pytest.approx(law(800), rel=0.01)
    assert curve.error_at(answer.high).high == pytest.approx(law(800), rel=0.01)
    assert str(answer).startswith("about ")
    far = curve.size_for(law(20_000))
    assert isinstance(far, SizeFor)
    assert far.extrapolated
    assert str(far).endswith("extrapolated")
    json.dumps([answer.to_json(), far.to_json()])


def test_an_error_below_the_floor_is_not_reached():
    answer = curves(runs(noise=1e-4))["a"].size_for(0.005)
    assert isinstance(answer, NotReached)
    assert (answer.reason, answer.low) == ("floor", None)
    assert str(answer) == "not reached: the floor, 0.01, is above 0.005"
    shaky = curves(runs(noise=0.08))["a"].size_for(0.0001)
    assert isinstance(shaky, NotReached)
    assert shaky.low is None or "% : from" in str(shaky).replace("%:", "% :")
    slow = curves(runs(lambda n: n**-0.05))["a"].size_for(0.2)
    assert isinstance(slow, NotReached)
    assert slow.reason == "too far"
    json.dumps(slow.to_json())


def test_an_error_that_does_not_fall_is_flat():
    curve = curves(runs(lambda n: 0.3 + n / 1e5))["a"]
    assert curve.flat
    answer = curve.size_for(0.1)
    assert isinstance(answer, NotReached)
    assert answer.reason == "flat"
    assert "stays at 0.31" in str(answer)


def test_an_error_reached_below_the_sizes_tried():
    answer = curves(runs(noise=1e-4))["a"].size_for(law(40))
    assert isinstance(answer, SizeFor)
    assert answer.extrapolated
    assert answer.size == pytest.approx(40, abs=2)
    trivial = curves(runs(noise=1e-4))["a"].size_for(100.0)
    assert isinstance(trivial, SizeFor)
    assert (trivial.size, trivial.low) == (1, None)


def test_a_single_seed_has_no_interval():
    curve = curves(runs(seeds=1))["a"]
    assert all(point.low is None and point.high is None for point in curve.points)
    assert curve.law is not None
    for found in (curve.error_at(5000), curve.floor(), curve.gain()):
        assert (found.low, found.high) == (None, None)
    answer = curve.size_for(0.04)
    assert isinstance(answer, SizeFor)
    assert (answer.low, answer.high) == (None, None)
    assert "a single seed: no interval" in str(answer)


def test_two_sizes_have_no_floor_and_one_has_no_law():
    two = curves(runs(sizes=(100, 1000)))["a"]
    assert two.law is not None
    assert two.law.c == 0
    assert two.law.error_at(100) == pytest.approx(law(100), rel=1e-3)
    one = curves(runs(sizes=(100,)))["a"]
    assert one.law is None
    assert "two sizes" in one.no_law
    with pytest.raises(StudyError, match="'a' has no fitted curve"):
        one.error_at(100)


def test_a_law_through_two_means_has_the_t_intervals_of_both():
    frame = runs(sizes=(100, 1000), seeds=4, noise=0.05)
    curve = curves(frame)["a"]
    for size in (100, 1000):
        errors = frame.filter(pl.col("size") == size)["error"].to_numpy()
        half = 3.1824 * errors.std(ddof=1) / 2  # t of 3 degrees of freedom, from a table
        found = curve.error_at(size)
        assert (found.low, found.high) == (
            pytest.approx(errors.mean() - half, rel=2e-3), pytest.approx(errors.mean() + half, rel=2e-3)
        )  # fmt: skip


def test_runs_that_are_missing_leave_the_rest():
    frame = runs(noise=0.05, seeds=4).filter(~((pl.col("size") == 300) & (pl.col("seed") == 0)))
    curve = curves(frame)["a"]
    assert [point.runs for point in curve.points] == [4, 3, 4, 4]
    assert curve.fit is not None
    assert curve.fit.runs == 3
    # A size of which one run is left is shown, and bends no curve.
    lonely = curves(frame.filter((pl.col("size") < 3000) | (pl.col("seed") == 1)))["a"]
    assert lonely.points[-1].size == 3000
    assert lonely.fit is not None
    assert lonely.fit.left_out == (3000,)
    assert lonely.error_at(3000).extrapolated
    nothing = curves(pl.concat([frame, runs(name="b").with_columns(error=pl.lit(float("nan")))]))["b"]
    assert (nothing.points, nothing.no_law) == ((), "no run has a result")


def test_a_curve_that_is_no_power_law_says_so():
    def plateau(n):
        return 0.9 if n < 500 else 0.9 * (n / 500) ** -2

    curve = curves(runs(plateau, noise=0.005))["a"]
    assert not curve.fits
    assert curve.fit is not None
    # The measured curve runs through the means all the same.
    measured, _ = curve.fit.measured_at(np.array(SIZES, dtype=float))
    np.testing.assert_allclose(measured, [point.mean for point in curve.points], rtol=1e-9)


def test_the_same_runs_give_the_same_figures():
    frame = runs(noise=0.05, seeds=9)
    first, again, other = (curves(frame, seed=seed)["a"].error_at(9000) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    shuffled = curves(frame.sample(fraction=1, shuffle=True, seed=1))["a"]
    assert shuffled.error_at(9000) == first


def test_a_curve_as_json():
    found = json.loads(json.dumps(curves(runs(noise=0.05))["a"].to_json()))
    assert [point["size"] for point in found["points"]] == list(SIZES)
    assert set(found["law"]) == {"a", "b", "c", "c_low", "c_high", "fits"}
    assert json.loads(json.dumps(curves(runs(sizes=(100,)))["a"].to_json()))["law"] is None


def test_impossible_questions_are_refused():
    curve = curves(runs())["a"]
    assert isinstance(curve, Curve)
    for error in (-1.0, float("nan")):
        with pytest.raises(ConfigError, match="wanted error"):
            curve.size_for(error)
    with pytest.raises(ConfigError, match="size must be"):
        curve.error_at(0)
    with pytest.raises(ConfigError, match="level"):
        curves(runs(), level=95)

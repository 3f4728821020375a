"""The bootstrap over seeds, against every ordered draw written out."""

import itertools

import numpy as np
import pytest

from longspan.errors import ConfigError
from longspan.study.statistics.resample import resampled_means, resamples, standard_errors


def test_few_seeds_are_drawn_in_every_way():
    drawn = resamples(3)
    ordered = [np.bincount(way, minlength=3).tolist() for way in itertools.product(range(3), repeat=3)]
    for counts, fraction in zip(drawn.counts.tolist(), drawn.fractions, strict=True):
        assert fraction == pytest.approx(ordered.count(counts) / 27)
    assert drawn.fractions.sum() == pytest.approx(1)
    assert len(resamples(6).fractions) == 462


def test_many_seeds_are_drawn_at_random_and_repeatably():
    one, same, other = resamples(9, seed=3), resamples(9, seed=3), resamples(9, seed=4)
    np.testing.assert_array_equal(one.counts, same.counts)
    assert (one.counts != other.counts).any()
    assert (one.counts.sum(axis=1) == 9).all()
    assert len(one.fractions) == 500


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_error_of_a_mean_is_the_textbook_one(seeds):
    errors = np.random.default_rng(0).normal(1, 0.1, (4, seeds))
    drawn = resamples(seeds)
    found = standard_errors(resampled_means(errors, drawn), drawn, runs=seeds)
    np.testing.assert_allclose(found, errors.std(axis=1, ddof=1) / np.sqrt(seeds), rtol=1e-12)


def test_missing_runs_are_left_out():
    errors = np.array([[1.0, np.nan, 3.0]])
    drawn = resamples(3)
    means = resampled_means(errors, drawn)[:, 0]
    for counts, mean in zip(drawn.counts, means, strict=True):
        runs = counts[0] + counts[2]
        assert mean == pytest.approx((counts[0] + 3 * counts[2]) / runs if runs else 2.0)


def test_nothing_to_draw_from_is_refused():
    with pytest.raises(ConfigError, match="got 0 seeds"):
        resamples(0)

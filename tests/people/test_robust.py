import numpy as np
import pytest
from scipy.optimize import minimize

from longspan.people.robust import normalised, outliers, robust_mean


def around(centre, spread, count, seed):
    rng = np.random.default_rng(seed)
    return normalised(np.asarray(centre) + rng.normal(0, spread, (count, len(centre))))


def test_it_has_the_smallest_sum_of_distances():
    rows = around([1, 0, 0, 0], 0.4, 7, 0)
    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 20000}
    best = minimize(
        lambda c: np.linalg.norm(rows - c, axis=1).sum(), rows.mean(0), method="Nelder-Mead", options=options
    )
    np.testing.assert_allclose(robust_mean(rows), best.x / np.linalg.norm(best.x), atol=1e-3)


def test_a_minority_cannot_carry_it_away():
    good, bad = around([1] + [0] * 15, 0.05, 6, 0), around([0, 1] + [0] * 14, 0.05, 5, 1)
    rows = np.concatenate([good, bad])
    assert robust_mean(rows) @ robust_mean(good) > 0.9
    mean = normalised(rows.mean(0, keepdims=True))[0]
    assert robust_mean(rows) @ robust_mean(good) > mean @ robust_mean(good)
    assert outliers(rows, 0.5).tolist() == [False] * 6 + [True] * 5
    assert outliers(np.concatenate([good[:1], bad[:1]]), 0.5).tolist() == [True, True], (
        "who of two is right, nobody knows"
    )
    assert outliers(good[:1], 0.5).tolist() == [False]


def test_one_and_two_vectors_and_equal_ones():
    rows = around([1, 0, 0], 0.3, 2, 0)
    np.testing.assert_allclose(robust_mean(rows[:1]), rows[0], atol=1e-6)
    np.testing.assert_allclose(robust_mean(rows), normalised(rows.mean(0, keepdims=True))[0], atol=1e-6)
    np.testing.assert_allclose(robust_mean(np.repeat(rows[:1], 4, 0)), rows[0], atol=1e-6)
    np.testing.assert_allclose(robust_mean([[1, 0], [1, 0], [0, 1]]), [1, 0], atol=1e-3)


@pytest.mark.parametrize(("rows", "words"), [([[0, 0]], "zeros"), ([[np.nan, 1]], "finite"), ([1, 2], r"\(N, D\)")])
def test_vectors_that_cannot_be(rows, words):
    with pytest.raises(ValueError, match=words):
        normalised(rows)

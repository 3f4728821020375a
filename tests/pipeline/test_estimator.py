import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import longspan as ls
from longspan.errors import PipelineError
from longspan.pipeline import Pipeline, Stage
from longspan.pipeline.estimator import SampleError, fit_estimator


def fit(estimator, samples, targets, columns=None, size_px=None, seed=0):
    return fit_estimator(estimator, samples, targets, columns or [None] * len(samples[0]), size_px=size_px, seed=seed)


def test_the_same_as_scikit_learn_alone(pulses):
    pixels, sides = pulses.images()
    model = fit(LogisticRegression(), [(p,) for p in pixels], sides, [ls.Image()])
    alone = LogisticRegression().fit(pixels.reshape(len(pixels), -1).astype(float), sides)
    assert np.array_equal(model.estimator.coef_, alone.coef_)
    assert model.predict([(p,) for p in pixels]) == alone.predict(pixels.reshape(len(pixels), -1)).tolist()


def test_columns_stand_side_by_side():
    samples = [(1, [2, 3], np.array([[4.0], [5.0]])), (6, [7, 8], np.array([[9.0], [1.0]]))]
    model = fit(LinearRegression(), samples, [1, 2])
    assert model.estimator.n_features_in_ == 5


def test_answers_are_plain_values():
    samples = [(0.0,), (1.0,), (0.1,), (0.9,)]
    for labels in (["a", "b"] * 2, [0, 1] * 2, [False, True] * 2):
        answers = fit(LogisticRegression(C=100), samples, labels).predict(samples)
        assert answers == labels
        assert type(answers[0]) is type(labels[0])
    (number,) = fit(LinearRegression(), samples, [0.0, 2.0, 0.2, 1.8]).predict([(0.5,)])
    assert number == pytest.approx(1)
    assert fit(LinearRegression(), samples, [[0, 1], [1, 0], [0.1, 0.9], [0.9, 0.1]]).predict([(0.5,)])[0] == (
        pytest.approx([0.5, 0.5])
    )


def test_images_of_several_sizes_are_brought_to_one(pulses):
    pixels, sides = pulses.images()
    mixed = [(p if i % 3 else np.kron(p, np.ones((2, 2), np.uint8)),) for i, p in enumerate(pixels)]
    model = fit(LogisticRegression(), mixed, sides, [ls.Image()], size_px=(8, 8))
    assert model.predict(mixed) == sides
    assert model.estimator.n_features_in_ == 64


def test_the_users_estimator_stays_unfitted_and_seeds_are_set():
    samples, labels = [(float(i), float(-i)) for i in range(8)], [0, 1] * 4
    own = make_pipeline(StandardScaler(), MLPClassifier((3,), max_iter=400, solver="lbfgs"))
    first, again, other = (fit(own, samples, labels, seed=seed).estimator[-1].coefs_[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not hasattr(own[-1], "coefs_")
    fixed = MLPClassifier((3,), max_iter=400, solver="lbfgs", random_state=5)
    assert np.array_equal(*(fit(fixed, samples, labels, seed=seed).estimator.coefs_[0] for seed in (1, 2)))


def test_samples_that_are_no_numbers_are_named():
    with pytest.raises(SampleError, match="scikit-learn reads numbers, not 'red'") as caught:
        fit(LogisticRegression(), [(1,), ("red",)], [0, 1])
    assert caught.value.index == 1
    with pytest.raises(SampleError, match="it has 2 numbers and others have 1"):
        fit(LogisticRegression(), [([1],), ([1, 2],)], [0, 1])


def test_the_row_of_a_bad_sample_is_named():
    table = ls.Table.from_arrays({"x": [[1], [1, 2]], "y": [0, 1]}, {"x": ls.Raw(), "y": ls.Category()})
    pipeline = Pipeline([Stage("s", LogisticRegression(), reads="x", adds="y")])
    with pytest.raises(PipelineError, match="Stage 's' cannot learn from row 1 of arrays: it has 2 numbers"):
        pipeline.fit(table)
    with pytest.raises(
        PipelineError, match="'s' could not be trained: ValueError: This solver needs samples of at lea"
    ):
        pipeline.fit(table.take([0]))

import numpy as np
import pytest

from longspan.metrics.per_class import class_curves, class_metrics

LABELS = ("a", "b", "never", "c")


@pytest.fixture
def rows():
    """Sixty rows of three of four classes; no two scores equal."""
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 3], 60)
    scores = rng.random((60, 4)) + np.eye(4)[truth] * 0.5
    return np.eye(4, dtype=bool)[truth], scores, np.eye(4, dtype=bool)[scores.argmax(axis=1)]


def test_values_by_counting(rows):
    targets, scores, predicted = rows
    for k, each in enumerate(class_metrics(targets, scores, predicted, LABELS)):
        true, said, score = targets[:, k], predicted[:, k], scores[:, k]
        assert (each.label, each.rows, each.predicted) == (LABELS[k], true.sum(), said.sum())
        if not true.any():
            assert each.recall is None
            assert each.average_precision is None
            assert each.roc_auc is None
            continue
        assert each.precision == pytest.approx((true & said).sum() / said.sum())
        assert each.recall == pytest.approx((true & said).sum() / true.sum())
        assert each.f1 == pytest.approx(2 / (1 / each.precision + 1 / each.recall))
        assert each.roc_auc == pytest.approx((score[true][:, None] > score[~true]).mean())
        assert each.average_precision == pytest.approx(np.mean([true[score >= s].mean() for s in score[true]]))


def test_what_is_never_predicted_has_no_precision():
    (each,) = class_metrics([[1], [0]], [[0.2], [0.1]], [[0], [0]], ["x"])
    assert (each.precision, each.recall, each.f1) == (None, 0, 0)


def test_areas_below_the_curves_are_the_metrics(rows):
    targets, scores, predicted = rows
    by_label = {each.label: each for each in class_metrics(targets, scores, predicted, LABELS)}
    curves = class_curves(targets, scores, LABELS)
    assert [each.label for each in curves] == ["a", "b", "c"], "a class without rows has no curve"
    for each in curves:
        area = np.trapezoid(each.true_positive_rate, each.false_positive_rate)
        assert area == pytest.approx(each.roc_auc) == pytest.approx(by_label[each.label].roc_auc)
        steps = (np.diff(each.recall) * each.precision[1:]).sum()
        assert steps == pytest.approx(each.average_precision) == pytest.approx(by_label[each.label].average_precision)

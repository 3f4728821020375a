import numpy as np
import pytest

from longspan.metrics.label_issues import confident_joint, label_issues, multi_label_issues

# Worked by hand. Thresholds: class 0 (0.9 + 0.8 + 0.2) / 3 = 0.6333, class 1 (0.7 + 0.6 + 0.35) / 3 = 0.55.
LABELS = [0, 0, 0, 1, 1, 1]
PROBABILITIES = [[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6], [0.65, 0.35]]


def test_the_confident_joint_by_hand():
    assert confident_joint(LABELS, PROBABILITIES).tolist() == [[2, 1], [1, 2]]


def test_rows_off_the_diagonal_the_surest_first():
    found = label_issues(LABELS, PROBABILITIES)
    assert [(issue.position, issue.suggested) for issue in found] == [(2, (1,)), (5, (0,))]
    assert [issue.margin for issue in found] == pytest.approx([-0.6, -0.3])


def test_an_unsure_row_is_not_listed_though_another_class_is_more_probable():
    probabilities = [*PROBABILITIES, [0.54, 0.46]]
    assert 6 not in [issue.position for issue in label_issues([*LABELS, 1], probabilities)]


def test_a_network_that_is_sure_of_almost_all_rows_still_doubts_a_label():
    probabilities = [[0.999, 0.001]] * 20 + [[0.001, 0.999]] * 20 + [[0.95, 0.05]]
    (issue,) = label_issues([0] * 20 + [1] * 21, probabilities)
    assert (issue.position, issue.suggested) == (40, (0,))


def test_flipped_labels_are_found():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 400)
    logits = rng.normal(size=(400, 4)) + 4 * np.eye(4)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = truth.copy()
    flipped = rng.choice(400, 40, replace=False)
    labels[flipped] = (labels[flipped] + 1) % 4
    found = label_issues(labels, probabilities)
    positions = {issue.position for issue in found}
    assert len(positions & set(flipped.tolist())) >= 36
    assert len(positions - set(flipped.tolist())) <= 12
    right = sum(truth[issue.position] == issue.suggested[0] for issue in found if issue.position in set(flipped))
    assert right >= 36
    margins = [issue.margin for issue in found]
    assert margins == sorted(margins)


def test_a_class_without_rows_is_never_suggested():
    assert label_issues([0, 0, 0], [[0.6, 0.4], [0.7, 0.3], [0.1, 0.9]]) == []


def test_several_labels_each_class_by_itself():
    labels = np.asarray([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0]], bool)
    probabilities = [[0.9, 0.1], [0.8, 0.1], [0.1, 0.9], [0.1, 0.8], [0.95, 0.05]]
    (issue,) = multi_label_issues(labels, probabilities)
    assert (issue.position, issue.suggested) == (4, (0,))
    assert issue.margin == pytest.approx(0.05 - 0.95)

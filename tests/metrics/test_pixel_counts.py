import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, jaccard_score

from longspan.errors import ConfigError
from longspan.metrics.pixel_counts import class_counts, confusion, intersection_over_union, median_frequency_weights

K = 5


def maps(seed, *, classes=K, ignored=0.0):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, classes, (4, 12, 9), generator=generator)
    drawn[torch.rand(drawn.shape, generator=generator) < ignored] = 255
    return drawn.to(torch.uint8)


def test_confusion_is_sklearns_without_the_ignored_pixels():
    truth, said = maps(1, ignored=0.3), maps(2)
    there = (truth != 255).numpy()
    wanted = confusion_matrix(truth.numpy()[there], said.numpy()[there], labels=range(K))
    np.testing.assert_array_equal(confusion(truth, said, K), wanted)


def test_intersection_over_union_is_sklearns_jaccard_score():
    truth, said = maps(3, ignored=0.2), maps(4)
    there = (truth != 255).numpy()
    true, given = truth.numpy()[there], said.numpy()[there]
    wanted = [jaccard_score(true, given, labels=[k], average="macro") for k in range(K)]
    np.testing.assert_allclose(intersection_over_union(confusion(truth, said, K)), wanted)


def test_a_class_that_neither_occurs_nor_is_said_has_none():
    by_class = intersection_over_union(confusion(maps(5, classes=3), maps(6, classes=4), K))
    assert by_class[3] == 0  # said, never true
    assert np.isnan(by_class[4])
    assert (by_class[:3] > 0).all()


def test_an_image_where_all_is_ignored_adds_nothing():
    truth = torch.full((1, 3, 3), 255, dtype=torch.uint8)
    assert not confusion(truth, torch.zeros(1, 3, 3, dtype=torch.uint8), K).any()


def test_class_counts_are_by_image_and_leave_ignored_pixels_out():
    masks = [np.array([[0, 1], [1, 255]], np.uint8), np.array([[4, 4], [4, 4]], np.uint8)]
    np.testing.assert_array_equal(class_counts(masks, K), [[1, 2, 0, 0, 0], [0, 0, 0, 0, 4]])
    assert class_counts(map(torch.from_numpy, masks), K).sum() == 7
    assert class_counts([], K).shape == (0, K)


def test_median_frequency_weights_by_hand():
    """Class 0: 150 of the 200 pixels of its images; class 1: 10 of 100; class 2: 40 of 100; class 3: never."""
    weights = median_frequency_weights([[90, 10, 0, 0], [60, 0, 40, 0]])
    assert weights == pytest.approx((0.4 / 0.75, 0.4 / 0.1, 1.0, 1.0), abs=1e-6)
    softer = median_frequency_weights([[90, 10, 0, 0], [60, 0, 40, 0]], power=0.5)
    assert softer == pytest.approx((np.sqrt(0.4 / 0.75), 2.0, 1.0, 1.0), abs=1e-6)


def test_counts_that_say_nothing_are_refused():
    for counts in ([1, 2], [[0, 0]], [[-1, 2]], np.zeros((0, 3))):
        with pytest.raises(ConfigError, match=r"needs the pixels of each class in each image, \(N, K\)"):
            median_frequency_weights(counts)
    with pytest.raises(ConfigError, match="power must be from 0 to 1"):
        median_frequency_weights([[1, 2]], power=2)

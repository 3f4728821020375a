import numpy as np

from longspan.deploy.comparison import _alike, _paired, _same_order
from longspan.portable.decoders import Objects
from longspan.portable.written_text import WrittenText

ONE = np.array([[0, 0, 9, 9, 0.8, 1], [5, 5, 20, 20, 0.5, 0], [30, 30, 40, 40, 0.5, 0], [0, 0, 0, 0, 0, 0]], np.float32)


def test_detections_of_equal_scores_may_change_places():
    other = ONE[[0, 2, 1, 3]]
    other[1, 4] += 1e-6
    found, kept = _same_order(ONE, other)
    assert kept.all()
    assert np.abs(found - ONE).max() < 1e-5


def test_detections_of_other_scores_may_not():
    other = ONE.copy()
    other[[1, 2], :4] = other[[2, 1], :4]
    other[1, 4] = ONE[1, 4] + 0.01
    _, kept = _same_order(ONE, other)
    assert kept.tolist() == [True, True, False, True]  # the second lies third there; the third has another score


def test_a_detection_that_only_one_found_is_counted_and_not_compared():
    other = ONE.copy()
    other[2] = 0
    _, kept = _same_order(ONE, other)
    assert kept.tolist() == [True, True, False, True]
    _, kept = _same_order(other, ONE)
    assert kept.sum() == 3


def test_another_class_or_place_is_another_detection():
    other = ONE.copy()
    other[0, 5], other[1, 0] = 0, 9
    assert _same_order(ONE, other)[1].tolist() == [False, False, True, True]


def test_values_in_a_known_order_stay_as_they_are():
    decoder = Objects(("a", "b"), 0.5)
    assert _paired(decoder, ONE[None], ONE[None])[2].shape == (1, 4)


def test_texts_of_another_length_are_padded():
    search = WrittenText({}, 2, 3, 4, 6, 1, 1, 0.6, ())
    one = np.array([[[[1, -0.5], [-1, -0.1]]]], np.float32)
    other = np.array([[[[1, -0.5], [2, -0.1], [-1, -0.2]]]], np.float32)
    mine, theirs, kept = _paired(search, one, other)
    assert mine.shape == theirs.shape == (1, 1, 3, 2)
    assert not kept.any()
    assert _paired(search, one, one)[2].all()


def test_masks_may_differ_in_single_pixels():
    mask = {"size": [100, 100], "counts": [10, 5000, 4990]}
    assert _alike(mask, {"size": [100, 100], "counts": [11, 4999, 4990]})
    assert not _alike(mask, {"size": [100, 100], "counts": [60, 4950, 4990]})
    assert not _alike(mask, {"size": [50, 200], "counts": [10, 5000, 4990]})

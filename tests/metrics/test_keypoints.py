import numpy as np
import pytest

from longspan.errors import ConfigError
from longspan.metrics.keypoints import normalised_mean_error, percentage_of_correct_keypoints, point_distances

# A right triangle of 3 and 4, whose extent is 5, and an object of one labelled point.
TARGETS = np.array([[[0, 0, 2], [3, 0, 1], [3, 4, 2]], [[7, 7, 2], [0, 0, 0], [0, 0, 0]]], float)


def test_distances_are_in_units_of_the_extent():
    found = TARGETS[..., :2] + [[[0, 1], [0, 0], [3, 4]], [[0, 0.5], [9, 9], [9, 9]]]
    apart = point_distances(TARGETS, found)
    assert apart[0].tolist() == pytest.approx([0.2, 0, 1])
    assert apart[1, 0] == 0.5  # the extent is a pixel at least
    assert np.isnan(apart[1, 1:]).all()
    assert normalised_mean_error(apart) == pytest.approx((1.2 / 3 + 0.5) / 2)
    assert percentage_of_correct_keypoints(apart, 0.2) == 0.5


def test_the_unit_may_be_the_distance_of_two_points():
    found = TARGETS[..., :2] + [0, 2]
    apart = point_distances(TARGETS, found, between=(1, 2))
    assert apart[0].tolist() == pytest.approx([0.5, 0.5, 0.5])
    assert np.isnan(apart[1]).all()  # it lacks them
    assert normalised_mean_error(apart) == 0.5
    with pytest.raises(ConfigError, match="between= names two of the 3 points"):
        point_distances(TARGETS, found, between=(0, 3))


def test_a_point_that_was_not_predicted_is_one_unit_off():
    found = TARGETS[..., :2].copy()
    found[0, 1] = np.nan
    assert point_distances(TARGETS, found)[0].tolist() == [0, 1, 0]


def test_without_points_there_is_no_figure():
    nothing = point_distances(np.zeros((2, 3, 3)), np.zeros((2, 3, 2)))
    assert normalised_mean_error(nothing) is None
    assert percentage_of_correct_keypoints(nothing, 0.1) is None
    assert normalised_mean_error(point_distances(np.zeros((0, 3, 3)), np.zeros((0, 3, 2)))) is None


def test_other_shapes_are_refused():
    with pytest.raises(ConfigError, match=r"\(N, K, 3\)"):
        point_distances(TARGETS[..., :2], TARGETS[..., :2])

"""Figures of a diagnosis against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from longspan.errors import ConfigError
from longspan.systems.xrays.radiology import RadiologyOptions, area_under_curve, diagnosed, intervals


def test_the_auc_is_scikit_learns_with_ties_too():
    random = np.random.default_rng(0)
    for _ in range(20):
        ill = random.random(40) < 0.4
        scores = random.integers(0, 6, 40) / 5 + 0.2 * ill
        assert area_under_curve(ill, scores) == pytest.approx(roc_auc_score(ill, scores))


def test_the_threshold_comes_from_validation_images_alone():
    valid_scores = np.concatenate([np.arange(100) / 100, np.ones(10)])
    valid_ill = np.arange(110) >= 100
    ill = np.array([False, False, True, True, True])
    scores = np.array([0.10, 0.97, 0.93, 0.96, 0.99])
    found = diagnosed(ill, scores, valid_ill, valid_scores)  # the 95th of 100 healthy ones has 0.94
    assert found["sensitivity"] == pytest.approx(2 / 3)
    assert found["specificity"] == 0.5
    assert found["accuracy"] == pytest.approx(4 / 5)


def test_images_of_a_patient_are_drawn_together():
    random = np.random.default_rng(1)
    ill = np.repeat(np.arange(30) % 2 == 0, 5)
    scores = np.repeat(random.normal(size=30), 5) + ill
    alone = np.ptp(intervals(ill, scores))
    together = np.ptp(intervals(ill, scores, patients=np.repeat(np.arange(30), 5)))
    assert together > 1.5 * alone  # five images of a patient say what one says
    low, high = intervals(ill, scores)
    assert low < area_under_curve(ill, scores) < high


def test_options_that_cannot_be_are_refused():
    for options in ({"epochs": 0}, {"size_px": 20}, {"source": 5}, {"sizes": "10"}, {"lr": -1.0}):
        with pytest.raises(ConfigError, match="--"):
            RadiologyOptions(**options)

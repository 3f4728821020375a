import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError
from longspan.explain.calibration import calibrate


def drawn(temperature, count=6000):
    """Outcomes by true probabilities, and what a model says whose logits are `temperature` times too large."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(count, 3)) * 1.5
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    targets = (true.cumsum(1) > rng.random((count, 1))).argmax(1)
    said = np.exp(temperature * logits)
    return said / said.sum(1, keepdims=True), targets


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_is_found_and_mends_the_error(temperature):
    found = calibrate(*drawn(temperature))
    assert found.temperature == pytest.approx(temperature, rel=0.1)
    assert found.scaled_error < 0.025  # 400 rows in each bin
    if temperature != 1.0:
        assert found.interval[0] > 0.05


def test_the_error_is_the_mean_distance_over_bins():
    probabilities = np.repeat([[0.9, 0.1], [0.6, 0.4]], 40, axis=0)
    targets = np.array([0] * 30 + [1] * 10 + [0] * 28 + [1] * 12)  # right: 75 % and 70 %
    found = calibrate(probabilities, targets, bins=2)
    assert found.error == pytest.approx((abs(0.9 - 0.75) + abs(0.6 - 0.7)) / 2)
    assert [(each.rows, each.accuracy) for each in found.bins] == [(40, 0.7), (40, 0.75)]


def test_of_a_model(loans):
    trees, table = loans
    found = ls.explain.calibration(trees, table, "paid")
    assert sum(each.rows for each in found.bins) == len(table)
    assert found.temperature > 1  # sixty trees on six hundred rows are too sure
    assert found.scaled_error < found.error
    with pytest.raises(ConfigError, match="no probabilities"):
        ls.explain.calibration(trees, table, "sum")

import numpy as np
import pytest

from longspan.deploy.frontier import Frontier, Latency, Loss, Variant, paired_accuracy_loss, paired_loss


def variant(name, ms, lost=0.0, high=0.01):
    times = [Latency(threads, batch, ms, 2 * ms, 10) for threads in (1, 2) for batch in (1, 32)]
    losses = {} if name == "original" else {"y": Loss(lost, lost - 0.01, high)}
    return Variant(
        name=name, file=f"{name}.onnx", metrics={"y": 0.9 - lost}, losses=losses, latencies=times, megabytes=1.0,
        memory_mb=100.0, start_seconds=1.0,
    )  # fmt: skip


def frontier(*others, max_drop=0.005):
    return Frontier(
        variants=[variant("original", 10.0), *others], metrics={"y": "accuracy"}, better={"y": "higher"}, rows=100,
        calibration_rows=10, max_drop=max_drop,
    )  # fmt: skip


def test_interval_is_that_of_the_paper():
    """Agresti and Min 2005, table 1: 1,144 voters, 132 changed one way, 107 the other; with half a row a cell."""
    original = np.array([True] * 132 + [False] * 107 + [True] * 905)
    variant_ = np.array([False] * 132 + [True] * 107 + [True] * 905)
    loss = paired_accuracy_loss(original, variant_)
    assert loss.lost == pytest.approx(25 / 1144)
    middle, error = 25 / 1146, np.sqrt(240 - 25**2 / 1146) / 1146
    assert (loss.low, loss.high) == pytest.approx((middle - 1.96 * error, middle + 1.96 * error), abs=1e-5)


def test_interval_covers_the_truth_nineteen_times_of_twenty():
    random, held = np.random.default_rng(0), 0
    for _ in range(2000):
        kind = random.choice(4, 150, p=[0.86, 0.05, 0.03, 0.06])  # both right, lost, won, both wrong
        loss = paired_accuracy_loss(kind < 2, (kind == 0) | (kind == 2))
        held += loss.low <= 0.02 <= loss.high
    assert 0.93 < held / 2000 < 0.985


def test_no_row_that_differs_still_leaves_doubt():
    right = np.ones(50, bool)
    loss = paired_accuracy_loss(right, right)
    assert loss.lost == 0
    assert 0.02 < loss.high < 0.05


def test_resampled_loss_of_an_error_is_relative():
    one, other = np.full(80, 2.0), np.full(80, 2.2)
    loss = paired_loss(lambda rows: (one[rows].mean(), other[rows].mean()), 80, "lower")
    assert (loss.lost, loss.low, loss.high) == pytest.approx((0.1, 0.1, 0.1))


def test_the_quickest_that_loses_little_is_recommended():
    found = frontier(variant("slow", 20.0), variant("good", 5.0, 0.004), variant("wrong", 2.0, 0.2))
    assert found.recommended is not None
    assert found.recommended.name == "good"
    assert "good is recommended: 2.00 times as quick" in found.recommendation()
    assert "100 rows are too few to rule out a loss above 0.005" in found.recommendation()
    assert found.verdict(found.variants[1]) == "not quicker at batch 1 with 1 and 2 threads"
    assert found.verdict(found.variants[3]) == "loses more than 0.005 of accuracy"


def test_nothing_is_recommended_where_nothing_is_quicker():
    found = frontier(variant("same", 9.8))
    assert found.recommended is None
    assert found.recommendation().startswith("No variant is recommended")
    assert found.to_json()["recommended"] is None


def test_a_loss_that_is_no_number_is_never_within_what_is_allowed():
    found = frontier(variant("strange", 1.0, float("nan")))
    assert found.recommended is None

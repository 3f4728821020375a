import pytest

from longspan.heads import HEADS
from longspan.metrics import Metric, direction_of


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("valid_loss", "lower"),
        ("age.mae", "lower"),
        ("rmse", "lower"),
        ("character_error_rate", "lower"),
        ("accuracy", "higher"),
        ("breed.top5_accuracy", "higher"),
        ("terror", "higher"),
    ],
)
def test_names_that_no_metric_declares_go_by_their_last_word(name, direction):
    assert direction_of(name) == direction


def test_a_declared_direction_comes_first():
    assert direction_of("plate.edit_error", [Metric("edit_error", "higher")]) == "higher"
    assert direction_of("spread", [Metric("spread", "lower")]) == "lower"


def test_every_metric_of_every_head_has_the_direction_that_its_name_says():
    for head in HEADS.values():
        for metric in head.metrics:
            assert direction_of(metric.name) == metric.better, f"{head.kind}: {metric.name}"

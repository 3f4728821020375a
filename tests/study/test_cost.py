"""Labelling cost: prices by hand, the same curves over another axis, and prices that do not fit."""

import numpy as np
import polars as pl
import pytest

from longspan.errors import StudyError, UnknownNameError
from longspan.study.cost import cost_crossover, cost_per_row, cost_table
from longspan.study.statistics.crossover import Crossover, NoCrossover, crossover

PRICES = {"number": 1, "boxes": 6}
NEEDS = {"whole": ["number"], "staged": ["number", "boxes"]}
SIZES = (100, 300, 1000, 3000)


def runs(*, noise=0.02, seeds=3):
    truths = {"whole": lambda n: 2.0 * n**-0.5 + 0.01, "staged": lambda n: 0.35 * n**-0.2}
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        [
            {"strategy": name, "size": n, "seed": seed, "target": "y", "error": truth(n) * (1 + noise * rng.normal())}
            for seed in range(seeds)
            for n in SIZES
            for name, truth in truths.items()
        ]
    )


def test_a_row_costs_what_its_labels_cost():
    assert cost_per_row(PRICES, NEEDS) == {"whole": 1.0, "staged": 7.0}
    assert cost_per_row({"a": 0.5, "b": 0}, {"x": ["a", "b", "a"], "y": "b"}) == {"x": 0.5, "y": 0.0}


def test_points_over_cost():
    found = cost_table(runs(), PRICES, NEEDS)
    assert found.filter(pl.col("strategy") == "staged")["cost"].to_list() == [700, 2100, 7000, 21000]
    assert found.filter(pl.col("strategy") == "whole")["cost"].to_list() == [100, 300, 1000, 3000]
    assert found.columns == ["strategy", "size", "cost", "error", "low", "high", "runs"]


def test_one_price_for_all_only_stretches_the_axis():
    frame = runs()
    sizes = crossover(frame, "whole", "staged")
    costs = cost_crossover(frame, "whole", "staged", {"number": 10}, {"whole": ["number"], "staged": ["number"]})
    assert isinstance(sizes, Crossover)
    assert isinstance(costs, Crossover)
    assert costs.over == "cost"
    for one, other in ((sizes.size, costs.size), (sizes.low, costs.low), (sizes.high, costs.high)):
        assert other == pytest.approx((one or 0) * 10, rel=0.02)
    assert "at a cost of about" in str(costs)


def test_dear_labels_move_the_crossover():
    frame = runs(noise=0.01)
    # At a row price of 1.2 against 1 the curves of the two meet where whole(n) = staged(n / 1.2).
    found = cost_crossover(
        frame, "whole", "staged", {"number": 1, "hint": 0.2}, {"whole": ["number"], "staged": ["number", "hint"]}
    )
    assert isinstance(found, Crossover)
    x = np.geomspace(120, 3000, 100_000)
    apart = 2.0 * x**-0.5 + 0.01 - 0.35 * (x / 1.2) ** -0.2
    assert found.size == pytest.approx(x[np.argmin(np.abs(apart))], rel=0.05)
    dear = cost_crossover(frame, "whole", "staged", PRICES, NEEDS)
    assert isinstance(dear, NoCrossover)
    assert dear.better == "whole"
    assert repr(dear) == "not within 700..3000"


def test_costs_that_do_not_meet_are_told():
    needs = {"whole": ["number"], "staged": ["boxes"]}
    found = cost_crossover(runs(), "whole", "staged", {"number": 1, "boxes": 100}, needs)
    assert isinstance(found, NoCrossover)
    assert repr(found) == "no common range of costs"
    with pytest.raises(StudyError, match="costs 'whole' 0"):
        cost_crossover(runs(), "whole", "staged", {"number": 0, "boxes": 1}, needs)


@pytest.mark.parametrize(
    ("prices", "needs", "message"),
    [
        (
            {"number": 1, "boxs": 6},
            NEEDS,
            "there is a price for 'boxs', which no strategy needs. Did you mean 'boxes'?",
        ),
        ({"number": 1}, NEEDS, "'staged' needs 'boxes', which has no price."),
        (PRICES | {"faces": 2}, NEEDS, "there is a price for 'faces', which no strategy needs."),
        ({"number": -1, "boxes": 6}, NEEDS, "the price of 'number' is -1"),
        ({"number": float("nan"), "boxes": 6}, NEEDS, "the price of 'number' is nan"),
        ({"number": "1", "boxes": 6}, NEEDS, "the price of 'number' is '1'"),
        ({"number": 1}, {"whole": ["number"]}, "it is unclear which columns 'staged' needs."),
        (PRICES, NEEDS | {"stagd": ["boxes"]}, "the needs of 'stagd' are given, but this study has no such strategy"),
        ({}, {}, "it is unclear which columns 'whole' needs."),
    ],
)
def test_prices_that_do_not_fit_are_refused(prices, needs, message):
    with pytest.raises(StudyError) as caught:
        cost_table(runs(), prices, needs)
    assert message in str(caught.value)


def test_all_faults_are_told_at_once():
    with pytest.raises(StudyError) as caught:
        cost_per_row({"number": -1, "boxs": 6}, NEEDS)
    assert len(str(caught.value).splitlines()) == 4


def test_names_are_checked():
    with pytest.raises(UnknownNameError, match="Did you mean 'whole'"):
        cost_crossover(runs(), "wholes", "staged", PRICES, NEEDS)

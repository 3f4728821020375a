"""The crossover: where it is known, with intervals that hold it, and no claim where there is none."""

import json
import math
import re

import numpy as np
import polars as pl
import pytest

from longspan.errors import StudyError, UnknownNameError
from longspan.study.run_grid import cells_of
from longspan.study.statistics.compare import compare
from longspan.study.statistics.crossover import Crossover, NoCrossover, crossover, crossovers
from longspan.study.statistics.held_out_rows import HeldOutRows
from longspan.study.statistics.paired_difference import paired_difference

SIZES = (100, 300, 1000, 3000)


def steep(n):
    return 2.0 * n**-0.5 + 0.01


def shallow(n):
    return 0.35 * n**-0.2


def runs(truths, *, sizes=SIZES, seeds=3, noise=0.0, draw=0):
    rng = np.random.default_rng(draw)
    return pl.DataFrame(
        [
            {
                "strategy": name, "size": size, "seed": seed, "target": "y",
                "error": float(truth(size) * (1 + noise * rng.normal())),
            }
            for seed in range(seeds)
            for size in sizes
            for name, truth in truths.items()
        ]
    )  # fmt: skip


def meeting(first, second, low=100.0, high=3000.0):
    """Where two curves meet, by halving."""
    for _ in range(100):
        middle = math.sqrt(low * high)
        low, high = (
            (middle, high) if (first(middle) - second(middle)) * (first(low) - second(low)) > 0 else (low, middle)
        )
    return low


BOTH = {"whole": steep, "staged": shallow}


def test_a_known_crossing_is_found():
    found = crossover(runs(BOTH, noise=0.001), "whole", "staged")
    assert isinstance(found, Crossover)
    assert found.size == pytest.approx(meeting(steep, shallow), rel=0.02)
    assert (found.below, found.above) == ("staged", "whole")
    assert (found.tried, found.seeds, found.over) == ((100, 3000), 3, "size")
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.size <= found.high
    turned = crossover(runs(BOTH, noise=0.001), "staged", "whole")
    assert isinstance(turned, Crossover)
    assert (turned.size, turned.low, turned.high) == (found.size, found.low, found.high)
    assert (turned.below, turned.above) == ("staged", "whole")


def test_it_reads_as_the_design_says():
    found = crossover(runs(BOTH, noise=0.03), "whole", "staged")
    assert re.fullmatch(r"Crossover\(size=\d+, low=\d+, high=\d+\)", repr(found))
    assert str(found).startswith("crossover at about ")
    assert "staged is better below, whole above" in str(found)
    never = crossover(runs({"whole": steep, "worse": lambda n: 2 * steep(n)}, noise=0.03), "whole", "worse")
    assert repr(never) == "not within 100..3000"
    assert str(never).startswith("not within 100..3000: whole has the lower error throughout (P > 0.99")
    json.dumps([found.to_json(), never.to_json()])


def test_the_interval_ends_where_each_side_is_settled():
    frame = runs(BOTH, seeds=4, noise=0.04, draw=3)
    found = crossover(frame, "whole", "staged", level=0.9)
    assert isinstance(found, Crossover)
    assert found.probability > 0.95
    cells = cells_of(frame)
    ends = np.array([found.low, found.size, found.high], dtype=float)
    at = paired_difference(cells.sizes, cells.of("whole"), cells.of("staged"), places=ends)
    assert at.below == pytest.approx([0.05, 0.5, 0.95], abs=0.03)


def test_nominal_90_percent_hold_about_that():
    # The full check is benchmarks/study_coverage.py; plain percentiles would hold 70 %.
    rng = np.random.default_rng(5)
    held = []
    for draw in range(80):
        at, b, floors = rng.uniform(150, 2000), rng.uniform(0.2, 1.2, 2), rng.uniform(0, 0.5, 2)
        if abs(b[0] * (1 - floors[0]) - b[1] * (1 - floors[1])) < 0.15:
            continue

        def truth(n, k, at=at, b=b, floors=floors):
            return 0.1 * ((1 - floors[k]) * (n / at) ** -b[k] + floors[k])

        pair = {"a": lambda n, truth=truth: truth(n, 0), "b": lambda n, truth=truth: truth(n, 1)}
        frame = runs(pair, seeds=int(rng.integers(3, 6)), noise=0.05, draw=draw)
        found = crossover(frame, "a", "b", level=0.9)
        held.append(isinstance(found, Crossover) and (found.low or 0) <= at <= (found.high or math.inf))
    assert len(held) >= 50
    assert 0.83 <= np.mean(held) <= 0.98


def test_an_interval_may_be_open_at_one_end():
    # They meet close to the smallest size, so the interval goes on below it.
    near = {"whole": lambda n: 0.1 * (n / 110) ** -0.5, "staged": lambda n: 0.1 * (n / 110) ** -0.3}
    found = crossover(runs(near, noise=0.03, seeds=4, draw=1), "whole", "staged")
    assert isinstance(found, Crossover)
    assert found.low is None
    assert found.high is not None
    assert "below 100 to " in str(found)
    assert repr(found).startswith("Crossover(size=")
    assert "low=None" in repr(found)


def test_curves_that_part_nowhere_are_undecided():
    same = {"a": shallow, "b": shallow}
    answers = [crossover(runs(same, noise=0.05, draw=draw), "a", "b") for draw in range(20)]
    # By chance one end may look decided, in a twentieth of all cases at 95 %; hardly ever both.
    found = [each for each in answers if isinstance(each, Crossover)]
    assert len(found) <= 2
    assert all(each.low is None or each.high is None for each in found)
    undecided = [each for each in answers if isinstance(each, NoCrossover) and each.reason == "undecided"]
    assert len(undecided) >= 8
    assert all(each.better is None and each.doubt is not None and None in each.doubt for each in undecided)
    assert "at neither end is it certain enough" in str(undecided[0])


def test_what_is_better_throughout_says_how_surely():
    near = {"whole": lambda n: 0.1 * (n / 100) ** -0.5, "staged": lambda n: 0.103 * (n / 100) ** -0.3}
    frame = runs(near, noise=0.03, draw=2)
    found = crossover(frame, "whole", "staged")
    assert isinstance(found, NoCrossover)
    assert (found.reason, found.better) == ("one is better", "whole")
    assert found.doubt is not None
    assert found.doubt[0] is None
    assert found.doubt[1] is not None
    assert f"a crossover below {found.doubt[1]} is not ruled out" in str(found)
    # Near the comparison by seed at the first size, which neither moderates variances nor knows the other sizes.
    assert found.probability is not None
    assert found.probability == pytest.approx(compare(frame, "whole", "staged")[0].probability, abs=0.2)


def test_the_same_curve_twice_is_the_same():
    frame = runs({"a": steep}, noise=0.05)
    twin = frame.with_columns(strategy=pl.lit("b"))
    found = crossover(pl.concat([frame, twin]), "a", "b")
    assert isinstance(found, NoCrossover)
    assert (found.reason, found.better, found.probability) == ("same", None, None)
    assert "have the same curve" in str(found)


def test_a_single_seed_names_a_size_without_an_interval():
    found = crossover(runs(BOTH, seeds=1), "whole", "staged")
    assert isinstance(found, Crossover)
    assert (found.low, found.high, found.seeds) == (None, None, 1)
    assert "a single seed: no interval" in str(found)
    never = crossover(runs({"a": steep, "b": lambda n: 2 * steep(n)}, seeds=1), "a", "b")
    assert isinstance(never, NoCrossover)
    assert (never.better, never.probability, never.doubt) == ("a", None, None)
    assert "a single seed: no probability" in str(never)


def test_curves_that_are_no_power_laws_are_followed():
    def late(n):  # guesses until it has 300 rows, then learns fast
        return 0.5 / (1 + (n / 500) ** 1.5)

    def early(n):
        return 0.3 * (n / 100) ** -0.2

    found = crossover(
        runs({"late": late, "early": early}, sizes=(100, 200, 400, 800, 1600, 3200), noise=0.002), "late", "early"
    )
    assert isinstance(found, Crossover)
    assert found.size == pytest.approx(meeting(late, early), rel=0.06)


def test_of_two_crossings_the_clearer_is_given():
    def winding(n):
        return shallow(n) * (1 + 0.3 * math.sin(2 * math.log(n / 180)))

    frame = runs({"a": winding, "b": shallow}, sizes=(50, 100, 200, 400, 800, 1600, 3200), noise=0.005)
    found = crossover(frame, "a", "b")
    assert isinstance(found, Crossover)
    assert found.others
    assert found.size == pytest.approx(866, rel=0.05) or found.size == pytest.approx(180, rel=0.05)
    assert found.low is not None
    assert found.high is not None
    assert found.high / found.low < 1.5
    assert "cross again at" in str(found)
    each = crossovers(frame, "a", "b")
    assert [one.size for one in each] == sorted([found.size, *found.others])
    assert [one.below for one in each] == ["b" if one.above == "a" else "a" for one in each]
    assert all(one.probability > 0.9 for one in each)


def test_the_range_is_what_both_were_tried_at():
    frame = runs(BOTH, noise=0.01).filter((pl.col("strategy") == "whole") | (pl.col("size") <= 1000))
    found = crossover(frame, "whole", "staged")
    assert found.tried == (100, 1000)
    apart = runs(BOTH).filter((pl.col("strategy") == "whole") == (pl.col("size") >= 1000))
    none = crossover(apart, "whole", "staged")
    assert isinstance(none, NoCrossover)
    assert (none.reason, none.tried) == ("no common range", None)
    assert repr(none) == "no common range of sizes"
    one_size = crossover(runs(BOTH, sizes=(100,)), "whole", "staged")
    assert isinstance(one_size, NoCrossover)
    assert one_size.reason == "no common range"


def test_failed_runs_widen_the_interval_and_stop_nothing():
    frame = runs(BOTH, seeds=5, noise=0.03)
    whole = crossover(frame, "whole", "staged")
    holes = frame.filter(~((pl.col("strategy") == "whole") & (pl.col("size") == 300) & (pl.col("seed") < 2)))
    found = crossover(holes, "whole", "staged")
    assert isinstance(whole, Crossover)
    assert isinstance(found, Crossover)
    assert (whole.seeds, found.seeds) == (5, 3)


def test_strategies_without_spread_cross_without_doubt():
    frame = runs({"rule": lambda n: 0.08, "whole": steep})
    found = crossover(frame, "rule", "whole")
    assert isinstance(found, Crossover)
    assert found.size == pytest.approx(meeting(lambda n: 0.08, steep), rel=0.02)
    perfect = crossover(runs({"a": lambda n: 0.0, "b": lambda n: 0.1 if n < 1000 else 0.0}), "a", "b")
    assert isinstance(perfect, NoCrossover)
    assert perfect.better == "a"


@pytest.mark.parametrize("draw", range(15))
def test_any_table_of_runs_gets_an_answer(draw):
    rng = np.random.default_rng(draw)
    frame = runs(BOTH, sizes=(10, 20, 50, 500), seeds=int(rng.integers(1, 5)), noise=0.5, draw=draw)
    error = frame["error"].abs().to_numpy() * (rng.random(len(frame)) > 0.2)  # a fifth are 0
    frame = frame.with_columns(error=pl.Series(np.where(rng.random(len(frame)) < 0.2, np.nan, error)))
    if frame.filter(pl.col("error").is_finite())["strategy"].n_unique() < 2:
        pytest.skip("every run of one strategy is missing")
    found = crossover(frame, "whole", "staged")
    if isinstance(found, Crossover):
        assert (found.low or 0) <= found.size <= (found.high or math.inf)
    assert str(found)
    json.dumps(found.to_json(), allow_nan=False)


def test_names_are_checked():
    frame = runs(BOTH)
    with pytest.raises(UnknownNameError, match="Did you mean 'staged'"):
        crossover(frame, "whole", "stage")
    with pytest.raises(StudyError, match="'whole' twice"):
        crossover(frame, "whole", "whole")


def by_row(count, *, draw=0):
    """The same two curves as runs of right and wrong, on `count` rows that are partly hard for both."""
    rng = np.random.default_rng(draw)
    hard = rng.random(count)
    kept, table = {}, []
    for name, truth, own in (("whole", steep, hard), ("staged", shallow, rng.random(count))):
        for size in SIZES:
            for seed in range(3):
                wrong = (own < truth(size) * (1 + 0.02 * rng.normal())).astype(float)
                kept[name, size, seed] = wrong
                table.append(
                    {"strategy": name, "size": size, "seed": seed, "target": "y", "error": float(wrong.mean())}
                )
    return pl.DataFrame(table), HeldOutRows(count=count, proportion=True, runs=kept)


def test_a_crossover_is_also_given_for_rows_like_these():
    frame, held_out = by_row(8000)
    found = crossover(frame, "whole", "staged", held_out=held_out)
    assert found.rows_found
    assert found.rows_low <= found.low < found.high <= found.rows_high
    assert found.rows_high / found.rows_low > 1.05 * found.high / found.low
    assert " on these rows, " in str(found)
    assert str(found).partition("): ")[0].endswith("on rows like these")
    json.dumps(found.to_json())
    alone = crossover(frame, "whole", "staged")
    assert (alone.low, alone.high, alone.rows_found) == (found.low, found.high, None)
    assert "rows" not in str(alone)


def test_few_held_out_rows_settle_nothing_for_rows_like_these():
    frame, held_out = by_row(60, draw=3)
    found = crossover(frame, "whole", "staged", held_out=held_out)
    assert isinstance(found, Crossover)
    assert found.rows_found is False
    assert found.rows_probability < 0.95
    assert "on rows like these it is not settled (probability " in str(found)
    unknown = HeldOutRows(count=60, proportion=True, runs={})
    assert crossover(frame, "whole", "staged", held_out=unknown).rows_found is None


def test_what_is_better_throughout_says_how_surely_on_rows_like_these():
    frame, held_out = by_row(400)
    frame = frame.filter(pl.col("size") > 500)
    found = crossover(frame, "whole", "staged", held_out=held_out)
    assert isinstance(found, NoCrossover)
    assert 0.5 < found.rows_probability < found.probability
    assert " on these rows, P = " in str(found)


def test_intervals_on_rows_like_these_hold_when_rows_are_drawn_anew():
    at = meeting(steep, shallow)
    held = []
    for draw in range(10):
        frame, held_out = by_row(1500, draw=100 + draw)
        found = crossover(frame, "whole", "staged", held_out=held_out, level=0.9)
        low, high = getattr(found, "rows_low", None), getattr(found, "rows_high", None)
        held.append((low or 0) <= at <= (high or math.inf))
    assert sum(held) >= 8

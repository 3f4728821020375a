import json

import numpy as np
import polars as pl
import pytest

from longspan.errors import StudyError
from longspan.study.statistics.held_out_rows import HeldOutRows
from longspan.study.statistics.preference import preference


def runs(apart, seeds=5):
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(seeds):
        for size in (100, 300, 1000):
            base = size**-0.4
            for name, factor in (("a", 1.0), ("b", 1.0 + apart)):
                error = base * factor * (1 + 0.01 * rng.normal())
                rows.append({"strategy": name, "size": size, "seed": seed, "target": "y", "error": error})
    return pl.DataFrame(rows)


def test_three_probabilities_sum_to_one_and_follow_the_difference():
    clear = preference(runs(0.3), "a", "b", size=1000, worth=0.001)
    assert clear.first_better + clear.no_difference + clear.second_better == pytest.approx(1)
    assert clear.first_better > 0.99
    assert preference(runs(0.3), "b", "a", size=1000, worth=0.001).second_better == pytest.approx(clear.first_better)
    # The true difference is 0.3 * 1000**-0.4 = 0.019, so 0.05 is out of reach.
    assert preference(runs(0.3), "a", "b", size=1000, worth=0.05).no_difference > 0.99
    assert preference(runs(0.0), "a", "b", size=1000, worth=0.005).no_difference > 0.95


def test_it_is_said_in_words():
    found = preference(runs(0.3), "a", "b", size=2000, worth=0.001)
    assert found.sentence("%").startswith("With 2,000 training rows, a is better by more than 0.1 % with probability ")
    assert found.sentence("%").endswith("(extrapolated).")
    assert "does not matter" not in preference(runs(0.3), "a", "b", size=1000).sentence()
    json.dumps(found.to_json())


def test_doubt_grows_beyond_the_sizes_and_far_ones_are_refused():
    near, far = (preference(runs(0.1), "a", "b", size=size).first_better for size in (1000, 4000))
    assert near > far
    with pytest.raises(StudyError, match="from 100 to 4,000"):
        preference(runs(0.1), "a", "b", size=5000)


def test_too_few_runs_and_a_negative_worth_are_refused():
    with pytest.raises(StudyError, match="runs of the same seed at two sizes"):
        preference(runs(0.1, seeds=1), "a", "b", size=1000)
    with pytest.raises(StudyError, match="worth=-1"):
        preference(runs(0.1), "a", "b", size=1000, worth=-1)


def test_other_rows_make_it_less_sure():
    frame = runs(0.05)
    rng = np.random.default_rng(1)

    def held_out(count):
        common = rng.normal(size=(2, count)) * 0.05
        kept = {
            (row["strategy"], row["size"], row["seed"]): row["error"] + common["ab".index(row["strategy"])]
            for row in frame.to_dicts()
        }
        return HeldOutRows(count=count, proportion=False, runs=kept)

    few, many = (preference(frame, "a", "b", size=1000, held_out=held_out(count)) for count in (20, 100_000))
    assert few.first_better == many.first_better
    assert 0.5 < few.rows_first_better < many.rows_first_better
    assert many.rows_first_better == pytest.approx(many.first_better, abs=0.02)
    assert few.rows_first_better + few.rows_no_difference + few.rows_second_better == pytest.approx(1)
    assert " on these rows; on rows like these the probabilities are " in few.sentence()

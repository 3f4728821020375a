"""How large a study must be, from a pilot: a study, or a table of runs."""

import numpy as np
import polars as pl
import pytest

from longspan.errors import StudyError
from longspan.study.planning import plan_study
from longspan.study.statistics.held_out_rows import HeldOutRows


def pilot(seeds=3, rows=200, gain=0.05, draw=0):
    rng = np.random.default_rng(draw)
    hard, runs, frame = rng.random(rows), {}, []
    for size in (100, 400):
        for seed in range(seeds):
            for name, level in (("a", 0.2), ("b", 0.2 + gain)):
                wrong = (hard + 0.1 * rng.normal(size=rows) < level).astype(float)
                runs[name, size, seed] = wrong
                frame.append((name, size, seed, "y", wrong.mean(), size / 10))
    names = ["strategy", "size", "seed", "target", "error", "seconds"]
    return pl.DataFrame(frame, schema=names, orient="row"), HeldOutRows(count=rows, proportion=True, runs=runs)


def test_a_smaller_difference_takes_more_and_costs_more():
    frame, held_out = pilot()
    wide = plan_study(frame, "a", "b", difference=0.15, held_out=held_out)
    narrow = plan_study(frame, "a", "b", difference=0.05, held_out=held_out)
    assert wide.seeds == 3
    assert plan_study(frame, "a", "b", difference=0.01, held_out=held_out).seeds is None, "the rows are too few"
    for (_, more, _), (_, fewer, _) in zip(narrow.options, wide.options, strict=True):
        assert fewer is not None
        assert more is None or more > fewer
    assert wide.of_rows
    assert 0.03 < wide.detected_by_pilot < 0.2


def test_hours_are_those_of_all_trainings():
    frame, held_out = pilot()
    found = plan_study(frame, "a", "b", difference=0.15, held_out=held_out)
    assert found.sizes == (100, 200, 400)
    assert found.hours == pytest.approx(2 * 3 * (10 + 20 + 40) / 3600)
    later = plan_study(frame, "a", "b", difference=0.15, held_out=held_out, size=1600)
    assert later.sizes[-1] == 1600
    assert later.hours is not None
    assert later.hours > 3 * found.hours


def test_sentences_follow_from_the_numbers():
    frame, held_out = pilot()
    said = plan_study(frame, "a", "b", difference=0.15, held_out=held_out).sentences("%")
    assert said[0].startswith(
        "To detect a difference of 15 % between a and b with 400 training rows with 80 % power at 95 %"
    )
    assert "run 3 seeds on the same 200 held-out rows; at the sizes 100, 200, 400 this takes 18 trainings" in said[0]
    few = plan_study(frame, "a", "b", difference=0.001, held_out=held_out).sentences("%")
    assert "are too few, however many seeds are run" in few[0]
    blind = plan_study(frame, "a", "b", difference=0.15, rows=200).sentences()
    assert "errors of single rows are unknown" in blind[-1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"difference": 0.0, "rows": 9}, "difference=0.0"), ({"difference": 0.1}, "give rows="),
        ({"difference": 0.1, "rows": 9, "size": 5}, "lies below the sizes of the pilot"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused(options, words):
    frame, _ = pilot()
    with pytest.raises(StudyError, match=words):
        plan_study(frame, "a", "b", **options)
    with pytest.raises(StudyError, match="two runs of the same seed"):
        plan_study(frame.filter(seed=0), "a", "b", difference=0.1, rows=9)

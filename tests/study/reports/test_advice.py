"""Advice: each constructed study gets the sentences that follow from it, and none that do not."""

import numpy as np
import polars as pl
import pytest

from longspan.errors import StudyError
from longspan.study.reports.advice import advice
from longspan.study.statistics.held_out_rows import HeldOutRows

SIZES = (100, 300, 1000, 3000)


def steep(n):
    return 2.0 * n**-0.5 + 0.01


def shallow(n):
    return 0.35 * n**-0.2


def level(n):
    return 0.1


def runs(truths, *, sizes=SIZES, seeds=3, noise=0.02, draw=0):
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


def rows_like(count, **runs):
    return HeldOutRows(count=count, proportion=True, runs=runs)


BOTH = {"whole": steep, "staged": shallow}


def test_a_clear_study():
    said = advice(runs(BOTH), unit="%")
    assert said[0].startswith("With 3,000 training rows, whole has a lower error, 4.")
    assert "than staged (7" in said[0]
    assert "probability above 99 %" in said[0]
    assert said[1].startswith("The curves of whole and staged cross at about 4")
    assert "staged is better below, whole above" in said[1]
    assert said[2].startswith("More data should still help whole: with 6,000 training rows")
    assert 3 <= len(said) <= 4


def test_no_difference_is_no_win():
    said = " ".join(advice(runs({"a": steep, "b": lambda n: 1.005 * steep(n)}, noise=0.05)))
    assert "With 3,000 training rows, the two strategies are too close to call: " in said
    assert "(probability that " in said
    assert "has a lower error, " not in said


def test_what_was_better_before_is_not_claimed_at_an_open_end():
    truths = {"a": lambda n: 0.1 * (n / 2300) ** -0.5, "b": lambda n: 0.1 * (n / 2300) ** -0.3}
    said = " ".join(advice(runs(truths, noise=0.04, seeds=4, draw=1)))
    assert "to above 3,000" in said
    assert "that a is better at 3,000 is not settled" in said
    assert "With 3,000 training rows, the two strategies are too close to call" in said


def test_a_tie_is_called_one():
    frame = runs({"a": steep})
    said = advice(pl.concat([frame, frame.with_columns(strategy=pl.lit("b"))]))
    assert said[0].startswith("With 3,000 training rows, a and b have the same error, 0.04")
    assert said[1] == "Between 100 and 3,000 a and b have the same curve."


def test_one_strategy_has_nothing_to_beat():
    said = advice(runs({"whole": steep}))
    assert said[0].startswith("With 3,000 training rows, whole, the only strategy, has an error of 0.04")
    assert not any("cross" in sentence for sentence in said)


def test_one_size_is_told_once_to_be_too_few():
    prices = {"prices": {"y": 1.0}, "needs": {name: ["y"] for name in "abcd"}}
    said = advice(runs(dict(zip("abcd", (level, steep, shallow, steep), strict=True)), sizes=(300,)), **prices)
    assert [each for each in said if "crossover" in each] == ["A crossover needs runs at two sizes or more."]


def test_a_single_seed_is_warned_of_and_claims_nothing():
    said = advice(runs(BOTH, seeds=1))
    assert said[0].startswith("There is a single seed")
    assert "from a single seed: the difference may be chance" in said[1]
    text = " ".join(said)
    assert "probability" not in text
    assert "95 %" not in text
    assert "has a lower error, " not in text


def test_two_seeds_are_warned_of():
    assert "two seeds" in advice(runs(BOTH, seeds=2))[0]


def test_failed_runs_are_counted_and_named():
    frame = runs(BOTH, seeds=4)
    failed = frame.with_columns(
        error=pl.when((pl.col("strategy") == "staged") & (pl.col("size") == 3000) & (pl.col("seed") < 3))
        .then(float("nan"))
        .otherwise("error")
    )
    said = advice(failed)
    assert said[0] == "3 of 32 runs have no result (3 of staged at 3,000); the results use the others."
    assert "from a single seed" in said[1]
    assert said == advice(
        frame.filter(~((pl.col("strategy") == "staged") & (pl.col("size") == 3000) & (pl.col("seed") < 3)))
    )
    gone = advice(frame.filter((pl.col("strategy") == "whole") | (pl.col("size") < 3000)))
    assert "With 1,000 training rows, whole has a lower error" in " ".join(gone)
    never = failed.with_columns(error=pl.when(pl.col("strategy") == "staged").then(None).otherwise("error"))
    text = " ".join(advice(never))
    assert "whole, the only strategy with a result there" in text


def test_a_strategy_without_a_result_at_the_largest_size_is_named():
    frame = runs(BOTH | {"rule": level})
    text = " ".join(advice(frame.filter((pl.col("strategy") != "rule") | (pl.col("size") < 3000))))
    assert "rule has no result at 3,000." in text


def test_an_error_that_does_not_fall_is_not_promised_to():
    text = " ".join(advice(runs({"rule": level}, noise=0.001, draw=3)))
    assert "More data hardly helps rule" in text
    assert "halve" not in text


def test_a_floor_that_is_near_is_told():
    text = " ".join(advice(runs({"a": lambda n: 0.1 + 8 * n**-1.2}, noise=0.004)))
    assert "More data hardly helps a" in text


def test_whether_data_helps_may_be_open():
    text = " ".join(advice(runs({"a": steep}, seeds=2, noise=0.25, draw=1)))
    assert "It is unclear whether more data would help a" in text


def test_a_wanted_error_is_answered_for_every_strategy():
    text = " ".join(advice(runs(BOTH | {"rule": level}, noise=0.005), wanted_error=0.03))
    assert "For an error of 0.03, whole needs about 1" in text
    assert "extrapolated" in text
    assert "For an error of 0.03, staged needs about 2" in text
    assert "rule does not reach an error of 0.03" in text or "rule never reaches an error of 0.03" in text
    inside = " ".join(advice(runs(BOTH, noise=0.005), wanted_error=0.06))
    (sentence,) = [each for each in inside.split(".  ") if "whole needs about" in each]
    assert "whole needs about 1," in sentence or "whole needs about 1" in sentence


def test_no_law_no_extrapolation():
    def plateau(n):
        return 0.9 if n < 500 else 0.9 * (n / 500) ** -2

    said = advice(runs({"a": plateau}, noise=0.005), wanted_error=0.001)
    assert not any("needs about" in sentence for sentence in said)
    one = advice(runs(BOTH, sizes=(100,)))
    assert "A crossover needs runs at two sizes or more." in one
    assert any("was run at one size only" in sentence for sentence in one)


def test_costs_are_spoken_of_where_there_are_prices():
    prices = {"number": 1, "boxes": 6}
    needs = {"whole": ["number"], "staged": ["number", "boxes"]}
    said = advice(runs(BOTH), prices=prices, needs=needs, wanted_error=0.06)
    assert (
        "For 3,000 training rows labels cost 1 a row for whole (3,000 in all), 7 a row for staged (21,000 in all)."
        in said
    )
    assert any(sentence.startswith("The cheapest way to an error of 0.06 is whole, for about 1,") for sentence in said)
    assert said[-1].startswith(
        "Between labelling costs of 700 and 3,000 whole and staged do not cross: whole has the lower"
    )
    free = advice(runs(BOTH), prices={"number": 0, "boxes": 6}, needs={"whole": ["number"], "staged": ["boxes"]})
    assert "labels cost 0 a row for whole" in " ".join(free)
    with pytest.raises(StudyError, match="which has no price"):
        advice(runs(BOTH), prices={"number": 1}, needs=needs)


def test_claims_follow_the_level():
    frame = runs({"a": steep, "b": lambda n: 1.08 * steep(n)}, noise=0.03, draw=4)
    bold, sober = " ".join(advice(frame, level=0.5)), " ".join(advice(frame, level=0.9999))
    assert "a has a lower error, " in bold
    assert "too close to call" in sober
    assert "99.99 %" not in bold


@pytest.mark.parametrize("draw", range(12))
def test_any_table_of_runs_gets_advice(draw):
    rng = np.random.default_rng(draw)
    frame = runs(BOTH | {"rule": level}, sizes=(10, 20, 50, 500), seeds=int(rng.integers(1, 8)), noise=0.4, draw=draw)
    error = frame["error"].abs().to_numpy() * (rng.random(len(frame)) > 0.1)
    frame = frame.with_columns(error=pl.Series(np.where(rng.random(len(frame)) < 0.3, np.nan, error)))
    prices, needs = {"p": 1, "q": 2}, {"whole": ["p"], "staged": ["q"], "rule": ["p", "q"]}
    said = advice(frame, prices=prices, needs=needs, wanted_error=0.05)
    assert said
    assert all(sentence.endswith(".") and "nan" not in sentence and "None" not in sentence for sentence in said)
    assert said == advice(frame, prices=prices, needs=needs, wanted_error=0.05)


def test_the_same_mistakes_with_every_seed_still_have_an_interval():
    frame = runs({"a": lambda n: 21 / 412}, noise=0.0)
    (sentence,) = [
        each for each in advice(frame, unit="%", held_out=rows_like(412), largest=1.0) if "the only strategy" in each
    ]
    assert "95 % interval for rows like these 412: 3." in sentence
    assert "interval" in sentence
    assert "5.1 to 5.1" not in sentence


def test_a_strategy_without_mistakes_gets_no_law():
    text = " ".join(advice(runs({"a": lambda n: 0.0}, noise=0.0), unit="%", held_out=rows_like(100), largest=1.0))
    assert "a makes no error on the held-out rows" in text
    assert "projected" not in text


def measured(strategies, rows=300, seeds=3, size=100, draw=0, spread=0.0):
    """Runs whose errors of rows are drawn: a row is wrong where it is harder than the strategy is good."""
    rng = np.random.default_rng(draw)
    hard, kept, frame = rng.random(rows), {}, []
    for seed in range(seeds):
        for name, error in strategies.items():
            wrong = (hard + spread * rng.normal(size=rows) < error).astype(float)
            kept[name, size, seed] = wrong
            kept[name, 2 * size, seed] = wrong
            for each in (size, 2 * size):
                frame.append({"strategy": name, "size": each, "seed": seed, "target": "y", "error": wrong.mean()})
    return pl.DataFrame(frame), HeldOutRows(count=rows, proportion=True, runs=kept)


def test_a_few_rows_that_differ_are_no_certainty_for_rows_like_these():
    frame, held_out = measured({"a": 0.10, "b": 0.1133})  # the same few rows with every seed
    here = advice(frame, unit="%")[0]
    assert "has a lower error" in here
    there = advice(frame, unit="%", held_out=held_out)[0]
    assert "on these rows (probability" in there
    assert "for other rows like these they are too close to call" in there
    assert there.endswith("More held-out rows would settle it.")


def test_many_rows_that_differ_are_told_for_rows_like_these_too():
    frame, held_out = measured({"a": 0.10, "b": 0.25}, spread=0.02)
    said = advice(frame, unit="%", held_out=held_out)[0]
    assert "a has a lower error" in said
    assert "interval for rows like these 300: " in said


def test_a_strategy_that_only_guesses_has_not_learned_and_gets_no_law():
    frame = runs({"good": steep, "guesses": lambda n: 0.9}, noise=0.005)
    said = advice(frame, unit="%", guess=0.9)
    (sentence,) = [each for each in said if "has not learned" in each]
    assert sentence == (
        "guesses has not learned with 100, 300, 1,000 or 3,000 training rows: its error is that of guessing, 90 %. It "
        "may need more data or longer training, so nothing is projected for it."
    )
    assert not any("help guesses" in each or "helps guesses" in each for each in said)
    assert not any("has not learned" in each for each in advice(frame, unit="%"))
    early = runs({"late": lambda n: 0.9 if n < 200 else 0.3}, noise=0.005)
    (sentence,) = [each for each in advice(early, unit="%", guess=0.9) if "has not learned" in each]
    assert sentence == "late has not learned with 100 training rows: its error is that of guessing, 90 %."


def test_with_a_difference_worth_having_the_choice_is_said_in_terms_of_it():
    (said,) = (each for each in advice(runs(BOTH), unit="%", worth=0.01) if "does not matter" in each)
    assert said.startswith("With 3,000 training rows, whole is better by more than 1 % with probability above 99 %, ")
    assert not any("does not matter" in each for each in advice(runs(BOTH), unit="%"))
    single = " ".join(advice(runs(BOTH, seeds=1), worth=0.01))
    assert "Whether the difference between whole and staged matters cannot be computed" in single


def test_curves_over_cost_are_left_out_where_all_labels_cost_the_same():
    same = advice(runs(BOTH), prices={"number": 2}, needs={"whole": ["number"], "staged": ["number"]})
    assert any(sentence.startswith("Labels cost the same for every strategy, 2 a row") for sentence in same)
    assert not any("abelling cost" in sentence for sentence in same)
    other = advice(runs(BOTH), prices={"number": 2, "boxes": 6}, needs={"whole": ["number"], "staged": ["boxes"]})
    assert any("abelling cost" in sentence for sentence in other)

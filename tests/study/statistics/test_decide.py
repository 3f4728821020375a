import time

import numpy as np
import pytest

from longspan.errors import StudyError
from longspan.study.statistics import decide
from longspan.study.statistics.decide import Progress, check_decision, expected_seconds, next_step
from longspan.study.statistics.paired_difference import paired_difference

SIZES = np.array([100, 200, 400, 800, 1600])


def made_up(apart, *, seed=0, seeds=5, noise=0.05):
    """Two curves whose difference changes from `apart[0]` to `apart[1]`, relative to their error."""
    rng = np.random.default_rng(seed)
    base = 2.0 * SIZES**-0.4
    tilt = 1 + np.linspace(apart[0], apart[1], len(SIZES))
    truth = np.stack([base, base * tilt])[..., None]
    return truth * (1 + noise * rng.normal(size=(2, len(SIZES), seeds)))


def play(errors, **options):
    seconds = np.broadcast_to(SIZES[None, :, None] / 100.0, errors.shape)
    seen, took = np.full(errors.shape, np.nan), np.full(errors.shape, np.nan)
    for _ in range(errors.size + 1):
        state = Progress(sizes=SIZES, errors=seen, seconds=took, closed=np.zeros(errors.shape, bool))
        found = next_step(state, **options)
        if found.run is None:
            return found, float(np.nansum(took)), float(seconds.sum())
        assert np.isnan(seen[found.run])
        seen[found.run], took[found.run] = errors[found.run], seconds[found.run]
    raise AssertionError("it asked for more runs than there are")


def test_a_clear_difference_is_decided_with_a_fraction_of_the_grid():
    found, spent, whole = play(made_up((0.4, 0.4)), decide_at=1600)
    assert (found.reason, found.leader) == ("decided", 0)
    assert found.wrong <= 0.05
    assert spent < 0.35 * whole


def test_a_crossover_is_seen_before_the_decision():
    found, _, _ = play(made_up((-0.4, 0.4)), decide_at=1600)
    assert (found.reason, found.leader) == ("decided", 0)
    found, _, _ = play(made_up((-0.4, 0.4)), decide_at=100)
    assert (found.reason, found.leader) == ("decided", 1)


def test_a_difference_not_worth_having_ends_it():
    errors = made_up((0.0, 0.0), noise=0.02)
    found, _, whole = play(errors, decide_at=1600)
    assert found.reason == "the runs left would not decide it"
    found, spent, _ = play(errors, decide_at=1600, worth=0.05)
    assert found.reason == "no difference that matters"
    assert found.wrong <= 0.01
    assert spent < 0.5 * whole


def test_strategies_that_are_the_same_are_called_different_as_seldom_as_promised():
    called = [play(made_up((0, 0), seed=seed), decide_at=1600)[0].reason == "decided" for seed in range(10)]
    assert sum(called) <= 2


def test_no_claim_is_made_before_the_size_of_the_decision_was_run():
    errors = made_up((0.4, 0.4))
    seen = errors.copy()
    seen[:, -1] = np.nan
    state = Progress(
        sizes=SIZES, errors=seen, seconds=np.where(np.isnan(seen), np.nan, 1.0), closed=np.zeros(seen.shape, bool)
    )
    found = next_step(state, decide_at=1600)
    assert found.run is not None
    assert found.run[1] == len(SIZES) - 1


def test_a_single_pair_at_the_size_of_the_decision_needs_other_sizes_that_say_the_same(monkeypatch):
    def ask(apart, closed=False):
        seen = made_up(apart, noise=0.02)
        seen[:, -1, 1:] = np.nan
        seconds = np.where(np.isnan(seen), np.nan, 1.0)
        return next_step(
            Progress(sizes=SIZES, errors=seen, seconds=seconds, closed=np.isnan(seen) & closed), decide_at=1600
        )

    assert ask((0.4, 0.4)).reason == "decided"
    monkeypatch.setattr(decide, "_CONFIRMED", 1.1)  # as if they did not
    found = ask((0.4, 0.4))
    assert found.run is not None
    assert found.run[1] == len(SIZES) - 1
    assert ask((0.4, 0.4), closed=True).reason == "decided"  # there is no other pair


def test_it_does_not_give_up_where_the_runs_left_would_better_the_choice(monkeypatch):
    def races():
        found = [play(made_up((0.04, 0.04), seed=seed), decide_at=1600) for seed in range(6)]
        return sum(decision.leader == 1 for decision, *_ in found), sum(spent for _, spent, _ in found)

    wrong, spent = races()
    monkeypatch.setattr(decide, "_LITTLE", 1.0)
    wrong_before, spent_before = races()
    assert spent > spent_before
    assert wrong <= wrong_before


def test_rivals_share_the_promise():
    rng = np.random.default_rng(5)
    base = 2.0 * SIZES**-0.4
    one = (base * np.array([[1], [1.5], [1.06]]))[..., None] * (1 + 0.02 * rng.normal(size=(3, 5, 6)))
    found, spent, whole = play(one, decide_at=1600)
    assert (found.reason, found.leader) == ("decided", 0)
    assert spent < whole
    # The evidence that is enough against one rival is not enough against each of many.
    two = one[[0, 2], :, :3]
    pair = Progress(sizes=SIZES, errors=two, seconds=two, closed=np.zeros(two.shape, bool))
    level = 1 - 1.0001 * np.exp(-_evidence(pair))
    assert next_step(pair, decide_at=1600, level=level).reason == "decided"
    many = np.concatenate([two, two[1:], two[1:]])
    state = Progress(sizes=SIZES, errors=many, seconds=many, closed=np.zeros(many.shape, bool))
    assert next_step(state, decide_at=1600, level=level).reason == "no runs left"


def _evidence(state):
    apart = paired_difference(SIZES, *state.errors, places=np.append(SIZES.astype(float), 1600.0))
    assert apart is not None
    return float(apart.posterior.log_evidence_against(0.0)[-1])


def test_the_budget_is_never_exceeded():
    found, spent, _ = play(made_up((0.02, 0.02)), decide_at=1600, budget=40.0)
    assert found.reason == "budget spent"
    assert spent <= 40.0


def test_runs_under_way_or_failed_are_not_chosen_again():
    errors = np.full((2, 5, 3), np.nan)
    closed = np.zeros(errors.shape, bool)
    closed[0, 0, 0] = True
    found = next_step(Progress(sizes=SIZES, errors=errors, seconds=errors, closed=closed), decide_at=1600)
    assert found.run == (0, 0, 1)
    closed[:] = True
    found = next_step(Progress(sizes=SIZES, errors=errors, seconds=errors, closed=closed), decide_at=1600)
    assert (found.run, found.reason, found.leader) == (None, "no runs left", None)


def test_seconds_come_from_the_nearest_size():
    seconds = np.full((2, 5, 3), np.nan)
    seconds[0, 1, :2] = 3.0, 5.0
    state = Progress(sizes=SIZES, errors=seconds, seconds=seconds, closed=np.zeros(seconds.shape, bool))
    assert expected_seconds(state, 0, 1) == 4.0
    assert expected_seconds(state, 0, 3) == 16.0
    assert expected_seconds(state, 1, 0) == pytest.approx(2.0)  # of no strategy like it: the rate per row of all
    seconds[0, 2, 0] = 16.0  # four times as long with twice the rows
    assert expected_seconds(state, 0, 3) == pytest.approx(64.0)
    assert expected_seconds(state, 0, 0) == pytest.approx(1.0)
    seconds[0, 2, 0] = 4.0  # an equal budget
    assert expected_seconds(state, 0, 3) == pytest.approx(4.0)


def test_a_decision_takes_less_than_half_a_second_at_200_runs():
    rng = np.random.default_rng(0)
    sizes = np.round(np.geomspace(50, 5000, 8))
    errors = 0.3 * (sizes / 50)[None, :, None] ** -0.3 * (1 + 0.05 * rng.normal(size=(4, 8, 10)))
    errors[:, :, 6:] = np.nan
    errors[:, 7, 5:] = np.nan
    state = Progress(sizes=sizes, errors=errors, seconds=errors, closed=np.zeros(errors.shape, bool))
    began = time.process_time()
    next_step(state, decide_at=5000)
    assert time.process_time() - began < 0.5


def test_wrong_options_are_named_all_at_once():
    wrong = check_decision(SIZES, 10_000, -1, 95, 1)
    assert len(wrong) == 4
    assert "100 to 6,400" in wrong[1]
    with pytest.raises(StudyError, match="two strategies"):
        next_step(
            Progress(
                sizes=SIZES, errors=np.zeros((1, 5, 1)), seconds=np.zeros((1, 5, 1)), closed=np.zeros((1, 5, 1), bool)
            ),
            decide_at=1600,
        )

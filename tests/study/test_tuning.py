"""Equal tuning: what is drawn, what is refused before training, and what a run with trials keeps."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError, StudyError
from longspan.study.statistics.crossover import NoCrossover
from longspan.study.strategy_options import option_names, with_options
from longspan.study.tuning import default_space, draw_params


@dataclass(frozen=True)
class Noisy:
    """Nearest mean of images with noise; a smaller `noise` is better, and 99 fails."""

    fakes: object
    noise: float = 2.0

    def train(self, task, *, seed=0, budget=None):
        if self.noise == 99:
            raise ValueError("this cannot be trained")
        return self.fakes.NearestMean(self.noise).train(task, seed=seed, budget=budget)  # pyright: ignore

    def to_json(self):
        return {"noise": self.noise}


def test_a_range_is_drawn_evenly_on_its_scale_and_held():
    rng = np.random.default_rng(0)
    drawn = np.log10([ls.Between(low=1e-4, high=1e-1, log=True).draw(rng) for _ in range(2000)])
    assert -4 <= drawn.min() < drawn.max() <= -1
    assert np.histogram(drawn, 3, (-4, -1))[0] == pytest.approx([667] * 3, rel=0.12)
    assert {ls.Between(low=1, high=3, whole=True).draw(rng) for _ in range(50)} == {1, 2, 3}
    with pytest.raises(ConfigError, match="low below high"):
        ls.Between(low=2, high=1)


def test_the_first_trial_is_the_strategys_own_and_draws_do_not_depend_on_the_strategy():
    space = {"lr": ls.Between(low=0.1, high=1.0), "size": [1, 2, 3]}
    assert draw_params(space, 0, 0) == {}
    assert draw_params(space, 0, 3)["lr"] == draw_params({"lr": space["lr"]}, 0, 3)["lr"]
    assert draw_params(space, 1, 3) != draw_params(space, 0, 3)


def test_options_of_recipes_and_of_stages():
    recipe = ls.Recipe("lenet5", epochs=2, lr=1e-3)
    changed = with_options(recipe, {"lr": 0.5, "config.batch_size": 8})
    assert (changed.phases[0].lr, changed.phases[0].epochs, changed.config.batch_size) == (0.5, 2, 8)
    two = ls.Recipe("lenet5", phases=(ls.Phase(epochs=1, lr=0.1), ls.Phase(epochs=3, lr=0.4)))
    assert [phase.lr for phase in with_options(two, {"lr": 0.2}).phases] == [0.05, 0.2]
    assert "epochs" not in option_names(two)
    stage = ls.Stage("read", recipe, reads="image", adds={"digit": ls.Category()})
    pipeline = ls.Pipeline([ls.Stage("half", len, reads="word", adds="image"), stage])
    tuned = with_options(pipeline, {"read.lr": 0.25})
    assert tuned.stages[1].what.phases[0].lr == 0.25
    assert tuned.stages[0] is pipeline.stages[0]
    assert list(default_space(pipeline)) == ["read.lr"]
    assert with_options(ls.SingleTask(recipe), {"lr": 0.5}).recipe.phases[0].lr == 0.5
    assert with_options(recipe, {}) is recipe
    with pytest.raises(StudyError, match=r"no option 'config.batchsize'. Did you mean 'config.batch_size'"):
        with_options(recipe, {"config.batchsize": 8})


def study_of(task, path, strategies, **more):
    return ls.Study(task, strategies, [20, 60], 2, path=path, **more)


@pytest.mark.parametrize(
    ("tuning", "words"),
    [
        ({"space": {"nois": [1.0]}}, "has no option 'nois'. Did you mean 'noise'"),
        ({"space": {"noise": 3.0}}, "give a list of values or Between"),
        ({"space": {"noise": []}}, "the list of values is empty"),
        ({"space": {"a": {"noise": [1.0]}}}, "'b' has nothing to tune, while others do"),
        ({"space": {"a": {"noise": [1.0]}, "c": {"noise": [1.0]}}}, "'c' is not a strategy"),
        ({}, "has nothing to tune"),
        ({"space": {"noise": [1.0]}, "target": "digits"}, "'digits'"),
    ],
)
def test_a_space_that_fits_nothing_is_refused_before_training(task, fakes, tmp_path, tuning, words):
    strategies = {"a": Noisy(fakes), "b": Noisy(fakes, noise=1.0)}
    with pytest.raises(StudyError, match=words):
        study_of(task, tmp_path / "s.sqlite", strategies, tuning=ls.Tuning(trials=3, **tuning))
    assert not (tmp_path / "s.sqlite").exists()


def test_a_budget_that_is_too_small_for_the_trials_is_refused(task, fakes, tmp_path):
    with pytest.raises(StudyError, match="3 steps is too small for 4 trials"):
        study_of(
            task, tmp_path / "s.sqlite", {"a": Noisy(fakes)}, budget=ls.Budget(steps=3),
            tuning=ls.Tuning(trials=4, space={"noise": [1.0]}),
        )  # fmt: skip
    with pytest.raises(ConfigError, match=r"(?s)trials=0.*valid=1"):
        ls.Tuning(trials=0, valid=1)


@pytest.fixture(scope="module")
def tuned(digits, fakes, tmp_path_factory):
    task = ls.Task(digits, inputs="image", targets="digit", allow_leaks=True)
    space = {"noise": [0.1, 6.0, 99.0]}
    study = ls.Study(
        task, {"a": Noisy(fakes, noise=300.0), "b": Noisy(fakes, noise=1.0)}, [20, 100], 3,
        path=tmp_path_factory.mktemp("tuned") / "s.sqlite", budget=ls.Budget(steps=40),
        tuning=ls.Tuning(trials=4, space=space),
    )  # fmt: skip
    return study.run(backend="inline", progress=False)


def test_every_run_has_equally_many_trials_and_shares_its_budget(tuned):
    trials = tuned.results.trials()
    assert trials.group_by("strategy", "size", "seed").len()["len"].to_list() == [4] * 12
    assert set(tuned.frame()["steps"]) <= {40, 30, 20}, "ten steps a trial; failed trials learn from none"
    assert trials.filter(trial=0)["params"].unique().to_list() == ["{}"]


def test_the_run_has_the_error_of_the_trial_that_its_own_rows_choose(tuned):
    trials, frame = tuned.results.trials(), tuned.frame()
    for (name, size, seed), part in trials.group_by("strategy", "size", "seed"):
        errors = part.sort("trial")["error"].to_list()
        (error,) = frame.filter(strategy=name, size=size, seed=seed)["error"]
        assert errors[-1] == error
        scores = [np.inf if score is None else score for score in part.sort("trial")["score"].to_list()]
        best = [int(np.argmin(scores[: n + 1])) for n in range(4)]
        changed = [n for n in range(1, 4) if best[n] == best[n - 1] and errors[n] != errors[n - 1]]
        assert not changed, "where the choice stays, so does the error"
    failed = [row for row in trials.to_dicts() if json.loads(row["params"]).get("noise") == 99.0]
    assert failed
    assert all(row["score"] is None for row in failed)


def test_tuning_helps_the_strategy_that_needs_it(tuned):
    trials = tuned.results.trials().filter(strategy="a", size=100)
    first, last = (trials.filter(trial=number)["error"].mean() for number in (0, 3))
    assert last < first - 0.05


def test_the_crossover_is_told_for_every_number_of_trials(tuned):
    found = tuned.results.crossover_by_trials("a", "b")
    assert list(found) == [1, 2, 4]
    assert isinstance(found[4], NoCrossover) or found[4].size > 0
    said = json.loads(json.dumps(tuned.to_json(), allow_nan=False))["targets"]["digit"]
    assert [(each["trials"], each["says"]) for each in said["crossovers_by_trials"]] == [
        (count, str(each)) for count, each in found.items()
    ]
    assert len(said["trials"]) == 48
    tuned.report(tuned.path.with_suffix(".html"))
    assert "trials" in tuned.path.with_suffix(".html").read_text()


def test_another_tuning_is_another_study(tuned, fakes):
    with pytest.raises(StudyError, match="the tuning: it was"):
        ls.Study(
            tuned.task, {"b": Noisy(fakes, noise=1.0)}, [20], 3, path=tuned.path, budget=ls.Budget(steps=40),
            tuning=replace(tuned.tuning, trials=5),
        )  # fmt: skip


def test_where_every_trial_fails_the_run_fails_with_the_first_reason(task, fakes, tmp_path):
    study = study_of(
        task,
        tmp_path / "s.sqlite",
        {"a": Noisy(fakes, noise=99.0)},
        tuning=ls.Tuning(trials=2, space={"noise": [99.0]}),
    )
    study.run(backend="inline", progress=False)
    assert set(study.failures()["message"]) == {"this cannot be trained"}


def test_optuna_searches_where_it_is_installed(task, fakes, tmp_path):
    pytest.importorskip("optuna")
    space = {"noise": ls.Between(low=0.01, high=50.0, log=True)}
    tuning = ls.Tuning(trials=8, space=space, search="optuna")
    runs = []
    for name in ("one", "two"):
        study = ls.Study(task, {"a": Noisy(fakes)}, [60], 1, path=tmp_path / name, tuning=tuning)
        study.run(backend="inline", progress=False)
        runs.append(study.results.trials()["params"].to_list())
    assert runs[0] == runs[1], "the same seed, the same search"
    assert len({*runs[0]}) == 8

"""A search: what it draws, what it keeps, how it goes on, and which setting it finds important."""

import json
from dataclasses import dataclass, replace

import numpy as np
import optuna
import pytest

import longspan as ls
from longspan.errors import ConfigError, StudyError
from longspan.study.searching.trials import SearchTrial, TrialFile

SPACE = {"good": ls.Between(low=0.0, high=1.0), "idle": [1, 2, 3]}


class Answers:
    """Predicts the side of each row, wrong for a fraction of them."""

    steps_done = 1

    def __init__(self, wrong):
        self.wrong = wrong

    def predict(self, table):
        found = []
        for row in range(len(table)):
            image = np.asarray(table.value(row, "image")).astype(float)
            right = "left" if image[:, :4].mean() > image[:, 4:].mean() else "right"
            other = {"left": "right", "right": "left"}[right]
            found.append({"side": other if row < self.wrong * len(table) else right})
        return found

    def save(self, path):
        path.write_text(str(self.wrong))
        return path


TRAINED = []


@dataclass(frozen=True)
class Made:
    """A training whose error is known: 0.5 away from `good` = 0.7 it has failed."""

    good: float = 0.3
    idle: int = 1
    fails: float = 0.05

    def train(self, task, *, seed=0, budget=None):
        TRAINED.append(self)
        if self.good < self.fails:
            raise ValueError("diverged\nat once")
        return Answers(abs(self.good - 0.7))

    def to_json(self):
        return {"fails": self.fails}


@pytest.fixture
def search(small, tmp_path):
    TRAINED.clear()
    task = small.task(rows=60, valid=30, test=10)

    def make(space=SPACE, strategy=Made(), folder="search", **options):
        return ls.Search(task, strategy, space, folder=tmp_path / folder, **{"trials": 16, **options})

    make.task = task
    return make


def quiet(line):
    del line


def test_it_finds_the_good_setting_and_calls_it_important(search, tmp_path):
    made = search().run(say=quiet)
    assert len(made.trials) == 16
    assert made.trials[0].params == {}
    assert made.trials[0].error == pytest.approx(0.4)
    assert made.best.error == min(trial.error for trial in made.trials if trial.error is not None)
    assert abs(made.best.params["good"] - 0.7) < 0.12
    assert float(made.model.read_text()) == pytest.approx(abs(made.best.params["good"] - 0.7))  # the best one's
    important = made.importances()
    assert next(iter(important)) == "good"
    assert important["good"] > 0.8
    page = made.save_report().read_text()
    assert "Importance of settings" in page
    assert "its error is too low" in page


def test_a_failed_trial_is_kept_and_named(search):
    made = search(strategy=Made(fails=0.5), space={"good": [0.1, 0.9]}, trials=6)
    with pytest.raises(ValueError, match="diverged"):  # the strategy's own settings have to work
        made.run(say=quiet)
    own = replace(Made(fails=0.5), good=0.9)
    said = []
    made = search(strategy=own, space={"good": [0.1, 0.9]}, trials=6, folder="other").run(say=said.append)
    assert {trial.message for trial in made.trials} == {"", "diverged"}
    assert any("good 0.1: diverged" in line for line in said)


def test_stopped_it_goes_on_to_the_same_trials(search):
    whole = search(folder="whole").run(say=quiet).trials
    first = search(trials=5).run(say=quiet)
    TRAINED.clear()
    resumed = search().run(say=quiet)
    assert len(TRAINED) == 11
    assert len(first.trials) == 5
    assert [(t.drawn, t.error) for t in resumed.trials] == [(t.drawn, t.error) for t in whole]
    TRAINED.clear()
    assert len(search().run(say=quiet).trials) == 16
    assert not TRAINED  # nothing is left to do


def test_a_line_that_a_kill_cut_off_is_written_again(search, tmp_path):
    search(trials=3).run(say=quiet)
    path = tmp_path / "search" / "search.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    again = search(trials=3).run(say=quiet)
    assert [trial.number for trial in again.trials] == [0, 1, 2]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_trial_that_ends_the_program_twice_is_left_out(tmp_path):
    file = TrialFile(tmp_path / "search.jsonl", {"a": 1})
    file.add(SearchTrial(number=0, drawn={}, params={}, error=0.5, seconds=1.0))
    assert file.begin(1)
    assert TrialFile(file.path, {"a": 1}).begin(1)
    assert not TrialFile(file.path, {"a": 1}).begin(1)
    with pytest.raises(StudyError, match="of another search: a differ"):
        TrialFile(file.path, {"a": 2})


def test_the_minutes_count_over_all_calls(search, monkeypatch):
    clock = iter(range(0, 100000, 20))  # two looks a trial: each takes 20 seconds
    monkeypatch.setattr("longspan.study.searching.search.time.perf_counter", lambda: next(clock))
    assert len(search(trials=None, minutes=1.1).run(say=quiet).trials) == 3
    assert len(search(trials=None, minutes=1.1).run(say=quiet).trials) == 3
    assert len(search(trials=None, minutes=2).run(say=quiet).trials) == 6


def test_test_rows_stay_sealed(search):
    search(trials=3).run(say=quiet)
    assert not search.task.split.vault.openings


def test_a_real_recipe_is_searched(small, tmp_path):
    recipe = ls.Recipe(small.MODEL, epochs=1, config=ls.TrainConfig(batch_size=5, precision="float32"))
    space = {"lr": ls.Between(low=1e-4, high=1e-1, log=True), "config.weight_decay": [0.0, 0.1]}
    made = ls.Search(small.task(), recipe, space, folder=tmp_path, trials=3).run(say=quiet)
    assert all(trial.error is not None for trial in made.trials)
    assert ls.load(made.model).predict(small.table(4).select("image"))
    assert made.importances() == {}  # of two drawn trials


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"space": {}}, "names nothing"),
        ({"space": {"god": [1]}}, "Did you mean 'good'"),
        ({"space": {"good": []}}, "the list of values is empty"),
        ({"trials": None}, "needs a budget"),
        ({"trials": 0}, "at least 1"),
        ({"trials": None, "minutes": 0}, "minutes must be above 0"),
        ({"target": "sid"}, "side"),
    ],
)
def test_what_cannot_be_is_refused_before_a_training(search, options, words):
    with pytest.raises(ls.LongspanError, match=words):
        search(**options)
    assert not TRAINED


def test_without_validation_rows_nothing_chooses(small, tmp_path):
    with pytest.raises(ConfigError, match="needs validation rows"):
        ls.Search(small.task(valid=0), Made(), SPACE, folder=tmp_path, trials=2)


def test_another_search_in_the_folder_is_refused(search):
    search(trials=1).run(say=quiet)
    with pytest.raises(StudyError, match="of another search: space, seed differ"):
        search(space={"good": [0.5]}, seed=3)


def test_two_processes_do_not_search_in_one_folder(search, tmp_path):
    from longspan.storage.lock import FolderLock

    with FolderLock(tmp_path / "search", ".search.lock", what="x"), pytest.raises(StudyError, match="in use"):
        search().run(say=quiet)


def test_what_is_drawn_is_what_optuna_draws(search):
    """The first draws are those of Optuna's own sampler with the same seed."""
    from longspan.randomness import step_seed

    made = search(trials=2).run(say=quiet)
    sampler = optuna.samplers.TPESampler(seed=step_seed(0, "search", 1) & 0xFFFFFFFF, n_startup_trials=6)
    trial = optuna.create_study(sampler=sampler).ask()
    assert made.trials[1].drawn == {
        "good": trial.suggest_float("good", 0.0, 1.0), "idle": trial.suggest_categorical("idle", [0, 1, 2]),
    }  # fmt: skip

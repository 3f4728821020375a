"""Study: nested subsets, equal rows, nothing run twice, grown and refused; all that is wrong is told at once."""

import os

import numpy as np
import polars as pl
import pytest

import longspan as ls
from longspan.errors import StudyError, UnknownNameError
from longspan.study import Study, StudyResults
from longspan.study.runs.runs import study_rows

SIZES = [20, 40]


@pytest.fixture
def make(task, fakes, tmp_path):
    """A study in a file of this test, as `run` in this process makes it."""

    def make(strategies=None, sizes=SIZES, seeds=2, *, on=task, **options):
        strategies = strategies or {"plain": fakes.NearestMean(), "noisy": fakes.NearestMean(60.0)}
        return Study(on, strategies, sizes, seeds, **{"path": tmp_path / "s.sqlite", "threads": 1, **options})

    return make


def run(study):
    return study.run(backend="inline", progress=False)


def test_every_strategy_at_every_size_with_every_seed(make):
    study = run(make())
    frame = study.frame()
    assert frame.select("strategy", "size", "seed", "target").rows() == [
        (name, size, seed, "digit") for name in ("plain", "noisy") for size in SIZES for seed in (0, 1)
    ]
    assert frame["steps"].unique().to_list() == [10]
    assert (frame["seconds"] > 0).all()
    assert study.failures().is_empty()
    means = dict(frame.group_by("size").agg(pl.col("error").mean()).rows())
    assert means[40] < means[20] < 0.9, "it has learned, and more from more"


def test_figures_are_those_of_training_by_hand(make, task, fakes):
    frame = run(make({"plain": fakes.NearestMean()})).frame()
    rows = study_rows(task, 1, 40)
    trained = fakes.NearestMean().train(task.subset(rows))
    held_out = task.table.take(task.valid.numpy())
    said = [prediction.value for prediction in trained.predict(held_out.select("image"))]
    truth = held_out.column_values("digit")
    wrong = sum(a != b for a, b in zip(said, truth, strict=True)) / len(truth)
    assert frame.filter(pl.col("size") == 40, pl.col("seed") == 1)["error"].item() == wrong


def test_subsets_are_nested_differ_by_seed_and_hold_training_rows_only(task):
    small, large = study_rows(task, 0, 20), study_rows(task, 0, 40)
    assert list(small) == list(large[:20])
    assert set(study_rows(task, 1, 20)) != set(small)
    assert set(study_rows(task, 0, len(task.train))) == set(task.train.tolist())


def test_what_is_finished_is_never_run_again_and_failures_are(make, fakes, tmp_path):
    log = tmp_path / "log"
    study = run(make({"plain": fakes.NearestMean(log=str(log), fails=[(40, 0)])}))
    assert [(f["size"], f["seed"], f["error"], f["message"]) for f in study.failures().to_dicts()] == [
        (40, 0, "ValueError", "cannot learn (40, 0)")
    ]
    assert "in train" in study.failures()["trace"].item()
    assert len(study.frame()) == 3
    study = run(make({"plain": fakes.NearestMean(log=str(log))}))
    assert study.failures().is_empty()
    runs = [tuple(line.split()[:2]) for line in log.read_text().splitlines()]
    assert sorted(runs) == [("20", "0"), ("20", "1"), ("40", "0"), ("40", "0"), ("40", "1")]


def test_interrupted_and_called_again_it_equals_an_undisturbed_one(make, fakes, tmp_path, rows, capsys):
    strategies = {"plain": fakes.NearestMean(30.0), "noisy": fakes.NearestMean(60.0, interrupts=[(40, 0)])}
    with pytest.raises(KeyboardInterrupt):
        run(make(strategies))
    assert capsys.readouterr().err == (
        f"Stopped: 3 of 8 runs are finished and kept in {tmp_path / 's.sqlite'}; the same call continues with the "
        "rest.\n"
    )
    strategies["noisy"] = fakes.NearestMean(60.0)
    again = run(make(strategies))
    np.random.seed(99)  # what a program did before plays no part
    undisturbed = run(make(strategies, path=tmp_path / "other.sqlite"))
    assert rows(again) == rows(undisturbed)


def test_a_study_grows_by_sizes_seeds_and_strategies_and_each_sees_its_own(make, fakes, tmp_path, rows):
    first = run(make({"plain": fakes.NearestMean()}))
    grown = run(make({"plain": fakes.NearestMean(), "noisy": fakes.NearestMean(60.0)}, [80, 20, 40], [5, 0, 1]))
    assert len(grown.frame()) == 18
    assert len(first.frame()) == 4
    whole = run(make({"plain": fakes.NearestMean(), "noisy": fakes.NearestMean(60.0)}, [20, 40, 80], [5, 0, 1],
                     path=tmp_path / "new.sqlite"))  # fmt: skip
    assert sorted(rows(grown)) == sorted(rows(whole))
    assert StudyResults(tmp_path / "s.sqlite").plan.seeds == (0, 1, 5)


def test_the_callers_random_state_and_threads_stay_as_they_were(make):
    import torch

    def state():
        return str((torch.get_num_threads(), np.random.get_state(), torch.random.get_rng_state().tolist()))

    np.random.seed(3)
    torch.manual_seed(3)
    before = state()
    run(make(threads=2))
    assert state() == before


# --- recipes and learners --------------------------------------------------------------------------------------------


def test_recipes_and_learners_are_strategies_at_equal_budgets(make, task):
    config = ls.TrainConfig(batch_size=10)
    model = ls.SmallResNetConfig(blocks=1, width=4)
    learner = ls.Learner(task, model, config=config, progress=False).fit(1)
    strategies = {"recipe": ls.Recipe(model, epochs=9, config=config), "learner": learner}
    study = run(make(strategies, [20, 40], 1, budget=ls.Budget(steps=8), keep_models="largest"))
    assert study.frame()["steps"].unique().to_list() == [8]
    assert study.notes == ["There is one seed, so there are no intervals; three or more give some: seeds=3."]
    kept = ls.load(study.model("recipe", 40, 0))
    table = task.table.take(task.valid.numpy())
    wrong = np.mean([p.value != t for p, t in zip(kept.predict(table), table.column_values("digit"), strict=True)])
    errors = study.frame().filter(pl.col("size") == 40).select("strategy", "error").rows()
    assert dict(errors)["recipe"] == wrong, "what was measured is what was kept"
    assert study.best() == study.model(min(errors, key=lambda each: each[1])[0], 40, 0)
    with pytest.raises(StudyError, match="The model of recipe, 20 rows, seed 0 was not kept"):
        study.model("recipe", 20, 0)
    with pytest.raises(StudyError, match="There is no finished run recipe, 30 rows, seed 0"):
        study.model("recipe", 30, 0)
    with pytest.raises(UnknownNameError, match="Did you mean 'recipe'"):
        study.model("recipes", 40, 0)


def test_a_learner_that_holds_out_other_rows_is_refused(make, digits):
    other = ls.Task(digits.table.split(valid=60, seed=9), "image", "digit", allow_leaks=True)
    learner = ls.Learner(other, ls.SmallResNetConfig(blocks=1, width=4), progress=False).fit(1)
    with pytest.raises(StudyError, match="strategy 'theirs': it evaluates on different rows: its own 60 valid rows"):
        make({"theirs": learner})


def test_a_strategy_that_learns_from_evaluated_rows_is_refused(make, task, fakes):
    leaky = fakes.NearestMean()
    leaky.fixed_rows = task.table.take(task.valid.numpy()[:7])
    with pytest.raises(StudyError, match="7 of the 60 rows that it would be measured on are among them"):
        make({"leaky": leaky})


def test_a_strategy_may_refuse_a_task_before_anything_runs(make, fakes):
    class Picky(fakes.NearestMean):
        def check(self, task):
            raise StudyError(f"needs {2 * len(task.train)} rows.")

    with pytest.raises(StudyError, match="strategy 'picky': needs 480 rows"):
        make({"picky": Picky()})


def test_a_pipeline_is_a_strategy_and_may_read_the_inputs_only(make, fakes):
    from sklearn.neighbors import KNeighborsClassifier

    def pipeline(reads):
        flatten = ls.Stage("flatten", lambda pixels, *rest: pixels.ravel().tolist(), reads=reads, adds="ink")
        return ls.Pipeline([flatten, ls.Stage("read", KNeighborsClassifier(1), reads="ink", adds="digit")])

    study = run(make({"staged": pipeline(["image"])}, [40, 240]))
    assert study.failures().is_empty(), study.failures()["trace"].to_list()
    errors = dict(study.frame().select("size", "error").rows())
    assert errors[240] < errors[40] < 0.5
    with pytest.raises(StudyError, match="strategy 'staged': This pipeline cannot run"):
        make({"staged": pipeline(["image", "pen"])}, path="other.sqlite")


def test_a_recipe_that_does_not_fit_the_task_is_refused_before_anything_runs(make):
    with pytest.raises(StudyError, match="strategy 'far': "):
        make({"far": ls.Recipe("resnet20", weights="nowhere.safetensors")})


# --- the vault -------------------------------------------------------------------------------------------------------


def test_the_vault_is_opened_once_per_study_and_the_file_says_why(make, digits, fakes):
    sealed = digits.table.split(valid=60, test=60, seed=0)  # no other test has opened this one
    task = ls.Task(sealed, inputs="image", targets="digit", allow_leaks=True)
    study = run(make(evaluate_on="test", on=task))
    openings = study.results.facts["vault"]
    assert len(openings) == len(task.split.vault.openings) == 1
    assert openings[0]["reason"] == "the study s.sqlite: plain, noisy"
    assert openings[0]["rows"] == 60
    run(study)
    assert len(task.split.vault.openings) == 1, "nothing was missing, so nothing was opened"
    again = ls.Task(sealed, inputs="image", targets="digit", allow_leaks=True)
    grown = run(make(seeds=3, evaluate_on="test", on=again))
    first, second = grown.results.facts["vault"]
    assert [first] == openings
    assert (second["count"], second["after_training"]) == (2, True), "planned after the test figures were seen"
    with pytest.raises(StudyError, match="the rows that are measured on: it was test, now it is valid"):
        make()


# --- what is refused -------------------------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_told_at_once(make, fakes):
    with pytest.raises(StudyError) as raised:
        make({"": fakes.NearestMean()}, [1, 20, 20, 500, 1000, 2.5], 0, threads=0, keep_models="larges")
    text = str(raised.value)
    for part in (
        "for 8 reasons",
        "'' is not a name",
        "sizes=2.5: whole numbers only",
        "sizes: 20 occurs more than once",
        "sizes=1: nothing is learned from fewer than 2 rows",
        "sizes=500, 1000: the task has 240 training rows, so 240 is most",
        "seeds=0: at least 1",
        "threads=0",
        "keep_models='larges': it is one of 'none', 'largest', 'all'. Did you mean 'largest'?",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategies": {"x": 3}}, "strategy 'x': int has no method train"),
        ({"sizes": []}, "sizes=\\[\\]: give at least one"),
        ({"sizes": "20"}, "sizes='20': give a list"),
        ({"seeds": [1, 1]}, "seeds: 1 occurs more than once"),
        ({"error": "accuracy"}, "error='accuracy' is not one of"),
        ({"error": "character"}, "no target is a Text column"),
        ({"budget": 100}, "budget=100: give Budget"),
        ({"needs": {"plain": ["digit"]}}, "there are no prices: cost="),
        ({"cost": {"boxes": 6}}, "'boxes', which no strategy needs"),
        ({"cost": {"digit": -1}}, "a price is a number from 0 on"),
        ({"cost": {"digit": 1, "boxes": 6}, "needs": {"noisi": ["boxes"]}}, "this study has no such strategy"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(make, options, message, tmp_path):
    with pytest.raises(StudyError, match=message):
        make(**options)
    assert not (tmp_path / "s.sqlite").exists()


def test_nothing_held_out_is_refused(make, digits):
    bare = ls.Task(digits.table.split(valid=0, seed=0), "image", "digit", allow_leaks=True)
    with pytest.raises(StudyError, match="no validation rows to measure on"):
        make(on=bare)
    with pytest.raises(StudyError, match="the split has no test rows"):
        make(on=bare, evaluate_on="test")


def test_a_file_of_another_study_names_every_difference_and_its_cure(make, fakes, digits):
    run(make())
    other = {"plain": fakes.NearestMean(1.0), "noisy": fakes.NearestMean(60.0)}
    with pytest.raises(StudyError) as raised:
        make(other, budget=ls.Budget(steps=5), threads=2)
    text = str(raised.value)
    assert 'the budget: it was none, now it is {"steps": 5, "seconds": null}' in text
    assert "threads: it was 1, now it is 2" in text
    assert "strategy 'plain' is another one now: noise was 0.0, is 1.0." in text
    assert "'noisy'" not in text
    assert "start a new file: path=" in text

    cells = digits.table.column_values("digit")
    cells[int(digits.train[0])] = (cells[int(digits.train[0])] + 1) % 10
    changed = digits.table.with_column("digit", ls.Category(), cells)
    from dataclasses import replace

    with pytest.raises(StudyError, match="column 'digit' holds other values"):
        make(on=ls.Task(replace(digits, table=changed), "image", "digit", allow_leaks=True))
    split = digits.table.split(valid=60, test=60, seed=1)
    with pytest.raises(StudyError, match="the split is another one"):
        make(on=ls.Task(split, "image", "digit", allow_leaks=True))


def test_threads_are_those_of_the_file_where_none_are_named(make):
    run(make(threads=2))
    assert make(threads=None).run(backend="inline", progress=False).results.facts["settings"]["threads"] == 2


def test_columns_may_be_added_for_a_new_strategy(make, digits, task):
    run(make())
    table = digits.table.with_column("even", ls.Category(), lambda row: row["digit"] % 2 == 0)
    from dataclasses import replace

    make(on=ls.Task(replace(digits, table=table), "image", "digit", allow_leaks=True))


def test_a_file_of_something_else_is_refused_and_left(make, tmp_path):
    (tmp_path / "s.sqlite").write_text("a diary")
    with pytest.raises(StudyError, match=r"s\.sqlite is not a study file, or is damaged"):
        make()
    assert (tmp_path / "s.sqlite").read_text() == "a diary"


def test_a_study_of_another_version_of_the_library_is_read_but_not_gone_on_with(make, tmp_path):
    from longspan.study.runs.store import StudyFile

    run(make())
    with StudyFile.open_file(tmp_path / "s.sqlite") as file:
        file.set_facts({"library": "0.0.1"})
    assert len(Study.open(tmp_path / "s.sqlite").frame()) == 8
    with pytest.raises(StudyError, match=r"longspan was 0\.0\.1, now it is"):
        make()


def test_a_second_run_of_one_file_is_refused(make, fakes, tmp_path):
    class Nosy(fakes.NearestMean):
        def train(self, task, **options):
            other = Study(nosy_task, {"plain": fakes.NearestMean()}, SIZES, 2, path=tmp_path / "s.sqlite", threads=1)
            with pytest.raises(StudyError, match="is being run already"):
                other.run(backend="inline", progress=False)
            return super().train(task, **options)

    study = make({"nosy": Nosy()})
    nosy_task = study.task
    assert run(study).failures().is_empty()


def test_options_of_run_are_checked(make):
    with pytest.raises(StudyError, match="jobs=0"):
        make().run(jobs=0)
    with pytest.raises(UnknownNameError, match="Did you mean 'processes'"):
        make().run(backend="process")


def test_before_a_run_there_is_nothing_to_look_at(make, fakes):
    with pytest.raises(StudyError, match="has not been run yet"):
        make().frame()
    failed = run(make({"bad": fakes.NearestMean(fails=[(20, 0), (20, 1), (40, 0), (40, 1)])}))
    assert failed.frame().is_empty()
    with pytest.raises(StudyError, match=r"no finished run yet, so there is nothing to say; failures\(\) says why"):
        failed.curves()


# --- several targets, errors of one's own ----------------------------------------------------------------------------


def test_several_targets_give_a_row_each_and_missing_truths_count_for_nothing(digits, fakes, make):
    class Both(fakes.NearestMean):
        def train(self, task, **options):
            inner = super().train(task, **options)
            inner_predict = inner.predict

            def predict(table):
                from longspan.heads import TargetPrediction

                return [
                    ls.Prediction({"digit": TargetPrediction(p.value), "value": TargetPrediction(p.value + 1.0)})
                    for p in inner_predict(table)
                ]

            inner.predict = predict
            return inner

    values = [None if row % 3 else float(row % 10) for row in range(len(digits.table))]
    from dataclasses import replace

    table = digits.table.with_column("value", ls.Number(unit="mm"), values)
    task = ls.Task(replace(digits, table=table), "image", ["digit", "value"], allow_leaks=True)
    study = run(make({"both": Both()}, on=task))
    frame = study.frame()
    assert frame["target"].to_list() == ["digit", "value"] * 4
    row = frame.filter(pl.col("target") == "value").row(0, named=True)
    trained = fakes.NearestMean().train(task.subset(study_rows(task, 0, 20)))
    held = [int(r) for r in task.valid if values[int(r)] is not None]
    said = [p.value + 1.0 for p in trained.predict(table.take(held).select("image"))]
    assert row["error"] == pytest.approx(np.mean([abs(s - values[r]) for s, r in zip(said, held, strict=True)]))
    with pytest.raises(StudyError, match="several targets: digit, value"):
        study.curves()


def test_an_error_of_ones_own(make, fakes):
    def off_by(truths, predictions):
        return float(np.mean([abs(t - p) for t, p in zip(truths, predictions, strict=True)]))

    study = run(make(error=off_by))
    assert study.results.facts["measures"] == {"digit": "off_by"}
    assert (study.frame()["error"] != run(make(path=study.path.with_name("b.sqlite"))).frame()["error"]).any()


def test_progress_is_a_line_per_run_where_output_is_no_terminal(make, fakes, capsys):
    make({"plain": fakes.NearestMean(fails=[(40, 0)])}).run(backend="inline")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1/4  plain, 20 rows, seed 0: error ")
    assert " %, " in lines[0]
    assert "failed, ValueError: cannot learn (40, 0)" in lines[1]
    assert lines[-1].startswith("3 of 4 runs are finished, in ")
    assert lines[-1].endswith("1 failed: failures() says why, and the next run() tries again.")


def test_models_of_a_moved_study_are_found(make, tmp_path):
    study = run(make(keep_models="all"))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("s.sqlite", "s-models"):
        os.rename(tmp_path / name, moved / name)
    results = Study.open(moved / "s.sqlite")
    assert results.model("plain", 20, 1).parent == moved / "s-models"
    assert results.best().is_file()
    assert len(list((moved / "s-models").iterdir())) == 8
    assert repr(results).endswith("8 of 8 runs finished)")
    assert study.plan == results.plan


@pytest.mark.parametrize(
    ("backend", "jobs"),
    [("inline", 1), *(pytest.param(name, 2, marks=pytest.mark.slow) for name in ("processes", "ray"))],
)
def test_a_study_may_run_until_it_is_decided(task, fakes, tmp_path, backend, jobs):
    if backend == "ray":
        pytest.importorskip("ray", reason="needs Ray: pip install 'longspan[ray]'")
    strategies = {"clear": fakes.NearestMean(), "blurred": fakes.NearestMean(noise=40.0)}
    study = ls.Study(task, strategies, [20, 60, 200], seeds=4, path=tmp_path / "decided.sqlite")
    study.run(jobs, backend, progress=False, until="decided", worth=0.02)
    assert 4 <= len(study.frame()) < 24
    assert study.notes[-1].startswith("Decided")
    assert "At 200 training rows choose clear" in study.notes[-1]
    assert study.notes[-1].endswith("on rows like these.")
    decision = ls.Study.open(study.path).to_json()["decision"]
    assert (decision["choose"], decision["says"]) == ("clear", study.notes[-1])
    assert study.advice()[0] == decision["says"]
    assert "no result" not in " ".join(study.advice())  # runs that were not chosen are not missing
    before = rows_of_frame(study)
    study.run(1, "inline", progress=False, until="decided", worth=0.02)
    assert rows_of_frame(study) == before  # it was decided
    study.run(1, "inline", progress=False)
    assert len(study.frame()) == 24  # the rest can still be run
    assert study.to_json()["decision"] is None  # it spoke of fewer runs


def rows_of_frame(study):
    return study.frame().drop("seconds").rows()


def test_options_of_a_decision_are_checked(task, fakes, tmp_path):
    pair = {"a": fakes.NearestMean(), "b": fakes.NearestMean(noise=1.0)}
    study = ls.Study(task, pair, [20, 60], seeds=2, path=tmp_path / "s.sqlite")
    with pytest.raises(StudyError, match="decide_at=5,000 lies outside"):
        study.run(progress=False, until="decided", decide_at=5000)
    with pytest.raises(StudyError, match='go with until="decided"'):
        study.run(progress=False, worth=0.1)
    assert not (tmp_path / "s.sqlite").exists()

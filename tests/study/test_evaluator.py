"""An error of one's own: one value per row or episode, in its unit and direction; all else is refused in words."""

import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError, StudyError


class Rows(list):
    pass


def of(values):
    return lambda trained, rows: values


def test_rows_and_episodes():
    rows = Rows(range(3))
    assert ls.Evaluator(of=of([1, 2, 3]), name="e").errors(None, rows).tolist() == [1, 2, 3]
    assert ls.Evaluator(of=of((4.0, 5.0)), name="e", episodes=2).errors(None, rows).tolist() == [4, 5]


def test_higher_is_better_counts_the_distance_to_the_best():
    evaluator = ls.Evaluator(of=of([1.0, 0.25]), name="success", direction="higher", best=1.0, episodes=2, unit="%")
    assert evaluator.errors(None, Rows()).tolist() == [0, 0.75]
    assert evaluator.measure_name == "1 - success"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 2.0], "gave 2 values for 3 held-out rows"),
        ([1.0, float("nan"), 2.0], r"gave nan for held-out row 1 \(1 such"),
        (["a", "b", "c"], "not a sequence of numbers"),
        ([[1.0], [2.0], [3.0]], r"values of shape \(3, 1\)"),
        (0.5, r"values of shape \(\)"),
        ([1.0, -1.0, 0.0], "gave -1 for held-out row 1: an error must be at least 0"),
    ],
)
def test_another_count_or_no_number_is_an_error_that_says_so(values, words):
    with pytest.raises(StudyError, match=words):
        ls.Evaluator(of=of(values), name="e").errors(None, Rows(range(3)))


def test_above_the_best_is_an_error():
    with pytest.raises(StudyError, match="gave 2 for episode 0: a value lies above best="):
        ls.Evaluator(of=of([2.0]), name="e", direction="higher", best=1.0, episodes=1).errors(None, Rows())


def test_all_faults_of_an_evaluator_are_told_at_once():
    with pytest.raises(ConfigError, match=r"(?s)of=3.*direction='up'.*episodes=0"):
        ls.Evaluator(of=3, name="e", direction="up", episodes=0)  # pyright: ignore
    with pytest.raises(ConfigError, match="largest=nan: the largest error there can be, above 0"):
        ls.Evaluator(of=len, name="e", largest=float("nan"))
    with pytest.raises(ConfigError, match="needs best="):
        ls.Evaluator(of=len, name="e", direction="higher")


def slow_rows(trained, rows):
    predicted = [each["digit"] for each in trained.predict(rows.select("image"))]
    return [float(p != t) * 2 for p, t in zip(predicted, rows.column_values("digit"), strict=True)]


def test_a_study_is_measured_by_it(task, fakes, tmp_path):
    evaluator = ls.Evaluator(of=slow_rows, name="lost points", unit="points")
    study = ls.Study(
        task, {"a": fakes.NearestMean(), "b": fakes.NearestMean(noise=3.0)}, [20, 60], 2, error=evaluator,
        path=tmp_path / "s.sqlite",
    )  # fmt: skip
    study.run(backend="inline", progress=False)
    assert study.frame()["target"].unique().to_list() == ["lost points"]
    assert study.results.unit("lost points") == "points"
    rows = study.results.row_errors("lost points")
    assert len(rows) == 8
    for (name, size, seed), errors in rows.items():
        (error,) = study.frame().filter(strategy=name, size=size, seed=seed)["error"]
        assert np.isin(errors, (0.0, 2.0)).all()
        assert errors.mean() == pytest.approx(error)
    assert "points" in " ".join(study.advice())
    study.report(tmp_path / "r.html")


def drives(trained, rows):
    wrong = np.array(slow_rows(trained, rows))
    return [float(part.mean()) for part in np.array_split(wrong, 5)]


def test_a_study_of_episodes_speaks_of_episodes(task, fakes, tmp_path):
    study = ls.Study(
        task, {"a": fakes.NearestMean(), "b": fakes.NearestMean(noise=100.0)}, [20, 60], 2, path=tmp_path / "s.sqlite",
        error=ls.Evaluator(of=drives, name="faults", unit="1/km", episodes=5),
    )  # fmt: skip
    study.run(backend="inline", progress=False)
    results = study.results
    assert (results.measured_on, results.measured_in, results.held_out().count) == (5, "episodes", 5)
    said = " ".join(study.advice())
    assert "interval for episodes like these 5: " in said
    study.report(tmp_path / "r.html")
    for text in (said, (tmp_path / "r.html").read_text("utf-8")):
        assert "rows like" not in text
        assert "these rows" not in text
    assert "measured on the same 5 episodes" in (tmp_path / "r.html").read_text("utf-8")


def test_a_bad_evaluator_fails_its_runs_and_loses_none(task, fakes, tmp_path):
    study = ls.Study(
        task,
        {"a": fakes.NearestMean()},
        [20],
        1,
        error=ls.Evaluator(of=of([0.5]), name="e"),
        path=tmp_path / "s.sqlite",
    )
    study.run(backend="inline", progress=False)
    assert "gave 1 values for 60 held-out rows" in study.failures()["message"][0]

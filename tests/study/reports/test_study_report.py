"""The report and the JSON of a study hold its figures, and load nothing from anywhere."""

import html
import json
import re

import pytest

from longspan.study import Study, StudyResults
from longspan.study.reports.study_report import crossing_rows
from longspan.study.statistics.crossover import Crossover


@pytest.fixture(scope="module")
def study(tmp_path_factory, digits, fakes):
    import longspan as ls

    task = ls.Task(digits, inputs="image", targets="digit", allow_leaks=True)
    strategies = {"plain & simple": fakes.NearestMean(), "noisy": fakes.NearestMean(60.0, fails=[(80, 2)])}
    study = Study(
        task, strategies, [20, 40, 80], 3, path=tmp_path_factory.mktemp("study") / "s.sqlite", evaluate_on="test",
        budget=ls.Budget(steps=1000), cost={"digit": 1, "box": 4}, needs={"plain & simple": ["digit", "box"]},
    )  # fmt: skip
    return study.run(backend="inline", progress=False)


def words(page):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def test_the_report_is_one_file_with_every_figure(study, tmp_path):
    page = study.report(tmp_path / "report.html").read_text()
    assert not re.search(r"(src|href)=[\"']?(https?:|//)", page)
    assert "<script" not in page
    assert "plain & simple" in words(page)
    assert "plain & simple<" not in page, "text is escaped"
    text = words(page)
    for part in (
        "17 of 18",
        "1 failed",
        "Every run had the same budget, 1,000 steps of training.",
        "cannot learn (80, 2)",
        "measured on the same 60 test rows",
        "The vault with the test rows was opened",
        "plain & simple 5, noisy 1",
        "Over labelling cost",
        "Learning curves",
        "Crossovers",
        "noise 60",
    ):
        assert part in text, part
    curve = study.curves()["noisy"]
    assert f"{curve.points[0].mean * 100:.3g} %" in text
    assert page.count('<figure class="plot') == 3
    assert page.count("<svg") == 6, "each is drawn for a phone too"
    decision = page.index("<h2>The decision</h2>")
    assert (
        decision
        < page.index("<svg")
        < page.index(html.escape(study.advice()[0]).replace(" %", "\u00a0%"))
        < page.index("<h2>Learning curves")
    )
    for sentence in study.advice():
        assert sentence in text


def test_the_report_of_a_file_alone_is_the_same(study, tmp_path):
    def body(path):
        return re.sub(r"Made with longspan, [^.]*\.", "", path.read_text())

    one, two = study.report(tmp_path / "a.html"), Study.open(study.path).report(tmp_path / "b.html")
    assert body(one) == body(two)


def test_the_json_says_what_the_methods_say(study):
    said = json.loads(json.dumps(study.to_json(), allow_nan=False))
    assert said["plan"] == {"strategies": ["plain & simple", "noisy"], "sizes": [20, 40, 80], "seeds": [0, 1, 2]}
    assert said["missing"] == [["noisy", 80, 2]]
    assert [run["error"] for run in said["runs"]] == study.frame()["error"].to_list()
    assert said["failures"][0]["message"] == "cannot learn (80, 2)"
    assert said["settings"]["budget"] == {"steps": 1000, "seconds": None}
    target = said["targets"]["digit"]
    assert target["advice"] == study.advice()
    assert target["cost_per_row"] == {"plain & simple": 5.0, "noisy": 1.0}
    assert target["crossovers"][0]["says"] == str(study.crossover("plain & simple", "noisy"))
    assert len(target["comparisons"]) == 3
    pair = "plain & simple", "noisy"
    assert [each["says"] for each in target["every_crossing"]] == [str(each) for each in study.crossovers(*pair)]
    assert target["preferences"] == [json.loads(json.dumps(study.preference(*pair).to_json()))]
    worth = study.to_json(worth=0.02)["targets"]["digit"]
    assert worth["preferences"][0]["no_difference"] > 0
    assert worth["advice"] == study.advice(worth=0.02) != study.advice()
    forecast = study.extrapolate("noisy", 320)
    far = target["forecasts"][-1]
    assert (far["strategy"], far["size"], far["error"]) == ("noisy", 320, forecast.quantile(0.5))
    assert (far["low"], far["high"]) == forecast.interval(0.8)


def test_costs_cross_where_rows_of_equal_price_do(study):
    table = study.cost_table()
    row = table.filter(table["strategy"] == "plain & simple").row(0, named=True)
    assert row["cost"] == 20 * 5.0
    assert study.crossover("plain & simple", "noisy", over="cost").over == "cost"


def test_without_any_finished_run_the_report_says_so(tmp_path, digits, fakes):
    import longspan as ls

    task = ls.Task(digits, inputs="image", targets="digit", allow_leaks=True)
    bad = fakes.NearestMean(fails=[(20, 0)])
    Study(task, {"bad": bad}, [20], 1, path=tmp_path / "s.sqlite").run(backend="inline", progress=False)
    results = StudyResults(tmp_path / "s.sqlite")
    text = words(results.report(tmp_path / "r.html").read_text())
    assert "No run is finished, so there is nothing to compare yet." in text
    assert "cannot learn (20, 0)" in text
    assert results.to_json()["targets"] == {}


def test_one_strategy_at_one_size_with_one_seed_is_reported_too(tmp_path, digits, fakes):
    import longspan as ls

    task = ls.Task(digits, inputs="image", targets="digit", allow_leaks=True)
    study = Study(task, {"only": fakes.NearestMean()}, [40], [7], path=tmp_path / "s.sqlite")
    text = words(study.run(backend="inline", progress=False).report(tmp_path / "r.html").read_text())
    assert "One seed, so no intervals." in text
    assert "Crossovers" not in text


def test_every_crossing_has_a_row_with_its_interval_and_probability():
    def crossing(size, low, high, probability):
        return Crossover(
            first="a", second="b", size=size, low=low, high=high, level=0.95, below="a", above="b", tried=(10, 900),
            seeds=5, probability=probability,
        )  # fmt: skip

    class Twice:
        def crossovers(self, first, second, *, target):
            return (crossing(50, 30, 80, 0.97), crossing(400, 300, None, 0.84))

        def words(self, text):
            return text

    rows = crossing_rows(Twice(), [("a", "b")], "y")
    assert [row["probability that they cross there"] for row in rows] == ["97 %", "84 %"]
    assert "95 %: 30 to 80" in rows[0]["crossover"]
    assert "95 %: 300 to above 900" in rows[1]["crossover"]

"""`longspan study`: from a folder of images to a report; stopped, called again, reported on."""

import json

import pytest

import longspan as ls
from longspan.study.runs.store import StudyFile

PATTERN = r"(?P<breed>.+)_\d+\.png"


@pytest.fixture
def run(longspan, pets, tmp_path, monkeypatch):
    """`run(...)` is `longspan study` on the pets, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words, out="out"):
        return longspan(
            "study", pets, "--pattern", PATTERN, "--backend", "inline", "--threads", "1", "--batch-size", "8",
            "--sizes", "8,16", "--seeds", "2", "--epochs", "1", "--out", out, *words,
        )  # fmt: skip

    return run


def test_runs_what_is_missing_and_writes_everything(run, longspan, tmp_path):
    answer = run("--model", "lenet5", "--strategy", "deep=deep_cnn", "--steps", "4", "--keep", "largest")
    assert (answer.code, answer.err) == (0, "")
    for words in (
        "breed: 2 classes (bengal 12, pug 12)",
        "lenet5 from scratch, deep\n          sizes 8, 16; 2 seeds; 4 steps a run",
        "8 of 8 runs are finished",
        "error rate, breed",
        "2 runs",
        "report    out/report.html",
    ):
        assert words in answer.out, words
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"study.sqlite", "report.html", "study.json"}
    assert "Where the time goes" in (tmp_path / "out" / "report.html").read_text()  # of the best kept model
    said = json.loads((tmp_path / "out" / "study.json").read_text())
    assert len(said["runs"]) == 8
    assert said["targets"]["breed"]["advice"][-1] in answer.out
    assert len(list((tmp_path / "out" / "study-models").iterdir())) == 4
    matters = longspan("study", "--out", "out", "--worth", "0.05")
    assert (matters.code, matters.err) == (0, "")
    assert "is better by more than 5 % with probability" in matters.out
    assert "the difference does not matter with" in (tmp_path / "out" / "report.html").read_text()
    assert (
        json.loads((tmp_path / "out" / "study.json").read_text())["targets"]["breed"]["preferences"][0]["worth"] == 0.05
    )


def test_errors_are_forecast_beyond_the_largest_size(run, longspan, pets, tmp_path):
    for number in range(3):  # labels that no network can know
        names = [pets / f"{breed}_{number}.png" for breed in ("pug", "bengal")]
        one, two = (name.read_bytes() for name in names)
        names[0].write_bytes(two)
        names[1].write_bytes(one)
    assert run("--model", "lenet5", "--strategy", "deep=deep_cnn", "--valid", "8", "--steps", "10").code == 0
    farther = longspan("study", "--out", "out", "--forecast", "40")
    results = ls.Study.open(tmp_path / "out" / "study.sqlite")
    for name, curve in results.curves("breed").items():
        if curve.points[-1].learned:
            expected = results.extrapolate(name, 40).quantile(0.5)
            assert f"Forecast for {name} with 40 training rows: {100 * expected:.3g} % (80 %" in farther.out
        else:
            assert f"No forecast for {name} with 40 training rows: it has not learned." in farther.out
    assert farther.out.count("orecast for") == 2
    for rows, message in (("16", "more than 16 training rows"), ("80", "is 5 times the largest size")):
        answer = longspan("study", "--out", "out", "--forecast", rows)
        assert (answer.code, message in answer.err) == (2, True), answer.err
    assert "with 80 training rows" in longspan("study", "--out", "out", "--forecast", "80", "--beyond").out


def test_the_same_command_goes_on_and_without_source_it_reports(run, longspan, tmp_path):
    run("--model", "lenet5", "--quiet")
    with StudyFile.open_file(tmp_path / "out" / "study.sqlite") as file:
        before = [row["seconds"] for row in file.rows()]
    answer = run("--model", "lenet5", "--quiet")
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    with StudyFile.open_file(tmp_path / "out" / "study.sqlite") as file:
        assert [row["seconds"] for row in file.rows()] == before, "nothing was run again"
    (tmp_path / "out" / "report.html").unlink()
    answer = longspan("study", "--out", "out")
    assert (answer.code, answer.err) == (0, "")
    assert "error rate, breed" in answer.out
    assert (tmp_path / "out" / "report.html").is_file()


def test_weights_are_fine_tuned(run, tmp_path, pets):
    table = ls.Table.from_files(pets, PATTERN)
    learner = ls.Learner(ls.Task(table.split(seed=0), "image", "breed", allow_leaks=True), "lenet5", progress=False)
    learner.fit(1).save(tmp_path / "lenet.safetensors")
    answer = run("--model", "lenet5:lenet.safetensors", "--freeze-epochs", "2")
    assert answer.code == 0
    assert "lenet5 from lenet" in answer.out
    described = json.loads(ls.Study.open(tmp_path / "out" / "study.sqlite").described["lenet5 from lenet"])
    assert [(phase["epochs"], phase["frozen"]) for phase in described["phases"]] == [(2, 1.0), (1, 0.0)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Name the strategies, for example --model resnet18"),
        (("--model", "lenet6"), "Did you mean 'lenet5'?"),
        (("--strategy", "lenet5"), "write NAME=MODEL or NAME=MODEL:WEIGHTS"),
        (("--model", "lenet5", "--model", "lenet5"), "Two strategies are called 'lenet5 from scratch'"),
        (("--model", "lenet5", "--sizes", "8;16"), "--sizes 8;16: write whole numbers with commas between"),
        (("--model", "lenet5", "--sizes", "8,400"), "sizes=400: the task has 19 training rows, so 19 is most"),
        (("--model", "lenet5", "--steps", "3", "--seconds", "2"), "--steps and --seconds exclude each other"),
        (("--model", "lenet5:nowhere.safetensors"), "nowhere.safetensors"),
        (("--model", "lenet5", "--evaluate-on", "test"), "the split has no test rows"),
        (("--model", "lenet5", "--keep", "large"), "no --keep called 'large'"),
        (("--model", "lenet5", "--decide-on", "breed"), "--decide-on belong to --until decided"),
        (("--model", "lenet5", "--worth", "-1"), "--worth must be at least 0"),
        (("--model", "lenet5", "--space", "lr=1,2"), "--space belongs to --tune N"),
        (("--model", "lenet5", "--tune", "2", "--space", "lr"), "--space lr: write NAME=LOW..HIGH or NAME=VALUE,VALUE"),
        (("--model", "lenet5", "--tune", "2", "--space", "lr=2..1"), "LOW must be below HIGH"),
        (("--model", "lenet5", "--tune", "2", "--space", "rate=1,2"), "has no option 'rate'"),
        (
            ("--model", "lenet5", "--until", "decided", "--target", "breed", "--target", "cat"),
            "Name the target whose error decides: --decide-on breed or cat",
        ),
        (
            ("--model", "lenet5", "--until", "decided", "--target", "breed", "--decide-on", "breeds"),
            "Did you mean 'breed'?",
        ),
    ],
)
def test_bad_input_is_told_in_words_and_leaves_nothing(run, words, message, tmp_path):
    answer = run(*words)
    assert answer.code == 2
    assert message in answer.err
    assert not (tmp_path / "out" / "study.sqlite").exists()


def test_files_of_somebody_else_are_not_written_over(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("mine")
    answer = run("--model", "lenet5")
    assert answer.code == 2
    assert "exists already. Move it away, or name another folder." in answer.err


def test_nothing_to_report_on(longspan, run):
    assert "There is no study in out to report on" in longspan("study", "--out", "out").err
    assert "longspan study SOURCE. Without SOURCE" in longspan("study", "--model", "lenet5").err


def test_trials_draw_from_the_space(run, tmp_path):
    answer = run(
        "--model", "lenet5", "--steps", "4", "--tune", "2", "--space", "lr=1e-4..1e-1", "--space",
        "config.batch_size=4,8", "--quiet",
    )  # fmt: skip
    assert (answer.code, answer.err) == (0, "")
    results = ls.Study.open(tmp_path / "out" / "study.sqlite")
    space = results.facts["settings"]["tuning"]["space"]
    assert space == {"lr": {"low": 1e-4, "high": 1e-1, "log": True, "whole": False}, "config.batch_size": [4, 8]}
    drawn = [json.loads(params) for params in results.trials().filter(trial=1)["params"]]
    assert len(drawn) == 4
    assert all(1e-4 <= each["lr"] <= 1e-1 and each["config.batch_size"] in (4, 8) for each in drawn)
    said = json.loads((tmp_path / "out" / "study.json").read_text())["targets"]["breed"]
    assert [trial["trial"] for trial in said["trials"]] == [0, 1] * 4

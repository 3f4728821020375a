"""`longspan search`: within a budget, stopped, called again, and refused."""

import json
import shlex

import pytest

import longspan as ls

PATTERN = r"(?P<breed>.+)_\d+\.png"


@pytest.fixture
def run(longspan, pets, tmp_path, monkeypatch):
    """`run(...)` is `longspan search` on the pets, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        return longspan(
            "search", pets, "--pattern", PATTERN, "--batch-size", "8", "--epochs", "1", "--model", "lenet5",
            "--weights", "none", "--test", "0.1", *words,
        )  # fmt: skip

    return run


def test_searches_keeps_the_best_and_goes_on(run, longspan, tmp_path):
    space = ["--space", "lr=1e-4..1e-2", "--space", "augment=none,photos", "--space", "model=lenet5,deep_cnn"]
    answer = run("--trials", "2", *space)
    assert (answer.code, answer.err) == (0, "")
    for words in (
        "lr: 0.0001 to 0.01 (logarithm)",
        "augment: none, photos",
        "trial   0  own settings",
        "best      trial",
    ):
        assert words in answer.out
    answer = run("--trials", "3", *space)
    assert "2 trials are done already" in answer.out
    assert "trial   2" in answer.out
    assert "trial   1" not in answer.out.split("done already")[1].split("best ")[0]
    lines = [json.loads(line) for line in (tmp_path / "search" / "search.jsonl").read_text().splitlines()]
    trials = [line for line in lines if "trial" in line]
    assert [set(each["params"]) for each in trials] == [set(), *[{"lr", "augment", "model"}] * 2]
    assert "Importance" in (tmp_path / "search" / "report.html").read_text()
    best = min(trials, key=lambda each: each["error"])
    command = next(line for line in answer.out.splitlines() if line.startswith("train "))
    # The command of the best trial gives the model of the best trial.
    assert longspan(*shlex.split(command)[2:], "--out", "again.safetensors", "--quiet").code == 0
    one, other = (ls.load(tmp_path / name) for name in ("again.safetensors", "search/best.safetensors"))
    assert best["error"] is not None
    assert all((a == b).all() for a, b in zip(
        one.network.state_dict().values(), other.network.state_dict().values(), strict=True))  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "needs a budget: --trials N, --minutes M"),
        (["--trials", "0"], "--trials must be at least 1"),
        (["--minutes", "-1"], "--minutes must be above 0"),
        (["--trials", "2", "--space", "lrr=1..2"], "Did you mean 'lr'"),
        (["--trials", "2", "--space", "lr"], "write NAME=LOW..HIGH"),
        (["--trials", "2", "--space", "lr=5..1"], "LOW must be below HIGH"),
        (["--trials", "2", "--space", "augment=fotos"], "Did you mean 'photos'"),
        (["--trials", "2", "--space", "augment=1..2"], "write names with commas between"),
        (["--trials", "2", "--space", "lr=fast"], "write numbers"),
        (["--trials", "2", "--space", "model=lenet5,lenet6"], "Did you mean 'lenet5'"),
        (["--trials", "2", "--valid", "0"], "needs validation rows"),
    ],
)
def test_what_cannot_be_is_refused(run, tmp_path, words, said):
    answer = run(*words)
    assert answer.code == 2
    assert said in answer.err
    assert not (tmp_path / "search" / "search.jsonl").exists()


def test_a_file_of_somebody_else_is_not_written_over(run, tmp_path):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "report.html").write_text("mine")
    answer = run("--trials", "1")
    assert answer.code == 2
    assert "exists already" in answer.err

"""Run folders: everything of a training in one place, gone on with after whatever happened."""

import csv
import json
import os
import shutil
import signal

import pytest

import longspan as ls
from longspan.errors import ConfigError, TrainingError
from longspan.storage.files import read_tensors
from longspan.storage.lock import FolderLock
from longspan.train.loop import SupervisedStep

pytestmark = pytest.mark.usefixtures("ctrl_c_is_heard")

PATTERN = r"(?P<breed>.+)_\d+\.png"


@pytest.fixture
def told(longspan, pets, tmp_path, monkeypatch):
    """The command without its folder; run in an empty one."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return (
        "train", pets, "--pattern", PATTERN, "--model", "lenet5", "--epochs", "3", "--batch-size", "8",
        "--average", "0.9", "--dropout", "0.2", "--checkpoint-every", "2",
    )  # fmt: skip


def outcome(run):
    """What must be the same: weights, and history without what a clock says."""
    result = json.loads((run / "result.json").read_text())
    history = [{k: v for k, v in record.items() if k != "seconds"} for record in result["history"]]
    weights = [read_tensors(run / name)[0] for name in ("model.safetensors", "checkpoints/best.safetensors")]
    return [{k: v.numpy().tobytes() for k, v in each.items()} for each in weights], history, result["metrics"]


class Steps:
    """Lets so many steps pass, then calls something instead of, or after, the next."""

    def __init__(self, patch, steps, then):
        self.left, run = steps, SupervisedStep.run

        def counted(*words, **named):
            self.left -= 1
            if self.left < 0:
                then()
            return run(*words, **named)

        patch.setattr(SupervisedStep, "run", counted)


def interrupt(times=1):
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_run_folder_holds_everything_and_is_not_written_over(longspan, told, tmp_path):
    answer = longspan(*told, "--out", "runs/a")
    assert (answer.code, answer.err) == (0, "")
    run = tmp_path / "work" / "runs" / "a"
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoints", "model.safetensors", "report.html", "result.json", "run.json",
    ]  # fmt: skip
    steps = [path.name for path in (run / "checkpoints").iterdir() if path.name.startswith("step-")]
    assert sorted(steps) == ["step-00000008-0-00002", "step-00000009-0-00003"]
    result = json.loads((run / "result.json").read_text())
    assert (result["epochs"], result["steps"], len(result["history"])) == (3, 9, 3)
    assert "accuracy" in result["metrics"]["valid"]
    best = min(result["history"], key=lambda record: record["valid_loss"])
    described = ls.load(run / "checkpoints" / "best.safetensors").info
    assert described["training"]["last_epoch"]["epoch"] == best["epoch"]
    assert f"longspan predict {'runs/a/model.safetensors'}" in answer.out

    again = longspan(*told, "--out", "runs/a")
    assert again.code == 2
    assert "runs/a holds a finished run. Name another folder, or replace the run with --force." in again.err
    assert "is finished" in longspan("train", "--resume", "runs/a").out
    before = outcome(run)
    assert longspan(*told, "--out", "runs/a", "--force", "--seed", "5").code == 0
    assert outcome(run) != before


def test_ctrl_c_ends_after_the_step_with_a_checkpoint_and_the_run_goes_on_wherever_it_lies(
    longspan, told, tmp_path, monkeypatch
):
    assert longspan(*told, "--out", "whole").code == 0
    with monkeypatch.context() as patch:
        Steps(patch, 4, interrupt)  # in the fifth step; checkpoints are written after every second
        answer = longspan(*told, "--out", "run")
    assert answer.code == 130
    assert answer.err.endswith("The checkpoints in run are kept; continue with: longspan train --resume run\n")
    assert (tmp_path / "work" / "run" / "checkpoints" / "step-00000005-0-00001").is_dir()
    assert not (tmp_path / "work" / "run" / "model.safetensors").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    again = longspan(*told, "--out", "run")
    assert (again.code, "Continue it: longspan train --resume run" in again.err) == (2, True)
    other = longspan("train", "--resume", "run", "--lr", "0.1")
    assert (other.code, "leave out --lr" in other.err) == (2, True)
    other = longspan("train", "--resume", "run", "--out", "b.safetensors")
    assert (other.code, "leave out --out" in other.err) == (2, True)
    shutil.move("run", "moved")
    assert longspan("train", "--resume", "moved", "--checkpoint-every", "1min").code == 0
    assert not (tmp_path / "work" / "run").exists()
    assert outcome(tmp_path / "work" / "moved") == outcome(tmp_path / "work" / "whole")


def test_a_second_ctrl_c_ends_at_once(longspan, told, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        Steps(patch, 4, lambda: interrupt(2))
        answer = longspan(*told, "--out", "run")
    assert answer.code == 130
    names = [path.name for path in (tmp_path / "work" / "run" / "checkpoints").glob("step-*")]
    assert max(names) == "step-00000003-0-00001"
    assert "continue with: longspan train --resume run" in answer.err


def test_stopped_before_the_first_checkpoint_it_begins_again_by_its_folder_alone(longspan, told, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        Steps(patch, 0, lambda: interrupt(2))
        answer = longspan(*told, "--out", "run")
    assert answer.code == 130
    assert "no checkpoint yet in run; start again with: longspan train --resume run" in answer.err
    assert longspan("train", "--resume", "run").code == 0
    assert longspan(*told, "--out", "whole").code == 0
    assert outcome(tmp_path / "work" / "run") == outcome(tmp_path / "work" / "whole")


def test_stopped_between_the_model_and_the_end_it_writes_the_rest(longspan, told, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("longspan.train.reports.learner_report.compose_report", lambda *_, **__: interrupt())
        assert longspan(*told, "--out", "run").code == 130
    run = tmp_path / "work" / "run"
    assert (run / "model.safetensors").exists()
    assert not (run / "result.json").exists()
    assert longspan("train", "--resume", "run").code == 0
    assert (run / "report.html").exists()
    assert (run / "result.json").exists()


def test_a_checkpoint_cut_in_half_is_named_and_the_one_before_taken(longspan, told, tmp_path, monkeypatch):
    assert longspan(*told, "--out", "whole").code == 0
    with monkeypatch.context() as patch:
        Steps(patch, 5, interrupt)
        assert longspan(*told, "--out", "run").code == 130
    run = tmp_path / "work" / "run"
    *_, last = sorted((run / "checkpoints").glob("step-*/state.safetensors"))
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    answer = longspan("train", "--resume", "run")
    assert answer.code == 0
    assert f"Damaged checkpoints were skipped: {last.parent.name}" in answer.out
    assert "Resuming from step-00000005-0-00001" in answer.out
    assert outcome(run) == outcome(tmp_path / "work" / "whole")


def test_two_runs_into_one_folder_are_refused_by_name(longspan, told, tmp_path):
    with FolderLock(tmp_path / "work" / "run", ".run.lock", what="the first"):
        answer = longspan(*told, "--out", "run")
    assert answer.code == 2
    assert "The run folder run is in use by" in answer.err
    assert not (tmp_path / "work" / "run").exists()
    with FolderLock(tmp_path / "work" / "system", ".run.lock", what="the first"):
        answer = longspan("quickstart", "--out", "system")
    assert (answer.code, "--out system is in use by" in answer.err) == (2, True)


def test_a_loss_that_is_no_number_keeps_the_last_good_weights_and_says_where(longspan, told, tmp_path, monkeypatch):
    def lost():
        raise TrainingError("The loss became nan at step 4.")

    with monkeypatch.context() as patch:
        Steps(patch, 4, lost)
        answer = longspan(*told, "--out", "run")
    assert answer.code == 2
    assert "The loss became nan at step 4." in answer.err
    assert (
        "The last good weights are kept in run/model.last_good.safetensors, those of the best epoch in " in answer.err
    )
    assert ls.load("run/model.last_good.safetensors").info["training"]["last_epoch"]["epoch"] == 1
    assert longspan(*told, "--weights", "run/model.last_good.safetensors", "--out", "b", "--epochs", "1").code == 0


def test_a_full_disk_at_the_first_checkpoint_is_told_before_hours_are_lost(longspan, told, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    answer = longspan(*told, "--out", "run")
    assert answer.code == 2
    assert (
        "cannot be written: [Errno 28] No space left on device. Free some space or choose another folder" in answer.err
    )
    assert "Traceback" not in answer.err


def test_files_of_somebody_else_in_the_folder_are_not_written_over(longspan, told, tmp_path):
    (tmp_path / "work" / "run").mkdir()
    (tmp_path / "work" / "run" / "report.html").write_text("precious")
    answer = longspan(*told, "--out", "run")
    assert answer.code == 2
    assert "run/report.html exists already" in answer.err
    assert (tmp_path / "work" / "run" / "report.html").read_text() == "precious"


def test_intervals_are_read():
    from longspan.cli.train_options import TrainOptions

    for words, expected in (("500", {"steps": 500}), ("2min", {"minutes": 2.0}), ("0.5 min", {"minutes": 0.5})):
        assert TrainOptions(source="", checkpoint_every=words).checkpoint_interval == expected
    for words in ("2.5", "min", "-1", "1h"):
        with pytest.raises(ConfigError, match="--checkpoint-every"):
            TrainOptions(source="", checkpoint_every=words)


def test_folds_leave_models_predictions_and_a_page_of_wrong_labels(longspan, pets, tmp_path):
    (pets / "pug_3.png").rename(pets / "swap.png")
    (pets / "bengal_3.png").rename(pets / "pug_3.png")
    (pets / "swap.png").rename(pets / "bengal_3.png")
    run, words = tmp_path / "run", ("train", pets, "--pattern", PATTERN, "--model", "lenet5", "--batch-size", "6")
    said = longspan(*words, "--epochs", 8, "--lr", "0.01", "--folds", 3, "--out", run)
    assert (said.code, said.err) == (0, "")
    assert {path.name for path in run.iterdir()} >= {
        "fold-1.safetensors", "fold-2.safetensors", "fold-3.safetensors", "out_of_fold.csv", "relabel.html",
        "report.html", "result.json",
    }  # fmt: skip
    result = json.loads((run / "result.json").read_text())
    accuracy = [metrics["accuracy"] for metrics in result["metrics"]["folds"]]
    assert result["metrics"]["mean"]["accuracy"] == pytest.approx(sum(accuracy) / 3)
    assert result["rows"] == 24
    line = next(line for line in said.out.splitlines() if line.startswith("accuracy ")).split()
    assert float(line[1]) == pytest.approx(sum(accuracy) / 3, abs=1e-4)
    rows = list(csv.DictReader((run / "out_of_fold.csv").read_text().splitlines()))
    assert {row["image"] for row in rows} == {path.name for path in pets.iterdir()}
    assert "pug_3.png" in (run / "relabel.html").read_text()


def fold_outcome(run):
    """What must be the same: weights, metrics and predictions of all folds."""
    models = [read_tensors(run / f"fold-{number}.safetensors")[0] for number in (1, 2)]
    weights = [{name: each.numpy().tobytes() for name, each in model.items()} for model in models]
    return weights, json.loads((run / "result.json").read_text())["metrics"], (run / "out_of_fold.csv").read_bytes()


def test_folds_that_were_stopped_within_one_and_between_two_end_as_if_nothing_had_happened(
    longspan, pets, tmp_path, monkeypatch
):
    words = ("train", pets, "--pattern", PATTERN, "--model", "lenet5", "--batch-size", "6", "--epochs", 2,
             "--folds", 2, "--checkpoint-every", "1")  # fmt: skip
    assert longspan(*words, "--out", tmp_path / "whole").code == 0
    run, trained = tmp_path / "run", []

    def lost():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # in the fourth step of the second fold, which has four
        Steps(patch, 7, lost)
        assert longspan(*words, "--out", run).code == 130
    assert (run / "checkpoints" / "fold-2" / "step-00000003-0-00001").is_dir()
    with monkeypatch.context() as patch:  # before the second fold's first step
        patch.setattr("longspan.train.learner.Learner.resume", lambda self, checkpoints: lost())
        assert longspan("train", "--resume", run).code == 130
    shutil.rmtree(run / "checkpoints" / "fold-2")
    with monkeypatch.context() as patch:
        train = SupervisedStep.run
        patch.setattr(SupervisedStep, "run", lambda *w, **n: trained.append(1) or train(*w, **n))
        assert longspan("train", "--resume", run).code == 0
    assert len(trained) == 4  # of the second fold alone
    assert fold_outcome(run) == fold_outcome(tmp_path / "whole")
    assert not (run / "checkpoints").exists()
    assert "is finished" in longspan("train", "--resume", run).out


def test_corrections_train_and_the_files_stay(longspan, pets, tmp_path):
    corrections = tmp_path / "corrections.csv"
    corrections.write_text(
        "row,file,target,given,action,label\n,pug_3.png,breed,pug,relabel,bengal\n,pug_4.png,breed,pug,drop,\n"
    )
    words = ("train", pets, "--pattern", PATTERN, "--model", "lenet5", "--epochs", 1, "--relabel", corrections)
    said = longspan(*words, "--out", tmp_path / "m.safetensors")
    assert said.code == 0
    assert "1 labels changed, 1 rows dropped" in said.out
    assert ls.load(tmp_path / "m.safetensors").info["task"]["split"]["corrections"]["dropped"] == 1
    corrections.write_text("row,file,target,given,action,label\n,pug_99.png,breed,pug,drop,\n")
    said = longspan(*words, "--out", tmp_path / "n.safetensors")
    assert said.code == 2
    assert "pug_99.png" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--folds", 1, "--out", "run"), "at least 2"),
        (("--folds", 3, "--out", "m.safetensors"), "names a folder"),
        (("--folds", 3, "--out", "run", "--test", 4, "--open-vault", "why"), "exclude each other"),
    ],
)
def test_folds_that_cannot_be(longspan, pets, words, told):
    said = longspan("train", pets, "--pattern", PATTERN, *words)
    assert said.code == 2
    assert told in said.err

"""Steps and epochs as other programs read them: each once, also after a kill."""

import json
import math

import pytest

import longspan as ls
from longspan.train.callbacks import Callback


class KilledError(Exception):
    pass


class KillAt(Callback):
    """Behind a checkpoint of step 7, at step 9."""

    def __init__(self, step):
        self.step, self.seen = step, 0

    def step_end(self, state):
        self.seen += 1
        if self.seen == self.step:
            raise KilledError


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def trained(small, *destinations, callbacks=(), **options):
    """20 rows, 14 of them train in batches of 5: three steps an epoch."""
    learner = small.learner(callbacks=[ls.Tracking(*destinations, settings={"model": "tiny"}), *callbacks])
    return learner, options


def test_every_step_and_epoch_stands_once_with_its_loss(small, tmp_path):
    log = tmp_path / "deep" / "steps.jsonl"
    learner, _ = trained(small, ls.StepLog(log))
    learner.fine_tune(2)
    steps = [line for line in lines(log) if "loss" in line]
    epochs = [line for line in lines(log) if "metrics" in line]
    assert [line["step"] for line in steps] == list(range(9))
    assert [line["epoch"] for line in epochs] == [1, 2, 3]
    assert [line["loss"] for line in steps] == pytest.approx(
        [loss for record in learner.history for loss in record["step_losses"]]
    )
    assert epochs[-1]["metrics"]["valid_loss"] == learner.history[-1]["valid_loss"]
    assert all(line["lr"] > 0 and line["time"] > 1.6e9 for line in steps)


def test_a_resumed_training_tells_each_step_once(small, tmp_path):
    whole, log = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    trained(small, ls.StepLog(whole), callbacks=[KillAt(99)])[0].fit(5)
    where = ls.Checkpoints(tmp_path / "run", steps=7)
    killed, _ = trained(small, ls.StepLog(log), callbacks=[KillAt(10)])
    with pytest.raises(KilledError):
        killed.fit(5, checkpoints=where)
    with log.open("a") as file:
        file.write('{"step": 9, "epoch"')  # cut off
    trained(small, ls.StepLog(log), callbacks=[KillAt(99)])[0].resume(where)
    for kind in ("loss", "metrics"):
        found, wanted = ([line for line in lines(path) if kind in line] for path in (log, whole))
        assert [line["step"] for line in found] == [line["step"] for line in wanted]
        assert [line.get("loss") for line in found] == [line.get("loss") for line in wanted]


def test_an_epoch_that_is_stopped_early_is_told_too(small, tmp_path):
    class Stop(Callback):
        def step_end(self, state):
            state.stop = True

    log = tmp_path / "steps.jsonl"
    trained(small, ls.StepLog(log), callbacks=[Stop()])[0].fit(3)
    assert [line for line in lines(log) if "metrics" in line]


def test_a_log_that_cannot_be_written_is_named(small, tmp_path):
    (tmp_path / "file").write_text("")
    learner, _ = trained(small, ls.StepLog(tmp_path / "file" / "steps.jsonl"))
    with pytest.raises(ls.LongspanError, match=r"step log .*steps\.jsonl cannot be written"):
        learner.fit(1)


def test_tensorboard_reads_what_was_learned(small, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    learner, _ = trained(small, ls.TensorBoard(tmp_path))
    learner.fit(2)
    found = EventAccumulator(str(tmp_path))
    found.Reload()
    losses = found.Scalars("step/loss")
    assert [event.step for event in losses] == list(range(6))
    assert [event.value for event in losses] == pytest.approx(
        [loss for record in learner.history for loss in record["step_losses"]]
    )
    assert [event.value for event in found.Scalars("epoch/accuracy")] == pytest.approx(
        [record["accuracy"] for record in learner.history]
    )
    assert "settings/text_summary" in found.Tags()["tensors"]


@pytest.mark.filterwarnings("ignore")  # of MLflow's file store
def test_mlflow_has_one_run_also_after_a_kill(small, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = f"file:{tmp_path}/tracked"
    where = ls.Checkpoints(tmp_path / "run", steps=2)
    killed, _ = trained(small, ls.MLflow(uri, name="mine"), callbacks=[KillAt(5)])
    with pytest.raises(KilledError):
        killed.fit(3, checkpoints=where)
    resumed, _ = trained(small, ls.MLflow(uri, name="mine"), callbacks=[KillAt(99)])
    resumed.resume(where)
    client = MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("longspan").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["model"] == "tiny"
    assert run.data.params["phase 1.epochs"] == "3"
    assert run.data.metrics["valid_loss"] == pytest.approx(resumed.history[-1]["valid_loss"])
    steps = {each.step: each.value for each in client.get_metric_history(run.info.run_id, "step.loss")}
    assert sorted(steps) == list(range(9))
    assert all(math.isfinite(each) for each in steps.values())


@pytest.mark.filterwarnings("ignore")
def test_a_server_that_is_not_there_is_named(small, monkeypatch):
    pytest.importorskip("mlflow")
    for name in ("MAX_RETRIES", "TIMEOUT"):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", "0" if name == "MAX_RETRIES" else "1")
    learner, _ = trained(small, ls.MLflow("http://127.0.0.1:9"))
    with pytest.raises(ls.LongspanError, match=r"MLflow at http://127\.0\.0\.1:9: .*Start a server"):
        learner.fit(1)


def test_what_is_missing_is_named_before_any_work(monkeypatch):
    monkeypatch.setattr("longspan.extras.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ls.LongspanError, match=r"longspan\[tensorboard\]"):
        ls.TensorBoard("runs")
    with pytest.raises(ls.LongspanError, match=r"longspan\[mlflow\]"):
        ls.MLflow()

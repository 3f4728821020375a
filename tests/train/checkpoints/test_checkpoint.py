import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import longspan as ls
from longspan.errors import CheckpointError, ConfigError
from longspan.storage.files import read_tensors
from longspan.train.checkpoints import checkpoint
from longspan.train.checkpoints.checkpoint import Checkpoints, CheckpointWriter, latest_steps, read_latest


def state_at(steps, epoch=0, phase=0):
    return SimpleNamespace(steps=steps, epoch=epoch, phase_index=phase)


def collect(state):
    values = {"steps": state.steps, "phase_index": state.phase_index, "epoch": state.epoch}
    return {"w": torch.tensor([float(state.steps)])}, values


def writer_in(folder, *, best=None, **settings):
    settings = {"steps": 10**9} | settings  # at the end of epochs, however short they are
    return CheckpointWriter(Checkpoints(folder, **settings), collect, best=best)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_last_ones_stay_and_the_last_is_read(tmp_path):
    writer = writer_in(tmp_path / "new" / "folder", keep=2)
    for steps in (5, 10, 15):
        writer.epoch_end(state_at(steps, epoch=steps // 5))
    folder = tmp_path / "new" / "folder"
    assert names(folder) == ["step-00000010-0-00002", "step-00000015-0-00003"]
    tensors, values, damaged = read_latest(folder)
    assert (tensors["w"].item(), values["steps"], damaged) == (15.0, 15, [])
    assert latest_steps(folder) == 15
    assert latest_steps(tmp_path / "nowhere") == 0


def test_the_end_of_an_epoch_comes_after_its_last_step(tmp_path):
    writer = writer_in(tmp_path, steps=1)
    writer.step_end(state_at(9, epoch=0))
    writer.epoch_end(state_at(9, epoch=1))
    writer.step_end(state_at(10, epoch=0, phase=1))
    assert names(tmp_path) == ["step-00000009-0-00001", "step-00000010-1-00000"]


def test_within_an_epoch_it_writes_every_so_many_steps_or_minutes(tmp_path, monkeypatch):
    by_steps = writer_in(tmp_path / "steps", steps=3, keep=9)
    for steps in range(1, 8):
        by_steps.step_end(state_at(steps))
    assert [int(name[5:13]) for name in names(tmp_path / "steps")] == [3, 6]
    clock = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock[0])
    by_minutes = writer_in(tmp_path / "minutes", steps=None, minutes=5, keep=9)
    for steps, minute in enumerate((1, 2, 5, 7, 9, 12), 1):
        clock[0] = 60.0 * minute
        by_minutes.step_end(state_at(steps))
    assert [int(name[5:13]) for name in names(tmp_path / "minutes")] == [3, 6]


def test_checkpoints_take_half_a_percent_of_the_time_however_short_the_epochs(tmp_path, monkeypatch):
    clock, written = [0.0], []
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock[0])

    def slow(state):
        clock[0] += 0.5  # to write one
        written.append(state.steps)
        return collect(state)

    writer = CheckpointWriter(Checkpoints(tmp_path, minutes=0.1), slow)
    for epoch in range(1000):  # of a second
        clock[0] += 1.0
        writer.step_end(state_at(epoch, epoch))
        writer.epoch_end(state_at(epoch, epoch + 1))
    assert written[:3] == [0, 100, 200]
    assert 0.5 * len(written) / clock[0] <= 0.0055


class Best:
    """Stands for the model of the best epoch."""

    def __init__(self):
        self.calls = []

    def look(self, state):
        self.calls.append(f"look {state.steps}")

    def write(self):
        self.calls.append("write")


def test_asked_to_stop_it_writes_and_then_does(tmp_path):
    asked, best = [], Best()
    writer = writer_in(tmp_path, best=best)
    writer.interrupted = lambda: bool(asked)
    writer.step_end(state_at(1))
    asked.append(True)
    with pytest.raises(KeyboardInterrupt):
        writer.step_end(state_at(2))
    assert names(tmp_path) == ["step-00000002-0-00000"]
    with pytest.raises(KeyboardInterrupt):
        writer.epoch_end(state_at(2, epoch=1))
    assert names(tmp_path) == ["step-00000002-0-00000", "step-00000002-0-00001"]
    writer.close()
    assert best.calls == ["write", "look 2", "write", "write"]


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(tmp_path):
    writer = writer_in(tmp_path, keep=3)
    for steps in (1, 2, 3):
        writer.epoch_end(state_at(steps))
    third = tmp_path / "step-00000003-0-00000" / "state.safetensors"
    third.write_bytes(third.read_bytes()[:-3])
    _, values, damaged = read_latest(tmp_path)
    assert values["steps"] == 2
    assert len(damaged) == 1
    assert "step-00000003-0-00000" in damaged[0]
    assert "cut short" in damaged[0]
    (tmp_path / "step-00000002-0-00000" / "state.safetensors").unlink()
    assert read_latest(tmp_path)[1]["steps"] == 1
    (tmp_path / "step-00000001-0-00000" / "state.safetensors").write_bytes(b"")
    with pytest.raises(
        CheckpointError, match=r"no checkpoint to resume from in .* Those there are damaged: step-0{7}3"
    ):
        read_latest(tmp_path)


def test_going_on_after_damage_removes_what_was_damaged_and_not_what_is_new(tmp_path):
    writer = writer_in(tmp_path, keep=2)
    for steps in (10, 20, 30):
        writer.epoch_end(state_at(steps))
    for steps in (20, 30):
        (tmp_path / f"step-000000{steps}-0-00000" / "state.safetensors").write_bytes(b"")
    writer_in(tmp_path, keep=2).step_end(state_at(11))
    again = writer_in(tmp_path, steps=1, keep=2)
    again.step_end(state_at(11))
    again.step_end(state_at(12))
    assert names(tmp_path) == ["step-00000011-0-00000", "step-00000012-0-00000"]


def test_other_things_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "step-notes").mkdir()
    (tmp_path / "step-00000099-0-00000").touch()  # a file, no checkpoint
    (tmp_path / "report.html").touch()
    writer = writer_in(tmp_path, keep=1)
    writer.epoch_end(state_at(1))
    writer.epoch_end(state_at(2))
    assert names(tmp_path) == ["report.html", "step-00000002-0-00000", "step-00000099-0-00000", "step-notes"]
    assert latest_steps(tmp_path) == 2


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_kill_while_writing_leaves_the_ones_before_whole(tmp_path, monkeypatch, moment):
    writer = writer_in(tmp_path)
    writer.epoch_end(state_at(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, moment, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            writer.epoch_end(state_at(2))
    assert read_latest(tmp_path)[1]["steps"] == 1
    assert names(tmp_path) == ["step-00000001-0-00000"]


def test_what_a_kill_left_half_written_is_no_checkpoint_and_swept_up_later(tmp_path):
    writer = writer_in(tmp_path)
    writer.epoch_end(state_at(1))
    (tmp_path / ".step-00000002-0-00000.part").mkdir()
    (tmp_path / ".step-00000002-0-00000.part" / "state.safetensors").write_bytes(b"half")
    assert read_latest(tmp_path)[1]["steps"] == 1
    assert read_latest(tmp_path)[2] == []
    writer.epoch_end(state_at(3))
    assert names(tmp_path) == ["step-00000001-0-00000", "step-00000003-0-00000"]


def full(*_, **__):
    raise OSError(28, "No space left on device")


def test_a_full_disk_stops_a_training_only_before_its_first_checkpoint(tmp_path, monkeypatch, capsys):
    writer = writer_in(tmp_path, steps=1)
    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", full)
        with pytest.raises(
            CheckpointError, match=r"step-00000001.* cannot be written: .*No space left.*Free some space"
        ):
            writer.step_end(state_at(1))
    writer.step_end(state_at(2))
    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", full)
        writer.step_end(state_at(3))
        writer.step_end(state_at(4))
        said = capsys.readouterr().err
        assert said.count("cannot be written") == 1
        assert "step-00000002-0-00000 before it is whole" in said
        assert names(tmp_path) == ["step-00000002-0-00000"]
        assert read_latest(tmp_path)[1]["steps"] == 2
    writer.step_end(state_at(5))
    assert names(tmp_path) == ["step-00000002-0-00000", "step-00000005-0-00000"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of POSIX")
def test_a_real_limit_on_the_size_of_files(tmp_path):
    code = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import torch

import longspan as ls
from test_checkpoint import Checkpoints, CheckpointWriter, collect, state_at, read_latest
numbers = 10
def large(state):
    return {{"w": torch.zeros(numbers)}}, collect(state)[1]
writer = CheckpointWriter(Checkpoints({str(tmp_path)!r}, steps=1), large)
writer.step_end(state_at(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
numbers = 100_000
writer.step_end(state_at(2))
print(read_latest({str(tmp_path)!r})[1]["steps"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1\n"
    assert "The training continues and tries again later; step-00000001-0-00000 before it is whole" in done.stderr
    assert names(tmp_path) == ["step-00000001-0-00000"]


def test_folders_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be made"):
        writer_in(tmp_path / "file" / "sub")
    for wrong, words in (({"keep": 0}, "keep"), ({"steps": 0}, "steps"), ({"minutes": -1.0}, "minutes")):
        with pytest.raises(ConfigError, match=rf"Checkpoints\.{words} must be "):
            Checkpoints(tmp_path, **wrong)
    with pytest.raises(CheckpointError, match="There is no checkpoint to resume from"):
        read_latest(tmp_path / "nowhere")


def test_the_best_epochs_model_is_the_file_that_save_would_have_written_then(small, tmp_path):
    losses = iter([3.0, 1.0, 2.0, 0.5, 0.9])
    saved = {}

    class Pretend(ls.Callback):
        """Says of each epoch what it lost, and saves the network after it."""

        def epoch_end(self, state):
            state.history[-1]["valid_loss"] = next(losses)
            learner.save(tmp_path / f"{len(state.history)}.safetensors")
            saved[len(state.history)] = read_tensors(tmp_path / f"{len(state.history)}.safetensors")

    learner = small.learner(callbacks=[Pretend()])
    learner.fit(3, checkpoints=Checkpoints(tmp_path / "run", steps=2))

    def best():
        return read_tensors(tmp_path / "run" / "best.safetensors")

    assert small.same(best()[0], saved[2][0])
    assert best()[1] == saved[2][1]
    assert ls.load(tmp_path / "run" / "best.safetensors").info["training"]["last_epoch"]["epoch"] == 2
    learner.fit(2, checkpoints=Checkpoints(tmp_path / "run", steps=2))
    assert small.same(best()[0], saved[4][0])

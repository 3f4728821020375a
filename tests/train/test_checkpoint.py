import os
from types import SimpleNamespace

import pytest
import torch

from longspan.errors import CheckpointError, ConfigError
from longspan.train import checkpoint
from longspan.train.checkpoint import CheckpointWriter, latest_steps, read_latest


def state_at(steps, epoch=0, phase=0):
    return SimpleNamespace(steps=steps, epoch=epoch, phase_index=phase)


def collect(state):
    return {"w": torch.tensor([float(state.steps)])}, {"steps": state.steps, "phase_index": state.phase_index}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_last_ones_stay_and_the_last_is_read(tmp_path):
    writer = CheckpointWriter(tmp_path / "new" / "folder", collect, keep=2)
    for steps in (5, 10, 15):
        writer.epoch_end(state_at(steps, epoch=steps // 5))
    folder = tmp_path / "new" / "folder"
    assert names(folder) == ["step-00000010-0-00002", "step-00000015-0-00003"]
    tensors, values, damaged = read_latest(folder)
    assert (tensors["w"].item(), values["steps"], damaged) == (15.0, 15, [])
    assert latest_steps(folder) == 15
    assert latest_steps(tmp_path / "nowhere") == 0


def test_the_end_of_an_epoch_comes_after_its_last_step(tmp_path):
    writer = CheckpointWriter(tmp_path, collect, steps=1)
    writer.step_end(state_at(9, epoch=0))
    writer.epoch_end(state_at(9, epoch=1))
    writer.step_end(state_at(10, epoch=0, phase=1))
    assert names(tmp_path) == ["step-00000009-0-00001", "step-00000010-1-00000"]


def test_within_an_epoch_it_writes_every_so_many_steps_or_minutes(tmp_path, monkeypatch):
    by_steps = CheckpointWriter(tmp_path / "steps", collect, steps=3, keep=9)
    for steps in range(1, 8):
        by_steps.step_end(state_at(steps))
    assert [int(name[5:13]) for name in names(tmp_path / "steps")] == [3, 6]
    clock = iter([0.0, *[60.0 * minute for minute in (1, 2, 5, 5, 7, 9, 12, 12)]])
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: next(clock))
    by_minutes = CheckpointWriter(tmp_path / "minutes", collect, minutes=5, keep=9)
    for steps in range(1, 7):  # asked at 1, 2, 5 (written, noted at 5), 7, 9, 12 (written, noted at 12)
        by_minutes.step_end(state_at(steps))
    assert [int(name[5:13]) for name in names(tmp_path / "minutes")] == [3, 6]


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(tmp_path):
    writer = CheckpointWriter(tmp_path, collect, keep=3)
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
    with pytest.raises(CheckpointError, match=r"no checkpoint to go on from in .* Those there are damaged: step-0{7}3"):
        read_latest(tmp_path)


def test_going_on_after_damage_removes_what_was_damaged_and_not_what_is_new(tmp_path):
    writer = CheckpointWriter(tmp_path, collect, keep=2)
    for steps in (10, 20, 30):
        writer.epoch_end(state_at(steps))
    for steps in (20, 30):
        (tmp_path / f"step-000000{steps}-0-00000" / "state.safetensors").write_bytes(b"")
    CheckpointWriter(tmp_path, collect, keep=2).step_end(state_at(11))
    again = CheckpointWriter(tmp_path, collect, steps=1, keep=2)
    again.step_end(state_at(11))
    again.step_end(state_at(12))
    assert names(tmp_path) == ["step-00000011-0-00000", "step-00000012-0-00000"]


def test_other_things_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "step-notes").mkdir()
    (tmp_path / "step-00000099-0-00000").touch()  # a file, no checkpoint
    (tmp_path / "report.html").touch()
    writer = CheckpointWriter(tmp_path, collect, keep=1)
    writer.epoch_end(state_at(1))
    writer.epoch_end(state_at(2))
    assert names(tmp_path) == ["report.html", "step-00000002-0-00000", "step-00000099-0-00000", "step-notes"]
    assert latest_steps(tmp_path) == 2


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_kill_while_writing_leaves_the_ones_before_whole(tmp_path, monkeypatch, moment):
    writer = CheckpointWriter(tmp_path, collect)
    writer.epoch_end(state_at(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, moment, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            writer.epoch_end(state_at(2))
    assert read_latest(tmp_path)[1]["steps"] == 1
    assert names(tmp_path) == ["step-00000001-0-00000"]


def test_what_a_kill_left_half_written_is_no_checkpoint_and_swept_up_later(tmp_path):
    writer = CheckpointWriter(tmp_path, collect)
    writer.epoch_end(state_at(1))
    (tmp_path / ".step-00000002-0-00000.part").mkdir()
    (tmp_path / ".step-00000002-0-00000.part" / "state.safetensors").write_bytes(b"half")
    assert read_latest(tmp_path)[1]["steps"] == 1
    assert read_latest(tmp_path)[2] == []
    writer.epoch_end(state_at(3))
    assert names(tmp_path) == ["step-00000001-0-00000", "step-00000003-0-00000"]


def test_a_full_disk_is_a_checkpoint_error_that_keeps_the_ones_before(tmp_path, monkeypatch):
    writer = CheckpointWriter(tmp_path, collect)
    writer.epoch_end(state_at(1))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("longspan.train.files.save_file", full)
        with pytest.raises(CheckpointError, match=r"step-00000002.* cannot be written: .*No space left(.|\n)*--resume"):
            writer.epoch_end(state_at(2))
    assert names(tmp_path) == ["step-00000001-0-00000"]


def test_folders_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be made"):
        CheckpointWriter(tmp_path / "file" / "sub", collect)
    with pytest.raises(ConfigError, match="keep must be at least 1"):
        CheckpointWriter(tmp_path, collect, keep=0)
    with pytest.raises(CheckpointError, match="There is no checkpoint to go on from"):
        read_latest(tmp_path / "nowhere")

"""Killed at any moment and resumed: the same weights, bit for bit, and the same history."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

import longspan as ls
from longspan.errors import CheckpointError
from longspan.train import Callback, EarlyStopping, Learner, WeightAverage
from longspan.train.checkpoints import checkpoint_state
from longspan.train.checkpoints.checkpoint import Checkpoints
from longspan.train.checkpoints.checkpoint_state import check_same_training
from longspan.train.config import Phase

PHASES = [
    Phase(epochs=1, lr=0.02, frozen=1.0),
    Phase(epochs=3, lr=0.02, schedule="one_cycle", backbone_lr_mult=0.1),
    Phase(epochs=1, lr=0.05, schedule="cosine", warmup=0.0, frozen=0.5),
]
CONFIG = ls.TrainConfig(
    batch_size=3,
    accumulate=2,
    mixup=0.3,
    clip_norm=1.0,
    augment=ls.Augment(rotate_deg=20, flip=True, contrast=0.3),
    precision="float32",
)


class Killed(BaseException):
    """What no handler in the library may swallow."""


class KillAt(Callback):
    """Raises in one event of one phase, epoch and batch; disarmed in the second life."""

    def __init__(self, event=None, phase=0, epoch=0, batch=0):
        self.moment = (event, phase, epoch, batch)

    def _look(self, event, state):
        if (event, state.phase_index, state.epoch, state.batch) == self.moment:
            raise Killed

    def fit_start(self, state):
        self._look("fit_start", state)

    def epoch_start(self, state):
        self._look("epoch_start", state)

    def step_end(self, state):
        self._look("step_end", state)

    def epoch_end(self, state):
        self._look("epoch_end", state)

    def fit_end(self, state):
        self._look("fit_end", state)


class Counter(Callback):
    """Counts events; what a user keeps in a callback must survive too."""

    def __init__(self):
        self.counts = {}

    def epoch_start(self, state):
        self.counts["epochs"] = self.counts.get("epochs", 0) + 1

    def step_end(self, state):
        self.counts["steps"] = self.counts.get("steps", 0) + 1

    def state_dict(self):
        return {}, dict(self.counts)

    def load_state_dict(self, tensors, values):
        self.counts = dict(values)


@pytest.fixture(autouse=True)
def _checkpoint_every_step(monkeypatch):
    monkeypatch.setattr(
        Checkpoints, "of", classmethod(lambda cls, folder: folder if isinstance(folder, cls) else cls(folder, steps=1))
    )
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a killed process needs no disk that keeps its word


def make(small, kill=None, *, config=CONFIG, averaged=True):
    callbacks = [WeightAverage(0.9), EarlyStopping(patience=0)] if averaged else []
    heads = {"side": ls.Classify(dropout=0.3, hidden=(4,)), "light": ls.Regress(dropout=0.1)}
    task = small.task(["side", "light"], rows=13, valid=4, missing=True)  # three batches of three rows
    return small.learner(task, config=config, heads=heads, callbacks=[kill or KillAt(), Counter(), *callbacks], seed=4)


@pytest.fixture(scope="module")
def unbroken(small):
    return make(small).run(PHASES)


def assert_equal(small, resumed, unbroken):
    assert small.records(resumed) == small.records(unbroken)
    assert small.same(resumed, unbroken)
    assert resumed.callbacks[1].counts == unbroken.callbacks[1].counts
    assert (resumed.epochs_done, resumed.steps_done) == (unbroken.epochs_done, unbroken.steps_done)
    assert resumed.phases == unbroken.phases


def test_writing_checkpoints_changes_nothing(small, unbroken, tmp_path):
    assert_equal(small, make(small).run(PHASES, checkpoints=tmp_path), unbroken)
    assert [len(record["step_losses"]) for record in unbroken.history][:3] == [3, 3, 3]


@pytest.mark.parametrize(
    "moment",
    [
        ("step_end", 0, 0, 2),  # in the frozen phase
        ("step_end", 0, 0, 3),  # the last batch of an epoch
        ("fit_end", 0, 1, 0),  # between phases
        ("fit_start", 1, 0, 0),
        ("step_end", 1, 0, 2),  # between batches of one optimizer step
        ("step_end", 1, 0, 3),
        ("epoch_end", 1, 1, 0),
        ("epoch_start", 1, 1, 0),
        ("step_end", 1, 1, 2),
        ("step_end", 2, 0, 2),  # half of the layers frozen
        ("fit_end", 2, 1, 0),  # all but the last touches done
    ],
    ids=lambda moment: "-".join(map(str, moment)),
)
def test_killed_in_an_event_and_resumed_it_is_as_if_nothing_had_happened(small, unbroken, tmp_path, moment):
    with pytest.raises(Killed):
        make(small, KillAt(*moment)).run(PHASES, checkpoints=tmp_path)
    assert_equal(small, make(small).resume(tmp_path), unbroken)


def test_killed_again_and_again_twice_at_one_place(small, unbroken, tmp_path):
    with pytest.raises(Killed):
        make(small, KillAt("step_end", 0, 0, 2)).run(PHASES, checkpoints=tmp_path)
    for moment in (("step_end", 1, 0, 2), ("step_end", 1, 0, 2), ("step_end", 1, 0, 3)):
        with pytest.raises(Killed):
            make(small, KillAt(*moment)).resume(tmp_path)
    assert_equal(small, make(small).resume(tmp_path), unbroken)


@pytest.mark.parametrize("call", [5, 8])
@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_killed_while_a_checkpoint_is_written(small, unbroken, tmp_path, monkeypatch, function, call):
    real, calls = getattr(os, function), []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == call:
            raise Killed
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, function, killed)
        with pytest.raises(Killed):
            make(small).run(PHASES, checkpoints=tmp_path)
    assert_equal(small, make(small).resume(tmp_path), unbroken)


def test_resumed_in_the_same_process_with_the_same_learner(small, unbroken, tmp_path):
    learner = make(small, KillAt("step_end", 1, 0, 2))
    with pytest.raises(Killed):
        learner.run(PHASES, checkpoints=tmp_path)
    learner.callbacks[0].moment = None
    assert_equal(small, learner.resume(tmp_path), unbroken)


def test_resuming_what_is_finished_gives_the_finished_model(small, unbroken, tmp_path):
    make(small).run(PHASES, checkpoints=tmp_path)
    assert_equal(small, make(small).resume(tmp_path), unbroken)


def test_a_request_to_stop_in_mid_epoch_survives_a_kill(small, tmp_path):
    class StopAtTwo(Callback):
        def step_end(self, state):
            state.stop = state.stop or state.batch == 2

    def made(kill=None):
        return small.learner(config=CONFIG, callbacks=[StopAtTwo(), kill or KillAt()])

    expected = made().fit(3)
    with pytest.raises(Killed):
        made(KillAt("epoch_end", 0, 1, 0)).fit(3, checkpoints=tmp_path)
    resumed = made().resume(tmp_path)
    assert small.records(resumed) == small.records(expected)
    assert len(resumed.history) == 1
    assert len(resumed.history[0]["step_losses"]) == 2
    assert small.same(resumed, expected)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_optimizers_go_on_with_kernels_in_any_memory_layout(small, tmp_path, optimizer):
    """Fused optimizers pair weights and momenta by place in memory; files hold them in another order."""
    config = ls.TrainConfig(batch_size=5, optimizer=optimizer, precision="float32")

    def made(kill=None):
        torch.manual_seed(7)
        return small.learner(model=small.Net(), config=config, callbacks=[kill or KillAt()])

    expected = made().fit_one_cycle(3, lr=0.05)
    kernel = expected.network.backbone.conv2.weight
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    assert not kernel.is_contiguous()
    with pytest.raises(Killed):
        made(KillAt("step_end", 0, 1, 2)).fit_one_cycle(3, lr=0.05, checkpoints=tmp_path)
    assert small.same(made().resume(tmp_path), expected)


def test_a_second_fit_goes_on_in_the_same_folder(small, tmp_path):
    expected = make(small, averaged=False).fit(1).fit(2)
    learner = make(small, averaged=False).fit(1, checkpoints=tmp_path)
    learner.callbacks[0].moment = ("step_end", 0, 1, 2)
    with pytest.raises(Killed):
        learner.fit(2, checkpoints=tmp_path)
    resumed = make(small, averaged=False).resume(tmp_path)
    assert small.same(resumed, expected)
    assert small.records(resumed) == small.records(expected)
    assert resumed.phases == expected.phases


def test_openings_of_the_vault_before_a_kill_stay_on_record(small, tmp_path):
    def made(kill=None):
        return small.learner(small.task(test=3), callbacks=[kill or KillAt()])

    learner = made()
    learner.fit(1)
    learner.evaluate("test", reason="a first look")
    learner.callbacks[0].moment = ("step_end", 0, 1, 1)
    with pytest.raises(Killed):
        learner.fit(2, checkpoints=tmp_path)
    resumed = made().resume(tmp_path)
    assert [opening["reason"] for opening in resumed.task.split.vault.openings] == ["a first look"]
    assert list(resumed.evaluations) == ["test, before further training"]
    resumed.evaluate("test", reason="a second look")
    assert [opening["count"] for opening in resumed.task.split.vault.openings] == [1, 2]


# --- not the same training -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 5}, "seed was 4, is 5"),
        ({"batch_size": 4}, "config.batch_size was 5, is 4"),
        ({"model": ls.SmallResNetConfig(blocks=1, width=8)}, "parameters was"),
        ({"model": ls.SmallResNetConfig(blocks=2, width=4)}, "model was 'resnet8', is 'resnet14'"),
        ({"heads": {"side": ls.Classify(label_smoothing=0.1)}}, "heads.side.label_smoothing was 0.0, is 0.1"),
        ({"callbacks": [EarlyStopping()]}, r"callbacks was \[\], is \['EarlyStopping'\]"),
        ({"rows": 21}, "rows.train was"),
        ({"targets": "light"}, "heads.light is new; heads.side is gone"),
        ({"size_px": 9}, "inputs.image.size_px was"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_the_checkpoint_of_another_training_is_refused_with_what_differs(small, tmp_path, change, words):
    small.learner(seed=4).fit(1, checkpoints=tmp_path)
    of_task = {key: change[key] for key in ("rows", "targets", "size_px") if key in change}
    options = {"seed": 4, **{key: value for key, value in change.items() if key not in of_task}}
    other = small.learner(small.task(**of_task), **options)
    before = small.weights(other)
    with pytest.raises(CheckpointError, match=rf"is of another training: .*{words}"):
        other.resume(tmp_path)
    assert small.same(before, other)


@pytest.mark.parametrize(
    ("augment", "refused"),
    [
        (ls.Augment(flip=True), False),
        (ls.Augment(rotate_deg=3), True),
        ({"image": ls.Augment(rotate_deg=3)}, True),
        (ls.Augment(rotate_deg=3, resample="bilinear"), False),
    ],
)
def test_images_of_checkpoints_without_a_choice_of_resampling_were_bilinear(small, monkeypatch, augment, refused):
    monkeypatch.setattr(checkpoint_state, "check_values", lambda values: None)
    training = small.learner(config=ls.TrainConfig(augment=augment)).training
    before = checkpoint_state.identity(training)
    for settings in (before["config"]["augment"], before["config"]["augment"].get("image", {})):
        settings.pop("resample", None)
    if refused:
        with pytest.raises(CheckpointError, match="resample was 'bilinear', is 'bicubic'"):
            check_same_training(training, {"identity": before}, "folder")
    else:
        check_same_training(training, {"identity": before}, "folder")


def test_a_new_training_does_not_mix_with_checkpoints_that_got_further(small, tmp_path):
    small.learner().fit(2, checkpoints=tmp_path)
    with pytest.raises(CheckpointError, match=r"checkpoints of a training that got further. Continue .* resume\("):
        small.learner().fit(1, checkpoints=tmp_path)


def test_an_empty_folder_has_nothing_to_resume(small, tmp_path):
    with pytest.raises(CheckpointError, match="There is no checkpoint to resume from"):
        small.learner().resume(tmp_path)


def test_a_damaged_checkpoint_is_said_and_the_one_before_taken(small, unbroken, tmp_path, capsys):
    with pytest.raises(Killed):
        make(small, KillAt("step_end", 1, 1, 3)).run(PHASES, checkpoints=tmp_path)
    last = sorted(tmp_path.glob("step-*"))[-1] / "state.safetensors"
    last.write_bytes(last.read_bytes()[:1000])
    resumed = make(small).resume(tmp_path)
    said = capsys.readouterr().out
    assert "Damaged checkpoints were skipped" in said
    assert last.parent.name in said
    assert_equal(small, resumed, unbroken)


def test_a_checkpoint_folder_holds_no_code(small, tmp_path):
    small.learner().fit(1, checkpoints=tmp_path)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"state.safetensors", "best.safetensors"}


# --- a real kill -----------------------------------------------------------------------------------------------------

SCRIPT = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    import torch
    torch.set_num_threads(1)
    import conftest as small
    from longspan.train import Callback, Checkpoints

    folder = Checkpoints({folder!r}, steps=1)

    class Die(Callback):
        def step_end(self, state):
            if state.epoch == 1 and state.batch == 2:
                os.kill(os.getpid(), signal.SIGKILL)

    small.make_learner(seed=9, callbacks=[Die()]).fit_one_cycle(3, lr=0.02, checkpoints=folder)
"""


class Die(Callback):
    """Stands for the one that killed the process; a checkpoint knows callbacks by their names."""


def test_a_real_kill_of_the_process(small, tmp_path):
    tests, folder = str(Path(__file__).parents[2]), str(tmp_path / "steps")
    code = textwrap.dedent(SCRIPT).format(tests=tests, folder=folder)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = small.learner(seed=9, callbacks=[Die()]).resume(folder)
    expected = small.learner(seed=9).fit_one_cycle(3, lr=0.02)
    assert small.same(resumed, expected)
    assert isinstance(expected, Learner)

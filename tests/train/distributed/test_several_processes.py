"""One training in 1, 2 and 4 processes on gloo: the same rows, the same bits where promised, the same errors."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.data.batches.order import epoch_order

ROWS = 101  # no multiple of anything


def task(shift=0):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 200, (ROWS, 16, 16), dtype=np.uint8)
    labels = [["a", "b", "c"][row % 3] for row in range(ROWS)]
    images[[row for row in range(ROWS) if row % 3], :8] += 50 + shift
    kinds = {"image": ls.Image(), "label": ls.Category()}
    table = ls.Table.from_arrays({"image": images, "label": labels}, kinds)
    return ls.Task(table.split(valid=0.25, seed=0), "image", "label", allow_leaks=True)


def network():
    """Batch normalisation and dropout: what differs between parts of a batch."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3), torch.nn.BatchNorm2d(6), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4),
        torch.nn.Flatten(), torch.nn.Dropout(0.2), torch.nn.Linear(96, 3),
    )  # fmt: skip


def learner(workers=None, shift=0, **config):
    config = ls.TrainConfig(batch_size=20, virtual_workers=workers, precision="float32", **config)
    return ls.Learner(task(shift), network(), config=config, seed=0, progress=False, device="cpu")


def weights(trained):
    digest = hashlib.blake2b(digest_size=8)
    for value in trained.network.state_dict().values():
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def facts(trained):
    record = trained.history[-1]
    return {"weights": weights(trained), "valid": record["valid_loss"], "train": record["train_loss"]}


def work(folder, resumes):
    """What one process does; under a launcher, one of several."""
    rank, found = int(os.environ.get("RANK", "0")), {}
    count = int(os.environ.get("WORLD_SIZE", "1"))
    found["exact"] = facts(learner(4, mixup=0.2, accumulate=2, clip_norm=1.0).fit(2))
    if count < 4:
        found["plain"] = facts(learner().fit(2))
    stopped = learner(4, mixup=0.2, accumulate=2, clip_norm=1.0)
    if resumes:  # what one process has begun
        found["resumed"] = facts(stopped.resume(folder))
    if count == 2:
        for name, make in {
            "other data": lambda: learner(shift=rank), "other settings": lambda: learner(weight_decay=0.1 * rank),
            "other rates": lambda: learner().fit(1, 1e-3 * (1 + rank)), "odd": lambda: learner(3),
            "few rows": lambda: learner(12),
        }.items():  # fmt: skip
            try:
                make()
            except ls.LongspanError as error:
                found[name] = str(error)
    os.write(1, f"RESULT {json.dumps(found)}\n".encode())  # whole: other processes write there too


def launched(count, folder, resumes=True):
    """`work` in several processes, by torchrun."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_several_processes as t; "
    command = [sys.executable, "-W", "ignore", "-c", f"{code}t.work({str(folder)!r}, {resumes})"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if count > 1:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}",
                   "--no-python", *command]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line.split("RESULT ")[1]) for line in done.stdout.splitlines() if "RESULT " in line]


class KilledError(Exception):
    pass


class KillAt(ls.Callback):
    def __init__(self, step):
        self.step = step
        self.seen = 0

    def step_end(self, state):
        self.seen += 1
        if self.seen > self.step:
            raise KilledError


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """By number of processes what each of them found; 2 and 4 also resume what one process has begun."""
    results = {}
    for count in (2, 4):
        folder = tmp_path_factory.mktemp("run") / "checkpoints"
        begun = learner(4, mixup=0.2, accumulate=2, clip_norm=1.0)
        begun.callbacks.append(KillAt(3))
        with pytest.raises(KilledError):
            begun.fit(2, checkpoints=ls.Checkpoints(folder, steps=1))
        for kept in folder.glob("step-*/state.safetensors"):  # written with a callback that the others do not have
            without_callback(kept)
        results[count] = launched(count, folder)
    return results


def without_callback(path):
    from longspan.storage.files import read_tensors, write_tensors

    tensors, values = read_tensors(path)
    values["identity"]["callbacks"], values["callbacks"] = [], []
    write_tensors(path, tensors, values)


@pytest.fixture(scope="module")
def alone():
    return facts(learner(4, mixup=0.2, accumulate=2, clip_norm=1.0).fit(2))


@pytest.mark.parametrize("count", [2, 4])
def test_virtual_workers_give_the_same_bits(count, found, alone):
    assert len(found[count]) == count
    assert all(each["exact"] == alone for each in found[count])


@pytest.mark.parametrize("count", [2, 4])
def test_a_training_of_one_process_goes_on_in_several(count, found, alone):
    assert all(each["resumed"] == alone for each in found[count])


def test_averaged_gradients_give_all_processes_the_same_weights(found):
    assert len({json.dumps(each["plain"]) for each in found[2]}) == 1
    assert found[2][0]["plain"]["weights"] != weights(learner())  # it has learned
    one = facts(learner().fit(2))
    assert found[2][0]["plain"]["train"] == pytest.approx(one["train"], rel=0.2)


@pytest.mark.parametrize("name", ["other data", "other settings", "other rates", "odd", "few rows"])
def test_processes_that_do_not_fit_all_say_so(name, found):
    said = {each[name] for each in found[2]}
    assert len(said) == 1
    words = {
        "other data": "process 1: data.train was", "other settings": "weight_decay was 0.0, is 0.1",
        "other rates": "process 1: phases.0.lr was 0.001, is 0.002", "few rows": "must be at least two rows in each",
        "odd": "virtual_workers=3 cannot be shared evenly by 2 processes: start 1 or 3",
    }  # fmt: skip
    assert words[name] in said.pop()


def test_one_step_is_that_of_a_loop_over_parts():
    """Against PyTorch alone: the mean of the gradients of the parts, and of what they do to batch statistics."""
    own = learner(4, optimizer="sgd", momentum=0.0, weight_decay=0.0, keep="last")
    own.network.backbone[5].p = 0.0
    losses, stepped = [], []

    class First(ls.Callback):
        def step_end(self, state):
            losses.append(state.loss)
            stepped.append({name: each.clone() for name, each in own.network.backbone.state_dict().items()})
            state.stop = True

    own.callbacks.append(First())
    own.fit(1, lr=0.1, schedule="constant")
    reference = network().train()
    reference[5].p = 0.0
    rows = epoch_order(own.task.train, 0, 0, 20)
    rows = rows.tensor_split(-(-len(rows) // 20))[0]
    batch = next(own.task.samples.batches(rows, len(rows)))
    images, labels = own.inputs["image"].prepare(batch.inputs["image"], None), batch.targets["label"]
    before, loss = [each.clone() for each in reference[1].buffers()][:2], 0.0
    moved = [torch.zeros_like(each) for each in before]
    for part in torch.arange(len(rows)).tensor_split(4):
        reference[1].running_mean.copy_(before[0])
        reference[1].running_var.copy_(before[1])
        mean = torch.nn.functional.cross_entropy(reference(images[part]), labels[part]) * len(part) / len(rows)
        mean.backward()
        loss += mean.item()
        moved = [m + (now - then) / 4 for m, now, then in zip(moved, reference[1].buffers(), before, strict=False)]
    assert losses[0] == pytest.approx(loss, rel=1e-5)
    for name, parameter in reference.named_parameters():
        assert torch.allclose(stepped[0][name], parameter - 0.1 * parameter.grad, atol=1e-6)
    assert torch.allclose(stepped[0]["1.running_mean"], before[0] + moved[0], atol=1e-6)
    assert torch.allclose(stepped[0]["1.running_var"], before[1] + moved[1], atol=1e-6)
    assert int(stepped[0]["1.num_batches_tracked"]) == 1


def test_a_step_of_your_own_is_for_one_process():
    config = ls.TrainConfig(batch_size=20, virtual_workers=2)
    with pytest.raises(ls.LongspanError, match="A step of your own"):
        ls.Learner(task(), network(), config=config, step=lambda step: step, progress=False)


COMMAND = ["train", "digits", "--model", "lenet5", "--size", "16", "--epochs", "3", "--quiet", "--batch-size", "32"]


def command(*words, **more):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "longspan", *words], stderr=subprocess.PIPE, text=True, env=environment, **more
    )


def processes_below(pid):
    """Those that a process has started, theirs too."""
    own = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*own, *(below for each in own for below in processes_below(each))]


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")
def test_the_command_goes_on_after_a_process_was_killed(tmp_path):
    whole = command(*COMMAND, "--virtual-workers", "4", "--out", str(tmp_path / "whole"))
    run = tmp_path / "killed"
    options = ["--virtual-workers", "4", "--processes", "2", "--restarts", "1", "--checkpoint-every", "5"]
    killed = command(*COMMAND, *options, "--out", str(run))
    deadline = time.monotonic() + 120
    while not list(run.glob("checkpoints/step-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    below = processes_below(killed.pid)
    os.kill(below[-1], signal.SIGKILL)
    for each in (killed, whole):
        said = each.communicate(timeout=200)[1]  # which closes the pipe
        assert each.returncode == 0, said
    assert not any(Path(f"/proc/{pid}").exists() for pid in below)
    models = [ls.load(tmp_path / name / "model.safetensors").network.state_dict() for name in ("whole", "killed")]
    assert all(torch.equal(one, models[1][name]) for name, one in models[0].items())


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")
def test_a_killed_process_ends_the_others_and_is_named(tmp_path):
    run = tmp_path / "run"
    started = command(*COMMAND, "--processes", "2", "--checkpoint-every", "2", "--out", str(run))
    deadline = time.monotonic() + 120
    while not list(run.glob("checkpoints/step-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    below = processes_below(started.pid)
    os.kill(below[-1], signal.SIGKILL)
    said = started.communicate(timeout=100)[1]
    assert started.returncode == 2
    assert "was ended by the system (SIGKILL" in said
    assert "Traceback" not in said
    assert not any(Path(f"/proc/{pid}").exists() for pid in below)

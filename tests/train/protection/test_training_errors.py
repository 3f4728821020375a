"""Losses that are no numbers, half precision that overflows, and memory that does not suffice."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image as PILImage
from torch import nn

import longspan as ls
from longspan.errors import TrainingError
from longspan.train import Callback
from longspan.train.protection import guards
from longspan.train.protection.training_errors import is_out_of_memory, largest_that_fits

CPU = torch.device("cpu")


class Overflowing(nn.Module):
    """Infinite in half precision, in training steps from one on; its statistics see it."""

    num_features = 2

    def __init__(self, good_steps=2, *, gradient=False):
        super().__init__()
        self.good_steps, self.seen, self.gradient = good_steps, 0, gradient
        self.norm = nn.BatchNorm2d(1)
        self.linear = nn.Linear(64, 2)

    def forward(self, x):
        self.seen += self.training
        half = torch.is_autocast_enabled("cpu") and self.seen > self.good_steps and self.training
        x = self.linear(self.norm(x).flatten(1)).float()
        if half and self.gradient:
            return x + (x * 0).abs().sqrt()  # a finite value, whose derivative is none
        return x * float("inf") if half else x


@pytest.mark.parametrize(("gradient", "accumulate"), [(False, 1), (False, 2), (True, 1)])
def test_what_overflows_in_half_precision_is_computed_again_in_float32(small, gradient, accumulate):
    config = ls.TrainConfig(batch_size=5, precision="bfloat16", accumulate=accumulate)
    torch.manual_seed(0)
    learner = small.learner(model=Overflowing(gradient=gradient), config=config).fit(2, lr=0.01)
    assert [record.get("float32_steps") for record in learner.history] == [1, 3]
    assert all(np.isfinite(record["step_losses"]).all() for record in learner.history)
    assert all(bool(weight.isfinite().all()) for weight in small.weights(learner).values())
    again = small.learner(model=Overflowing(gradient=gradient), config=config)
    assert "float32_steps" not in again.frame().columns


def test_batch_statistics_count_a_batch_that_was_computed_twice_once(small):
    torch.manual_seed(0)
    learner = small.learner(model=Overflowing(), config=ls.TrainConfig(batch_size=5, precision="bfloat16")).fit(2)
    assert learner.network.backbone.norm.num_batches_tracked.item() == 6


def test_a_finite_loss_with_a_gradient_that_is_none_stops_before_the_weights_are_spoilt(small):
    class Root(nn.Module):
        num_features = 2

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 2)

        def forward(self, x):
            x = self.linear(x.flatten(1))
            return x + (x * 0).abs().sqrt()

    learner = small.learner(model=Root())
    before = small.weights(learner)
    with pytest.raises(TrainingError, match=r"^The gradient became infinite or NaN at step 0 .*those before this"):
        learner.fit(1)
    assert small.same(learner, before)


def test_weights_that_a_step_made_infinite_are_those_of_the_epochs_start_again(small):
    kept = []

    class Spoil(Callback):
        def epoch_start(self, state):
            kept.append(small.weights(state.network))

        def step_end(self, state):
            if (state.epoch, state.batch) == (1, 2):
                with torch.no_grad():
                    next(state.network.parameters()).fill_(float("inf"))

    learner = small.learner(callbacks=[Spoil()])
    with pytest.raises(TrainingError, match="they are those at the start of this epoch again"):
        learner.fit(3, lr=0.01)
    assert small.same(learner, kept[1])


def test_the_files_of_the_rows_are_named(small, tmp_path):
    for i in range(8):
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8)).astype(np.uint8)
        PILImage.fromarray(pixels).save(tmp_path / f"{'ab'[i % 2]}_{i}.png")
    table = ls.Table.from_files(tmp_path, r"(?P<kind>.)_\d\.png")

    class Broken(Overflowing):
        def forward(self, x):
            return super().forward(x) * (float("nan") if self.training else 1)

    task = ls.Task(table.split(valid=2, seed=0), "image", "kind", allow_leaks=True)
    with pytest.raises(TrainingError) as caught:
        small.learner(task, Broken(), batch_size=3).fit(1)
    first = int(str(caught.value).split("table rows ")[1].split(",")[0])
    assert f"Rows: {table.value(first, 'image')}, " in str(caught.value)


# --- memory ----------------------------------------------------------------------------------------------------------


class Hungry(nn.Module):
    """Has memory for so many rows."""

    num_features = 2

    def __init__(self, rows, valid_rows=99):
        super().__init__()
        self.limits = {True: rows, False: valid_rows}
        self.norm = nn.BatchNorm2d(1)
        self.linear = nn.Linear(64, 2)
        self.asked = []

    def forward(self, x):
        self.asked.append(len(x))
        if len(x) > self.limits[self.training]:
            torch.empty(1 << 60)  # as PyTorch itself fails
        return self.linear(self.norm(x).flatten(1))


@pytest.mark.parametrize(
    ("rows", "accumulate", "fits", "times"), [(5, 1, 3, 5), (7, 2, 7, 4), (2, 1, 2, 7), (1, 1, 0, 0)]
)
def test_the_batch_size_that_fits_is_found_by_trying_and_leaves_no_trace(small, rows, accumulate, fits, times):
    config = ls.TrainConfig(batch_size=14, accumulate=accumulate, precision="float32")
    learner = small.learner(model=Hungry(rows), config=config)
    before = small.weights(learner)
    with pytest.raises(TrainingError) as caught:
        learner.fit(1)
    message = str(caught.value)
    assert message.startswith("Not enough memory for a training step of 14 rows (")
    assert "allocate" in message
    if not fits:
        assert "Not even 2 rows fit" in message
    else:
        assert f"batch_size={fits} fits: half of the rows" in message
        assert f"accumulate={times}" in message
    assert small.same(learner, before)
    assert all(parameter.grad is None for parameter in learner.network.parameters())
    learner.network.backbone.limits[True] = 99
    fresh = small.learner(model=Hungry(99), config=config)
    fresh.network.load_state_dict(before)
    assert small.same(learner.fit(1), fresh.fit(1))


def test_validation_that_does_not_fit_says_which_batch_size_would(small):
    learner = small.learner(small.task(rows=40, valid=16), Hungry(99, valid_rows=5), batch_size=12)
    with pytest.raises(TrainingError, match=r"for validation of 16 rows .* 4 rows at a time fit .* batch_size=2\."):
        learner.fit(1)


def test_memory_for_the_optimizers_own_numbers_is_asked_for_too(small, monkeypatch):
    asked = []
    monkeypatch.setattr(
        guards, "largest_that_fits", lambda attempt, size, device: asked.append(attempt(size // 2)) or 7
    )
    monkeypatch.setattr(torch, "zeros_like", lambda like, make=torch.zeros_like: asked.append(like.shape) or make(like))
    learner = small.learner(model=Hungry(7), batch_size=14)
    with pytest.raises(TrainingError):
        learner.fit(1)
    shapes = [parameter.shape for parameter in learner.network.parameters()]
    assert [asked.count(shape) for shape in set(shapes)] == [2 * shapes.count(shape) for shape in set(shapes)]


def test_what_counts_as_too_little_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_halves_are_tried_down_to_two_and_other_faults_come_through():
    tried = []

    def attempt(count, limit=0):
        tried.append(count)
        if count > limit:
            raise MemoryError

    assert largest_that_fits(attempt, 37, CPU) == 0
    assert tried == [18, 9, 4, 2]
    assert largest_that_fits(lambda count: attempt(count, 10), 37, CPU) == 9

    def broken(count):
        raise ValueError(count)

    with pytest.raises(ValueError, match="18"):
        largest_that_fits(broken, 37, CPU)


LIMITED = """
import resource, sys
import numpy as np, torch, sklearn.metrics, torch._dynamo
import longspan as ls
torch.set_num_threads(1)
pixels = np.random.default_rng(0).integers(0, 256, (600, 32, 32, 3), dtype=np.uint8)
table = ls.Table.from_arrays({"x": pixels, "y": [i % 2 for i in range(600)]}, {"x": ls.Image(), "y": ls.Category()})
task = ls.Task(table.split(valid=40, seed=0), "x", "y", allow_leaks=True)
config = ls.TrainConfig(batch_size=int(sys.argv[1]), precision="float32")
learner = ls.Learner(task, "resnet20", config=config, progress=False)
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (used + (500 << 20),) * 2)
try:
    learner.fit(1)
except ls.errors.TrainingError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a limit that Linux keeps")
def test_the_batch_size_that_is_said_to_fit_does():
    def run(batch_size):
        done = subprocess.run([sys.executable, "-c", LIMITED, str(batch_size)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = run(280)
    assert said.startswith("Not enough memory for a training step of 280 rows (DefaultCPUAllocator: ")
    assert run(int(said.split("batch_size=")[1].split()[0])) == ""

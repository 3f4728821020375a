"""A step is exchangeable: two networks with two optimizers, and a student with a teacher, in the same loop."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import longspan as ls
from longspan.inference.network import Network
from longspan.inference.source import autocast, prepare_targets, sum_losses
from longspan.train import Callback

PACKAGE = str(Path(ls.__file__).parent)


def test_from_fit_to_forward_are_at_most_five_calls_of_ours(small, monkeypatch):
    seen = []
    forward = Network.forward

    def watched(self, *inputs, targets=None):
        if self.training and not seen:
            frames = [frame for frame in inspect.stack()[1:] if frame.filename.startswith(PACKAGE)]
            seen.extend(frame.function for frame in frames)
        return forward(self, *inputs, targets=targets)

    monkeypatch.setattr(Network, "forward", watched)
    small.learner().fit(1)
    called = seen[: seen.index("fit") + 1]
    assert called == ["run", "run", "train_phase", "train_phases", "fit"]  # and forward itself: five calls


# --- two networks, two optimizers ------------------------------------------------------------------------------------


class Generator(nn.Module):
    """From noise to a number; the only layers of its learner."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, noise):
        return self.layers(noise.reshape(-1, 1))


class AdversarialStep:
    """Goodfellow et al. 2014, algorithm 1 with one step of each, and the loss of section 3 for the generator."""

    def __init__(self, supervised, discriminator):
        self.source, self.columns = supervised.source, supervised.columns
        self.generator, self.discriminator = supervised.networks["network"], discriminator
        self.networks = {**supervised.networks, "discriminator": discriminator}
        judge = torch.optim.AdamW(
            [{"params": list(discriminator.parameters()), "rate": 2.0}], lr=0.0, betas=(0.5, 0.99), weight_decay=0.0
        )
        self.optimizers = {**supervised.optimizers, "discriminator_optimizer": judge}

    def run(self, batch, step):
        real = prepare_targets(batch, self.columns)["x"].reshape(-1, 1)
        fake = self.generator(*self.source.prepare(batch))["x"]
        on_real, on_fake = self.discriminator(real), self.discriminator(fake.detach())
        judged = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
        judged.backward()
        self.optimizers["discriminator_optimizer"].step()
        self.discriminator.zero_grad()
        fooled = F.softplus(-self.discriminator(fake)).mean()
        fooled.backward()
        self.optimizers["optimizer"].step()
        self.generator.zero_grad()
        self.discriminator.zero_grad()
        return {"generator_loss": fooled.detach(), "discriminator_loss": judged.detach()}


def noise_and_data(rows=256):
    generator = np.random.default_rng(0)
    cells = {"z": generator.normal(size=rows).tolist(), "x": (4 + 0.5 * generator.normal(size=rows)).tolist()}
    table = ls.Table.from_arrays(cells, {"z": ls.Number(), "x": ls.Number()})
    return ls.Task(table.split(valid=0, seed=0), "z", "x", allow_leaks=True)


def adversarial(task, *callbacks, seed=0):
    torch.manual_seed(seed)
    generator = Generator()
    discriminator = nn.Sequential(nn.Linear(1, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    config = ls.TrainConfig(batch_size=32, weight_decay=0.0, momentum=0.5, precision="float32")
    return ls.Learner(
        task, generator, step=lambda supervised: AdversarialStep(supervised, discriminator), config=config,
        callbacks=callbacks, seed=seed, progress=False, device="cpu",
    ), discriminator  # fmt: skip


def test_a_generator_and_a_discriminator_train_each_other():
    task = noise_and_data()
    learner, _ = adversarial(task)
    before = learner.network.backbone(torch.randn(500)).mean().item()
    learner.fit(30, lr=5e-3, schedule="constant")
    made = learner.network.backbone(torch.randn(500))
    assert abs(before - 4) > 3
    assert made.mean().item() == pytest.approx(4, abs=0.6)
    record = learner.history[-1]
    assert {"train_generator_loss", "train_discriminator_loss"} <= set(record)
    assert len(record["step_losses"]) == 8


class Stop(Callback):
    def __init__(self, epoch, batch):
        self.moment = (epoch, batch)

    def step_end(self, state):
        if (state.epoch, state.batch) == self.moment:
            raise KeyboardInterrupt


@pytest.mark.parametrize("moment", [(0, 3), (1, 5)])
def test_killed_and_resumed_both_networks_are_as_if_nothing_had_happened(small, tmp_path, moment):
    task, folder = noise_and_data(), ls.Checkpoints(tmp_path, steps=1)
    whole, judge = adversarial(task, Stop(9, 9))
    whole.fit(3, lr=5e-3)
    killed, _ = adversarial(task, Stop(*moment))
    with pytest.raises(KeyboardInterrupt):
        killed.fit(3, lr=5e-3, checkpoints=folder)
    resumed, other = adversarial(task, Stop(9, 9), seed=0)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()  # all of it comes from the checkpoint
    resumed.resume(folder)
    assert small.same(whole, resumed)
    assert small.same(dict(judge.state_dict()), dict(other.state_dict()))
    assert small.records(whole) == small.records(resumed)


# --- distillation ----------------------------------------------------------------------------------------------------


class DistillationStep:
    """Hinton et al. 2015: the student also predicts the teacher's probabilities at a temperature."""

    def __init__(self, supervised, teacher, temperature=2.0):
        self.supervised, self.teacher, self.temperature = supervised, teacher, temperature
        self.networks, self.optimizers = supervised.networks, supervised.optimizers

    def run(self, batch, step):
        source, heads = self.supervised.source, self.supervised.heads
        inputs, targets = source.prepare(batch), prepare_targets(batch, self.supervised.columns)
        with autocast(source.device, step.dtype):
            outputs = self.networks["network"](*inputs, targets=targets)
            with torch.no_grad():
                taught = self.teacher(*inputs)
        soft, wanted = ((each["side"].float() / self.temperature).log_softmax(dim=1) for each in (outputs, taught))
        distance = F.kl_div(soft, wanted, log_target=True, reduction="batchmean") * self.temperature**2
        loss = sum_losses(heads, outputs, targets, batch.present) + distance
        (loss * step.fraction).backward()
        if step.ends:
            self.optimizers["optimizer"].step()
            self.optimizers["optimizer"].zero_grad(set_to_none=True)
        return {"loss": loss.detach(), "distance": distance.detach()}


def student(small, teacher, *callbacks):
    def make(supervised):
        return DistillationStep(supervised, teacher)

    return small.learner(small.task(rows=40), seed=1, step=make, callbacks=callbacks)


def test_a_student_comes_close_to_its_teacher_and_resumes_exactly(small, tmp_path):
    teacher = small.learner(small.task(rows=40)).fit_one_cycle(8, lr=1e-2).predictor().network
    whole = student(small, teacher, Stop(9, 9)).fit_one_cycle(6, lr=1e-2)
    distances = [record["train_distance"] for record in whole.history]
    assert distances[-1] < 0.5 * distances[0]
    assert not any(parameter.grad is not None for parameter in teacher.parameters())
    folder = ls.Checkpoints(tmp_path, steps=1)
    with pytest.raises(KeyboardInterrupt):
        student(small, teacher, Stop(2, 1)).fit_one_cycle(6, lr=1e-2, checkpoints=folder)
    resumed = student(small, teacher, Stop(9, 9)).resume(folder)
    assert small.same(whole, resumed)
    assert small.records(whole) == small.records(resumed)

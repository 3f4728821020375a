import math
import traceback

import numpy as np
import pytest
import torch
from torch import nn

import longspan as ls
from longspan.errors import TrainingError
from longspan.randomness import permutation
from longspan.train import Callback
from longspan.train.optimization.schedules import lr_factor, momentum_at


class Rates(Callback):
    """Learning rate of every group, and momentum, in every step."""

    def __init__(self):
        self.seen = []

    def step_end(self, state):
        group = state.optimizer.param_groups[0]
        momentum = group["betas"][0] if "betas" in group else group["momentum"]
        self.seen.append((state.lr, [g["lr"] for g in state.optimizer.param_groups], momentum))


class Raw(nn.Module):
    """A linear layer on flat images: no batch statistics, no chance."""

    def __init__(self, num_features=3):
        super().__init__()
        self.num_features = num_features
        self.linear = nn.Linear(64, num_features)

    def forward(self, x):
        return self.linear(x.flatten(1)).tanh()


def plain(seed=0):
    torch.manual_seed(seed)
    return Raw()


# --- against a loop written by hand ----------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_training_equals_a_loop_written_by_hand(small, optimizer):
    config = ls.TrainConfig(
        batch_size=5, optimizer=optimizer, weight_decay=0.1, precision="float32", clip_norm=0.5, momentum=0.8
    )
    learner = small.learner(model=plain(), config=config)
    network, task = learner.network, learner.task
    by_hand = plain()
    head = nn.Linear(3, 2)
    head.load_state_dict(network.heads[0][0].state_dict())
    parts = {True: [by_hand.linear.weight, head.weight], False: [by_hand.linear.bias, head.bias]}
    groups = [{"params": parts[decays], "weight_decay": 0.1 * decays} for decays in (True, False)]
    if optimizer == "sgd":
        torch_optimizer = torch.optim.SGD(groups, lr=1.0, momentum=0.8, nesterov=True)
    else:
        torch_optimizer = torch.optim.AdamW(groups, lr=1.0, betas=(0.8, 0.99))
    pixels = torch.from_numpy(task.table.arrays["image"]).float() / 255
    images = (pixels - task.inputs["image"].mean[0]) / task.inputs["image"].std[0]
    truth = torch.tensor([task.targets["side"].vocab.index(v) for v in task.table.column_values("side")])
    done, losses = 0, []
    for epoch in range(2):
        order = task.train[permutation(0, "order", epoch, len(task.train))]
        for rows in order.tensor_split(3):
            for group in torch_optimizer.param_groups:
                group["lr"] = 0.05 * (1 - done / 6)
            loss = nn.functional.cross_entropy(head(by_hand(images[rows])), truth[rows])
            loss.backward()
            nn.utils.clip_grad_norm_([*by_hand.parameters(), *head.parameters()], 0.5)
            torch_optimizer.step()
            torch_optimizer.zero_grad()
            losses.append(loss.item())
            done += 1
    learner.fit(2, lr=0.05)
    assert [loss for record in learner.history for loss in record["step_losses"]] == pytest.approx(losses, rel=1e-4)
    torch.testing.assert_close(network.backbone.linear.weight, by_hand.linear.weight, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(network.heads[0][0].weight, head.weight, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("rows", [20, 19, 17])
def test_accumulated_batches_equal_one_large_batch(small, rows):
    """Also where batches differ by a row, and where the last step has fewer batches."""
    task = small.task(rows=rows)
    learnt = []
    for batch_size, accumulate in ((len(task.train), 1), (4, 100), (1, 100)):
        config = ls.TrainConfig(batch_size=batch_size, accumulate=accumulate, precision="float32")
        learnt.append(small.learner(task, plain(), config=config).fit(2, lr=0.02, schedule="constant"))
    for other in learnt[1:]:
        for name, value in small.weights(learnt[0]).items():
            torch.testing.assert_close(small.weights(other)[name], value, atol=1e-6, rtol=1e-4)


def test_the_last_step_of_an_epoch_may_have_fewer_batches(small):
    """Five batches of 2 and 3 rows, two at a time: the optimizer steps three times an epoch."""
    steps = []

    class Count(Callback):
        def step_end(self, state):
            states = state.optimizer.state.values()
            steps.append(int(next(iter(states))["step"]) if states else 0)

    config = ls.TrainConfig(batch_size=3, accumulate=2, precision="float32")
    small.learner(model=plain(), config=config, callbacks=[Count()]).fit(2)
    assert steps == [0, 1, 1, 2, 3, 3, 4, 4, 5, 6]


def test_clipping_keeps_the_direction_and_bounds_the_norm(small):
    norms = []

    class Norms(Callback):
        def step_end(self, state):
            moved = [(p - q).norm() for p, q in zip(state.network.parameters(), self.before, strict=True)]
            norms.append(torch.stack(moved).norm().item())
            self.before = [p.detach().clone() for p in state.network.parameters()]

        def fit_start(self, state):
            self.before = [p.detach().clone() for p in state.network.parameters()]

    for clip_norm in (None, 1e-3):
        config = ls.TrainConfig(
            batch_size=5, optimizer="sgd", momentum=0.0, weight_decay=0.0, clip_norm=clip_norm, precision="float32"
        )
        small.learner(model=plain(), config=config, callbacks=[Norms()]).fit(1, lr=1.0, schedule="constant")
    free, clipped = norms[:3], norms[3:]
    assert min(free) > 1e-2
    assert clipped == pytest.approx([1e-3] * 3, rel=1e-2)


# --- rates -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_rates_and_momentum_follow_one_cycle(small, optimizer):
    rates = Rates()
    config = ls.TrainConfig(batch_size=5, optimizer=optimizer, precision="float32")
    learner = small.learner(config=config, callbacks=[rates]).fit_one_cycle(4, lr=0.02)
    for step, (lr, groups, momentum) in enumerate(rates.seen):
        assert lr == pytest.approx(0.02 * lr_factor("one_cycle", step / 12, 0.25))
        assert groups == pytest.approx([lr] * len(groups))
        assert momentum == pytest.approx(momentum_at("one_cycle", step / 12, 0.25))
    assert len(rates.seen) == 12
    assert learner.history[-1]["lr"] == rates.seen[-1][0]


def test_momentum_rests_on_other_schedules_and_lower_layers_learn_slower(small):
    rates = Rates()
    config = ls.TrainConfig(batch_size=14, optimizer="sgd", momentum=0.7, precision="float32")
    learner = small.learner(config=config, callbacks=[rates])
    learner.run([ls.Phase(epochs=2, lr=0.1, schedule="cosine", warmup=0.0, backbone_lr_mult=0.01)])
    for step, (lr, groups, momentum) in enumerate(rates.seen):
        assert lr == pytest.approx(0.1 * (1 + math.cos(math.pi * step / 2)) / 2)
        assert min(groups) == pytest.approx(0.01 * lr)
        assert max(groups) == pytest.approx(lr)
        assert momentum == 0.7


# --- losses that are no numbers --------------------------------------------------------------------------------------


class Poisoned(nn.Module):
    """Gives NaN from one training step on; batch statistics see it."""

    num_features = 2

    def __init__(self, good_steps):
        super().__init__()
        self.good_steps = good_steps
        self.seen = 0
        self.norm = nn.BatchNorm2d(1)

    def forward(self, x):
        if self.training:
            self.seen += 1
            if self.seen > self.good_steps:
                x = x * float("nan")
        return self.norm(x).mean(dim=(1, 2, 3)).unsqueeze(1).repeat(1, 2)


def test_a_loss_that_is_no_number_names_step_rate_and_rows_and_keeps_weights_and_statistics(small):
    kept = []

    class Keep(Callback):
        def step_end(self, state):
            kept.append(small.weights(state.network))

    learner = small.learner(model=Poisoned(good_steps=4), callbacks=[Keep()])
    with pytest.raises(TrainingError) as caught:
        learner.fit(3, lr=0.25, schedule="constant")
    order = learner.task.train[permutation(0, "order", 1, 14)].tensor_split(3)[1]
    message = str(caught.value)
    assert "The loss became nan at step 4 (epoch 2, batch 2, learning rate 0.25" in message
    assert f"table rows {', '.join(map(str, order.tolist()))})" in message
    assert "The weights are those before this step" in message
    assert "lr_find" in message
    assert len(kept) == 4
    assert small.same(learner, kept[-1])
    assert not learner.network.training
    assert math.isfinite(learner.evaluate()["loss"])


def test_weights_that_were_lost_before_are_not_called_sound(small):
    class Spoil(Callback):
        def step_end(self, state):
            with torch.no_grad():
                next(state.network.parameters()).fill_(float("inf"))

    with pytest.raises(TrainingError, match="The weights were no longer finite before this step"):
        small.learner(callbacks=[Spoil()]).fit(1)


def test_a_validation_loss_that_is_no_number_ends_the_training(small):
    class Spoil(Callback):
        def step_end(self, state):
            if state.batch == state.num_batches:
                with torch.no_grad():
                    next(state.network.parameters()).fill_(float("nan"))

    with pytest.raises(TrainingError, match="The validation loss became nan after epoch 1"):
        small.learner(callbacks=[Spoil()]).fit(2)


def test_pixels_that_overflow_half_precision_do_not_stop_a_training(small):
    config = ls.TrainConfig(batch_size=5, precision="bfloat16")
    learner = small.learner(config=config).fit(2, lr=0.01)
    assert all(math.isfinite(loss) for record in learner.history for loss in record["step_losses"])


# --- what is written down --------------------------------------------------------------------------------------------


def test_history_has_a_record_per_epoch_of_plain_numbers(small):
    import json

    learner = small.learner(small.task(["side", "light"], missing=True))
    learner.fit(1)
    learner.fit(2)
    assert [record["epoch"] for record in learner.history] == [1, 2, 3]
    record = learner.history[-1]
    assert set(record) == {
        "epoch", "train_loss", "valid_loss", "side.accuracy", "side.f1_macro", "light.mae", "light.rmse", "light.r2",
        "lr", "step_losses", "seconds",
    }  # fmt: skip
    assert record["train_loss"] == pytest.approx(np.mean(record["step_losses"]))
    assert len(record["step_losses"]) == 3
    json.dumps(learner.history, allow_nan=False)
    assert learner.frame().height == 3
    assert "step_losses" not in learner.frame().columns


def test_without_validation_rows_there_is_no_validation_loss(small):
    table = small.table()
    task = ls.Task(table.split(valid=0), "image", "side")
    learner = small.learner(task).fit(2)
    assert set(learner.history[-1]) == {"epoch", "train_loss", "lr", "step_losses", "seconds"}
    assert learner.evaluate() == {}
    assert learner.evaluate("train")["loss"] > 0


def test_validation_sees_no_augmentation_and_no_dropout(small):
    config = ls.TrainConfig(batch_size=5, precision="float32", augment=ls.Augment(rotate_deg=90, brightness=0.5))
    learner = small.learner(config=config, heads={"side": ls.Classify(dropout=0.5)}).fit(1)
    assert learner.evaluate()["loss"] == pytest.approx(learner.history[-1]["valid_loss"], rel=1e-6)
    assert learner.evaluate() == learner.evaluate()


@pytest.mark.parametrize("how", ["fit", "fit_one_cycle"])
def test_from_fit_to_forward_are_at_most_five_frames(small, monkeypatch, how):
    found = []
    forward = ls.inference.network.Network.forward

    def looked_at(self, *inputs, **options):
        names = [(frame.f_globals["__name__"], frame.f_code.co_name) for frame, _ in traceback.walk_stack(None)]
        found.append([name for module, name in reversed(names) if module.startswith("longspan.")])
        return forward(self, *inputs, **options)

    monkeypatch.setattr(ls.inference.network.Network, "forward", looked_at)
    getattr(small.learner(), how)(1, lr=1e-3)
    assert found[0] == [how, "train_phases", "train_phase", "run", "run"]
    training = [frames for frames in found if "validate" not in frames]
    assert max(map(len, training)) <= 5

import math

import numpy as np
import pytest
import torch
from torch import nn

import longspan as ls
from longspan.errors import ConfigError, ShapeError, UnknownNameError, VaultError
from longspan.train import Callback, Learner, WeightAverage
from longspan.train.feature_cache import FeatureCache

ALL = ["side", "light", "lit"]


# --- learning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "figure", "reached"),
    [("side", "accuracy", 1.0), ("lit", "exact_match", 1.0), ("light", "r2", 0.95)],
)
def test_every_head_learns_a_dozen_samples_by_heart(small, target, figure, reached):
    task = small.task(target, rows=14, valid=2)
    config = ls.TrainConfig(batch_size=6, precision="float32", keep="last")
    learner = small.learner(task, config=config).fit_one_cycle(40, lr=2e-2)
    assert len(task.train) == 12
    assert learner.evaluate("train")[figure] >= reached


def test_several_targets_are_learnt_together(small):
    task = small.task(ALL, rows=14, valid=2, missing=True)
    config = ls.TrainConfig(batch_size=6, precision="float32", keep="last")
    learner = small.learner(task, config=config).fit_one_cycle(50, lr=2e-2)
    figures = learner.evaluate("train")
    assert figures["side.accuracy"] == 1.0
    assert figures["lit.exact_match"] == 1.0
    assert figures["light.r2"] > 0.9


def test_what_is_learnt_holds_for_images_never_seen(small):
    learner = small.learner(small.task(rows=60, valid=20), batch_size=10).fit_one_cycle(12, lr=1e-2)
    assert learner.evaluate()["accuracy"] == 1.0
    assert learner.history[0]["valid_loss"] > learner.history[-1]["valid_loss"]


# --- the same and different ------------------------------------------------------------------------------------------

CHANCE = ls.TrainConfig(
    batch_size=5, mixup=0.2, augment=ls.Augment(rotate_deg=20, flip=True, brightness=0.2), precision="float32"
)


def by_chance(small, seed=0, **options):
    return small.learner(config=CHANCE, heads={"side": ls.Classify(dropout=0.3)}, seed=seed, **options)


def test_the_same_seed_learns_the_same_bit_for_bit_and_another_does_not(small):
    first, again, other = (by_chance(small, seed).fit_one_cycle(2) for seed in (3, 3, 4))
    assert small.same(first, again)
    assert small.records(first) == small.records(again)
    assert not small.same(first, other)


def test_seeds_draw_first_weights_order_dropout_augmentation_and_mixup(small):
    assert not small.same(by_chance(small, 3), by_chance(small, 4))
    assert small.same(by_chance(small, 3), by_chance(small, 3))
    losses = []
    for options in ({}, {"seed": 1}):
        learner = small.learner(config=CHANCE, model=small.MODEL, **options)
        learner.network.load_state_dict(small.learner(seed=9).network.state_dict())
        losses.append(learner.fit(1).history[0]["step_losses"])
    assert losses[0] != losses[1]


def test_a_second_fit_sees_other_draws_than_the_first(small):
    twice = by_chance(small).fit(1, lr=1e-9).fit(1, lr=1e-9)
    first, second = (record["step_losses"] for record in twice.history)
    assert first != pytest.approx(second, rel=1e-4)


def test_the_callers_random_numbers_are_left_alone(small):
    torch.manual_seed(11)
    np.random.seed(11)
    before, of_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()
    learner = by_chance(small)
    learner.fine_tune(1)
    learner.lr_find(steps=3)
    learner.evaluate()
    learner.predict(small.table())
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == of_numpy).all()


def test_what_the_caller_draws_does_not_reach_the_training(small):
    torch.manual_seed(1)
    first = by_chance(small).fit(1)
    torch.manual_seed(2)
    torch.rand(100)
    assert small.same(first, by_chance(small).fit(1))


# --- no trace --------------------------------------------------------------------------------------------------------


def evaluate_all_rows(learner, path):
    with pytest.warns(UserWarning, match="rows trained this model"):
        learner.evaluate(learner.task.table)


@pytest.mark.parametrize(
    "look",
    [
        lambda learner, path: learner.evaluate(),
        lambda learner, path: learner.evaluate("train"),
        evaluate_all_rows,
        lambda learner, path: learner.evaluate(views=3),
        lambda learner, path: learner.predict(learner.task.table),
        lambda learner, path: learner.predict(learner.task.table, views=2),
        lambda learner, path: learner.scores("train"),
        lambda learner, path: learner.lr_find(steps=4),
        lambda learner, path: learner.show_batch(2),
        lambda learner, path: learner.show_results(2),
        lambda learner, path: learner.report(path / "r.html"),
        lambda learner, path: learner.save(path / "m.safetensors"),
        lambda learner, path: learner.task.explain(3),
        lambda learner, path: repr(learner),
    ],
    ids=["evaluate", "train", "table", "views", "predict", "predict views", "scores", "lr_find", "show_batch",
         "show_results", "report", "save", "explain", "repr"],
)  # fmt: skip
def test_looking_leaves_no_trace(small, tmp_path, look):
    looked, plain = by_chance(small).fit(1), by_chance(small).fit(1)
    before, state = small.weights(looked), torch.get_rng_state()
    look(looked, tmp_path)
    assert small.same(before, looked)
    assert torch.equal(torch.get_rng_state(), state)
    assert not looked.network.training
    assert all(parameter.requires_grad for parameter in looked.network.parameters())
    assert small.same(looked.fit(1), plain.fit(1))


def test_looking_in_the_middle_of_an_epoch_leaves_no_trace(small):
    class Look(Callback):
        learner: Learner

        def step_end(self, state):
            self.learner.evaluate()
            self.learner.predict(self.learner.task.table)

    look = Look()
    looked = by_chance(small, callbacks=[look])
    look.learner = looked
    assert small.same(looked.fine_tune(1), by_chance(small).fine_tune(1))


# --- phases ----------------------------------------------------------------------------------------------------------


def test_fine_tune_trains_heads_first_then_all_with_smaller_rates_below(small):
    moved = []

    class Watch(Callback):
        def fit_start(self, state):
            self.before = small.weights(state.network)

        def fit_end(self, state):
            now = state.network.state_dict()
            moved.append({name for name, value in self.before.items() if not torch.equal(value, now[name])})
            sizes = {n: float((v - now[n]).abs().max()) for n, v in self.before.items() if n.endswith("conv1.weight")}
            self.low, self.high = sizes["backbone.stages.0.0.conv1.weight"], sizes["backbone.stages.2.0.conv1.weight"]

    watch = Watch()
    learner = small.learner(callbacks=[watch]).fine_tune(2, lr=1e-2, freeze_epochs=1, backbone_lr_mult=1e-3)
    assert {name.split(".")[0] for name in moved[0]} == {"heads"}  # batch statistics rest too
    assert moved[1] == set(small.weights(learner))
    assert watch.low < watch.high / 5
    assert [(phase.frozen, phase.lr) for phase in learner.phases] == [(1.0, 1e-2), (0.0, 5e-3)]
    assert all(parameter.requires_grad for parameter in learner.network.parameters())


def test_stored_features_train_the_same_heads_as_the_running_backbone(small, monkeypatch):
    stored = small.learner().run([ls.Phase(epochs=2, lr=0.05, frozen=1.0)])
    monkeypatch.setattr(FeatureCache, "source", lambda *_: None)
    running = small.learner().run([ls.Phase(epochs=2, lr=0.05, frozen=1.0)])
    for name, value in small.weights(running).items():
        torch.testing.assert_close(small.weights(stored)[name], value, atol=1e-5, rtol=1e-4)
    assert stored.history[-1]["valid_loss"] == pytest.approx(running.history[-1]["valid_loss"], rel=1e-4)


def test_a_frozen_backbone_runs_once_over_each_row_unless_images_change(small, monkeypatch):
    calls = []
    for config in (ls.TrainConfig(batch_size=5), ls.TrainConfig(batch_size=5, augment=ls.Augment(flip=True))):
        learner = small.learner(config=config)
        rows = []
        learner.network.backbone.register_forward_hook(lambda m, i, o, rows=rows: rows.append(len(o)))
        learner.run([ls.Phase(epochs=3, frozen=1.0)])
        calls.append(sum(rows))
    assert calls == [20, 3 * 20]


def test_parts_of_the_backbone_can_be_frozen(small):
    learner = small.learner()
    before = small.weights(learner)
    learner.run([ls.Phase(epochs=1, frozen=0.5)])
    changed = {name for name, value in before.items() if not torch.equal(value, small.weights(learner)[name])}
    assert not any(name.startswith(("backbone.stem", "backbone.stages.0")) for name in changed)
    assert any(name.startswith("backbone.stages.1") for name in changed)


def test_an_interrupted_fit_can_be_followed_by_another(small):
    class Interrupt(Callback):
        def step_end(self, state):
            if state.epoch == 1 and state.batch == 2:
                raise KeyboardInterrupt

    config = ls.TrainConfig(batch_size=5, accumulate=3, precision="float32")
    learner = small.learner(config=config, callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        learner.run([ls.Phase(epochs=3, frozen=0.5)])
    assert not learner.network.training
    assert all(parameter.requires_grad for parameter in learner.network.parameters())
    learner.callbacks[:] = []
    weights = small.weights(learner)
    learner.fit(1)
    assert [record["epoch"] for record in learner.history] == [1, 2]
    assert learner.epochs_done == 2
    fresh = small.learner(config=config)
    fresh.network.load_state_dict(weights)
    fresh.training.epochs_done, fresh.training.steps_done = 1, 3
    assert small.same(fresh.fit(1), learner)  # no gradient of the interrupted step was left


# --- networks of the user's ------------------------------------------------------------------------------------------


def test_any_module_with_num_features_is_a_backbone(small):
    torch.manual_seed(0)
    learner = small.learner(small.task(ALL), small.Net()).fit(1)
    assert learner.model_name == "Net"
    assert learner.network.backbone.training is False
    assert set(learner.predict(small.table()[0]["image"]).by_target) == set(ALL)
    learner.fine_tune(1)


def test_a_whole_network_brings_its_last_layer(small):
    torch.manual_seed(0)
    whole = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    learner = small.learner(small.task(rows=14, valid=2), whole, batch_size=6).fit_one_cycle(30, lr=2e-2)
    assert learner.evaluate("train")["accuracy"] == 1.0
    with pytest.raises(ConfigError, match=r"frozen layers \(as in fine_tune\).*this network is whole"):
        learner.fine_tune(1)
    wrong = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with pytest.raises(ShapeError, match=r"the network gives \(2, 3\) for target 'side', .* needs \(2, 2\). End"):
        small.learner(small.task(), wrong)


def test_two_inputs_reach_a_module_of_the_users(small):
    class Two(nn.Module):
        num_features = 5

        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3)

        def forward(self, image, light):
            return torch.cat([self.conv(image).relu().mean(dim=(2, 3)), light.unsqueeze(1) / 100], dim=1)

    torch.manual_seed(0)
    task = ls.Task(small.table().split(valid=6, stratify=None), ["image", "light"], "side")
    learner = small.learner(task, Two()).fit(2)
    assert math.isfinite(learner.evaluate()["loss"])
    named = small.learner(task).fit(2)
    assert math.isfinite(named.evaluate()["loss"])


def test_layers_that_learn_their_size_are_settled_by_the_seed(small):
    def made(seed):
        return small.learner(model=nn.Sequential(nn.Flatten(), nn.LazyLinear(2)), seed=seed)

    state = torch.get_rng_state()
    assert small.same(made(1), made(1))
    assert not small.same(made(1), made(2))
    assert torch.equal(torch.get_rng_state(), state)


def test_what_the_user_froze_stays_frozen(small):
    net = small.Net()
    net.conv1.requires_grad_(False)
    before = net.conv1.weight.clone()
    learner = small.learner(model=net).fine_tune(1)
    assert torch.equal(learner.network.backbone.conv1.weight, before)
    assert not net.conv1.weight.requires_grad
    assert net.conv2.weight.requires_grad


@pytest.mark.parametrize("options", [{"weights": "imagenet"}, {"pool": "avg"}])
def test_weights_and_pool_are_for_networks_by_name(small, options):
    with pytest.raises(ConfigError, match="weights= and pool= are for networks by name"):
        small.learner(model=small.Net(), **options)


# --- small batches ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [19, 20, 21])
def test_batch_statistics_survive_an_odd_last_batch(small, rows):
    learner = small.learner(small.task(rows=rows), batch_size=4, heads={"side": ls.Classify(hidden=(3,))}).fit(1)
    assert min(len(record["step_losses"]) for record in learner.history) >= 4


def test_a_batch_of_one_row_is_refused_where_it_cannot_be_learnt_from(small):
    heads = {"side": ls.Classify(hidden=(3,))}
    learner = small.learner(small.task(rows=19), batch_size=2, heads=heads)
    assert len(learner.task.train) == 13
    with pytest.raises(ConfigError, match=r"batch_size=2 leaves a batch of one of 13 training rows"):
        learner.fit(1)
    small.learner(small.task(rows=19), nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), batch_size=1).fit(1)
    with pytest.raises(ConfigError, match="at least two rows"):
        small.learner(small.task(rows=7, targets="light")).fit(1)


# --- options ---------------------------------------------------------------------------------------------------------


def test_heads_are_given_by_target(small):
    learner = small.learner(heads={"side": ls.Classify(label_smoothing=0.1)})
    assert learner.heads["side"].label_smoothing == 0.1
    with pytest.raises(UnknownNameError, match=r"There is no target 'sid'. Did you mean 'side'"):
        small.learner(heads={"sid": ls.Classify()})
    with pytest.raises(ConfigError, match="The head Regress serves number columns"):
        small.learner(heads={"side": ls.Regress()})


def test_models_and_parts_that_do_not_exist_get_the_nearest(small):
    with pytest.raises(UnknownNameError, match=r"There is no model 'lenet'. Did you mean 'lenet5'"):
        small.learner(model="lenet")
    with pytest.raises(UnknownNameError, match="There is no part 'validation'"):
        small.learner().evaluate("validation")
    with pytest.raises(ConfigError, match=r"scores\(\) takes 'train' or 'valid', got 'test'"):
        small.learner().scores("test")


def test_mixup_needs_inputs_that_blend(small):
    class Words(nn.Module):
        num_features = 3

        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(2, 3)

        def forward(self, word):
            return self.table(word)

    task = ls.Task(small.table().split(valid=6, stratify=None), "side", "light")
    small.learner(task, Words()).fit(1)
    with pytest.raises(ConfigError, match=r"'side' \(category\) cannot be blended: set mixup=0"):
        small.learner(task, Words(), config=ls.TrainConfig(mixup=0.2))


def test_pretrained_layers_get_the_statistics_they_know(small, monkeypatch):
    asked = {}

    def create(model, **options):
        asked.update(options)
        from longspan.models import create as real

        return real(model, **{**options, "weights": None})

    monkeypatch.setattr("longspan.train.backbone_factory.create", create)
    task = small.task(size_px=32)
    learner = small.learner(task, weights="imagenet")
    assert asked["weights"] == "imagenet"
    assert learner.inputs["image"].mean == pytest.approx((0.449,), abs=1e-3)
    assert task.inputs["image"].mean != learner.inputs["image"].mean  # the task's own stay


# --- the vault -------------------------------------------------------------------------------------------------------


def test_evaluating_on_test_opens_the_vault_and_nothing_else_does(small, tmp_path):
    task = small.task(test=4)
    learner = small.learner(task).fit(1)
    sealed = set(task.split.vault.rows_for_leak_check().tolist())
    learner.predict(small.table())
    learner.evaluate()
    learner.report(tmp_path / "r.html")
    assert task.split.vault.openings == []
    seen = set()
    task.samples.inputs["image"].read = lambda rows, real=task.samples.inputs["image"].read: (
        seen.update(rows.tolist()),
        real(rows),
    )[1]
    learner.fit(1)
    learner.evaluate()
    assert not seen & sealed
    figures = learner.evaluate("test", reason="the end")
    assert seen >= sealed
    assert figures == learner.evaluations["test"]
    assert [opening["reason"] for opening in task.split.vault.openings] == ["the end"]
    assert ls.load(learner.save(tmp_path / "m.safetensors")).info["vault"]["openings"][0]["reason"] == "the end"
    with pytest.raises(VaultError, match="no test rows"):
        small.learner().evaluate("test")


def test_allowed_leaks_are_written_in_the_model_file(small, tmp_path):
    pixels = small.table().arrays["image"].copy()
    pixels[1] = pixels[0]
    table = small.table(pixels=pixels).with_column("part", ls.Category(), ["train", "valid", "valid", *["train"] * 17])
    task = ls.Task(table.split(column="part"), "image", "side", allow_leaks=True)
    learner = small.learner(task)
    info = ls.load(learner.save(tmp_path / "m.safetensors"), device="cpu").info
    assert (info["leaks"]["allowed"], info["leaks"]["moved_to_train"], info["leaks"]["found"]) == (True, 0, 1)


# --- half precision and GPUs -----------------------------------------------------------------------------------------


def test_bfloat16_learns_too(small):
    config = ls.TrainConfig(batch_size=6, precision="bfloat16")
    learner = small.learner(small.task(rows=14, valid=2), config=config).fit_one_cycle(30, lr=2e-2)
    assert learner.evaluate("train")["accuracy"] >= 0.9
    assert all(parameter.dtype == torch.float32 for parameter in learner.network.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_learns_repeatably_resumes_and_saves(small, tmp_path):
    class Kill(Callback):
        def __init__(self, armed=False):
            self.armed = armed

        def step_end(self, state):
            if self.armed and (state.phase_index, state.epoch, state.batch) == (1, 1, 1):
                raise KeyboardInterrupt

    def made(armed=False):
        task = small.task(ALL, missing=True)
        callbacks = [Kill(armed), WeightAverage(0.9)]
        return Learner(task, small.MODEL, config=CHANCE, callbacks=callbacks, progress=False, device="cuda", seed=2)

    states = torch.get_rng_state(), torch.cuda.get_rng_state()
    first, again = made().fine_tune(2), made().fine_tune(2)
    assert small.same(first, again)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert torch.equal(torch.cuda.get_rng_state(), states[1])
    with pytest.raises(KeyboardInterrupt):
        made(armed=True).fine_tune(2, checkpoints=tmp_path / "steps")
    assert small.same(made().resume(tmp_path / "steps"), first)
    image = small.table()[0]["image"]
    loaded = ls.load(first.save(tmp_path / "m.safetensors"), device="cuda")
    assert loaded.predict(image).to_json() == first.predict(image).to_json()
    on_cpu = ls.load(tmp_path / "m.safetensors", device="cpu").predict(image)
    assert on_cpu["light"] == pytest.approx(first.predict(image)["light"], rel=1e-2)
    assert first.lr_find(steps=5).lrs


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("model", ["deep_cnn", "resnet18", "squeezenet1_1"])
def test_a_gpu_repeats_larger_networks_bit_for_bit(small, model):
    def made():
        return Learner(small.task(size_px=64), model, config=CHANCE, progress=False, device="cuda", seed=2)

    assert small.same(made().fit(3), made().fit(3))

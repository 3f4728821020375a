import numpy as np
import pytest
import torch

import longspan as ls
from longspan.deploy.distillation import _features_distance, check_teachable
from longspan.errors import ConfigError


def student(trained, seed=1, **options):
    config = ls.TrainConfig(batch_size=16, mixup=options.pop("mixup", 0.0))
    return ls.Learner(
        trained.task, "resnet20", config=config, device="cpu", progress=False, seed=seed,
        step=lambda step: ls.DistillationStep(step, trained.predictor(), **options),
    )  # fmt: skip


def test_distance_is_the_divergence_at_a_temperature(trained):
    step = student(trained, temperature=2.0)
    random = np.random.default_rng(0)
    mine, theirs = random.normal(size=(2, 5, 3))

    def probabilities(logits):
        raised = np.exp(logits / 2.0)
        return raised / raised.sum(axis=1, keepdims=True)

    wanted = (probabilities(theirs) * np.log(probabilities(theirs) / probabilities(mine))).sum(axis=1).mean() * 4.0
    made = ls.DistillationStep.__new__(ls.DistillationStep)
    made.temperature = 2.0
    head = step.heads["side"]
    found = made._distance(head, torch.from_numpy(mine), torch.from_numpy(theirs))
    assert float(found) == pytest.approx(wanted, rel=1e-5)


def test_a_student_comes_closer_to_its_teacher_than_without(trained):
    rows = trained.task.table.take(trained.task.valid.numpy())
    teacher = np.array([list(each.probabilities.values()) for each in trained.predictor().predict(rows)])
    apart = {}
    for weight in (0.0, 1.0):
        learner = student(trained, weight=weight).fit(2, 2e-3)
        said = np.array([list(each.probabilities.values()) for each in learner.predict(rows)])
        apart[weight] = np.abs(said - teacher).mean()
    assert apart[1.0] < apart[0.0]


def test_mixup_and_distillation_together(trained):
    learner = student(trained, mixup=0.4).fit(1, 1e-3)
    assert np.isfinite(learner.history[-1]["train_loss"])


def test_features_come_closer_to_those_of_the_teacher(trained):
    rows = torch.from_numpy(np.stack([trained.task.table.value(row, "image") for row in range(24)]))
    images = rows[:, None].float() / 255
    teacher = trained.predictor().network.backbone
    apart = {}
    for features in (0.0, 4.0):
        step = student(trained, weight=0.0 if features else 0.9, features=features).fit(2, 2e-3)
        backbone = step.predictor().network.backbone
        with torch.no_grad():
            apart[features] = float((backbone(images) - teacher(images)).square().mean())
    assert apart[4.0] < 0.85 * apart[0.0]


def test_the_distance_of_features_is_relative_to_their_spread_and_leaves_other_shapes_out():
    mine, theirs = torch.zeros(2, 1), torch.tensor([[1.0], [3.0]])  # squares 1 and 9, variance 1
    assert float(_features_distance([mine], [theirs])) == pytest.approx(5.0)
    maps = torch.ones(2, 3, 4, 4), torch.ones(2, 5, 4, 4)
    assert float(_features_distance([mine, maps[0]], [theirs, maps[1]])) == pytest.approx(5.0)


def test_features_of_another_width_are_refused(trained):
    learner = ls.Learner(
        trained.task, "lenet5", device="cpu", progress=False,
        step=lambda step: ls.DistillationStep(step, trained.predictor(), features=1.0),
    )  # fmt: skip
    with pytest.raises(ConfigError, match="student and teacher need features of the same width"):
        learner.fit(1, 1e-3)


@pytest.mark.parametrize(("option", "value"), [("temperature", 0.0), ("weight", 1.5), ("features", -1.0)])
def test_numbers_out_of_range_are_refused(trained, option, value):
    with pytest.raises(ConfigError, match=f"DistillationStep.{option}"):
        student(trained, **{option: value}).fit(1, 1e-3)


def test_frozen_layers_are_refused(trained):
    with pytest.raises(ConfigError, match="A student learns with all its layers"):
        student(trained).run([ls.Phase(epochs=1, lr=1e-3, frozen=1.0)])


def test_a_head_that_cannot_be_distilled_is_named():
    head = ls.Transcribe(column=ls.Text(vocab=("a",), max_length=4, min_steps=2))
    with pytest.raises(ConfigError, match="Target 'text' has head Transcribe, which cannot be distilled"):
        check_teachable({"text": head})

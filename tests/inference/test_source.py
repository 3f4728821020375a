import numpy as np
import pytest
import torch

from longspan.inference.source import batch_loss, frozen_source, sum_losses, whole_source
from longspan.randomness import permutation, step_seed

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def learner(small):
    return small.learner(small.task(["side", "light", "lit"], missing=True))


def batch_of(learner, rows=6):
    return next(learner.task.samples.batches(learner.task.train[:rows], rows))


def source_of(learner, make=whole_source, dtype=torch.float32):
    return make(learner.task.samples, learner.inputs, CPU, dtype)


def loss_of(learner, batch, **options):
    options = {"mixup": 0.0, "seed": 0, "step": 0, **options}
    return batch_loss(source_of(learner), learner.network, batch, learner.heads, learner.task.targets, **options)


def test_the_loss_of_a_batch_is_summed_over_targets_of_the_mean_over_known_rows(learner):
    batch = batch_of(learner)
    outputs = learner.network(learner.inputs["image"].prepare(batch.inputs["image"]))
    expected = 0.0
    for name, head in learner.heads.items():
        losses = head.loss(outputs[name], batch.targets[name])
        expected += losses[batch.present[name]].mean()
    torch.testing.assert_close(loss_of(learner, batch), expected)


def test_a_batch_without_any_truth_loses_nothing(learner):
    batch = batch_of(learner)
    outputs = learner.network(learner.inputs["image"].prepare(batch.inputs["image"]))
    nowhere = {name: torch.zeros_like(there) for name, there in batch.present.items()}
    total = sum_losses(learner.heads, outputs, batch.targets, nowhere)
    total.backward()
    assert total == 0
    assert all(p.grad is None or not p.grad.any() for p in learner.network.parameters())
    learner.network.zero_grad()


@pytest.mark.parametrize("step", [0, 7])
def test_mixup_blends_each_image_with_a_partner_and_answers_for_both(learner, step):
    batch = batch_of(learner)
    fraction = float(np.random.default_rng(step_seed(5, "mixup", step)).beta(2.0, 2.0))
    partner = permutation(5, "mixup partner", step, len(batch))
    images = learner.inputs["image"].prepare(batch.inputs["image"])
    outputs = learner.network(fraction * images + (1 - fraction) * images[partner])
    expected = 0.0
    for name, head in learner.heads.items():
        for weight, rows in ((fraction, torch.arange(len(batch))), (1 - fraction, partner)):
            losses = head.loss(outputs[name], batch.targets[name][rows])
            expected += weight * losses[batch.present[name][rows]].mean()
    torch.testing.assert_close(loss_of(learner, batch, mixup=2.0, seed=5, step=step), expected)
    assert not torch.isclose(expected, loss_of(learner, batch))


def test_mixup_of_classes_equals_blended_targets(small):
    """Zhang et al. 2018, eq. 1: cross-entropy against blended one-hot targets."""
    learner = small.learner(small.task("side"))
    batch = batch_of(learner)
    fraction = float(np.random.default_rng(step_seed(0, "mixup", 3)).beta(0.4, 0.4))
    partner = permutation(0, "mixup partner", 3, len(batch))
    images = learner.inputs["image"].prepare(batch.inputs["image"])
    outputs = learner.network(fraction * images + (1 - fraction) * images[partner])["side"]
    one_hot = torch.nn.functional.one_hot(batch.targets["side"], 2).float()
    blended = fraction * one_hot + (1 - fraction) * one_hot[partner]
    expected = torch.nn.functional.cross_entropy(outputs, blended)
    torch.testing.assert_close(loss_of(learner, batch, mixup=0.4, step=3), expected)


def test_mixup_leaves_the_callers_random_numbers_alone(learner):
    before, of_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()
    loss_of(learner, batch_of(learner), mixup=0.4)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == of_numpy).all()


def test_a_frozen_backbone_keeps_nothing_for_a_backward_pass(learner):
    batch = batch_of(learner)
    source = source_of(learner, frozen_source)
    outputs = source.forward(learner.network, source.prepare(batch))
    plain = source_of(learner).forward(learner.network, source.prepare(batch))
    for name in outputs:
        torch.testing.assert_close(outputs[name], plain[name])
    sum(output.sum() for output in outputs.values()).backward()
    assert all(p.grad is None for p in learner.network.backbone.parameters())
    assert all(p.grad is not None for p in learner.network.heads.parameters())
    learner.network.zero_grad()


def test_bfloat16_runs_layers_in_half_and_losses_in_single_precision(learner):
    source = source_of(learner, dtype=torch.bfloat16)
    outputs = source.forward(learner.network, source.prepare(batch_of(learner)))
    assert all(output.dtype == torch.bfloat16 for output in outputs.values())
    assert all(p.dtype == torch.float32 for p in learner.network.parameters())
    batch = batch_of(learner)
    loss = batch_loss(source, learner.network, batch, learner.heads, learner.task.targets, mixup=0.0, seed=0, step=0)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, loss_of(learner, batch), rtol=0.05, atol=0.05)

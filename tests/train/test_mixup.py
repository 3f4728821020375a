import numpy as np
import pytest
import torch

import longspan as ls
from longspan.errors import ConfigError
from longspan.randomness import permutation, step_seed
from longspan.train.mixup import draw_mixture

CPU = torch.device("cpu")


def batch_of(learner, rows=6):
    return next(learner.task.samples.batches(learner.task.train[:rows], rows))


def mixed_loss(learner, batch, alpha, seed, step):
    mixture = draw_mixture(alpha, len(batch), seed, step, CPU)
    (images,) = mixture.inputs((learner.inputs["image"].prepare(batch.inputs["image"]),))
    return mixture.loss(learner.heads, learner.network(images), batch.targets, batch.present)


@pytest.mark.parametrize("step", [0, 7])
def test_each_image_is_blended_with_a_partner_and_predicts_both_targets(small, step):
    learner = small.learner(small.task(["side", "light", "lit"], missing=True))
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
    torch.testing.assert_close(mixed_loss(learner, batch, 2.0, 5, step), expected)


def test_for_classes_it_equals_blended_targets(small):
    """Zhang et al. 2018, eq. 1: cross-entropy against blended one-hot targets."""
    learner = small.learner(small.task("side"))
    batch = batch_of(learner)
    mixture = draw_mixture(0.4, len(batch), 0, 3, CPU)
    (images,) = mixture.inputs((learner.inputs["image"].prepare(batch.inputs["image"]),))
    one_hot = torch.nn.functional.one_hot(batch.targets["side"], 2).float()
    blended = mixture.fraction * one_hot + (1 - mixture.fraction) * one_hot[mixture.partner]
    expected = torch.nn.functional.cross_entropy(learner.network(images)["side"], blended)
    torch.testing.assert_close(mixed_loss(learner, batch, 0.4, 0, 3), expected)


def test_the_callers_random_numbers_stay():
    before, of_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()
    draw_mixture(0.4, 8, 0, 0, CPU)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == of_numpy).all()


def test_heads_that_compute_their_losses_in_the_network_cannot_be_mixed():
    from longspan.datasets import make_scenes

    task = ls.Task(make_scenes(6, seed=0).split(valid=2, seed=0), "image", "boxes")
    with pytest.raises(ConfigError, match="MixUp needs losses that can be blended; that of 'boxes' cannot"):
        ls.Learner(task, "squeezenet1_1", config=ls.TrainConfig(mixup=0.4), progress=False)

"""The adversarial step against its equations written out by hand."""

import copy

import pytest
import torch
from torch.nn import functional as F

from longspan.data.batches.samples import Batch
from longspan.errors import ConfigError
from longspan.generative import AdversarialStep
from longspan.generative.adversarial import as_signed, draw_latents
from longspan.models.generative.dcgan import Discriminator, Generator
from longspan.train.step import StepInfo


def networks(*, normalise):
    torch.manual_seed(0)
    return Generator(8, 1, width=4, latent=5, normalise=normalise), Discriminator(8, 1, width=4, normalise=normalise)


def batch(count=6):
    pixels = torch.randint(0, 256, (count, 8, 8, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return Batch(torch.arange(count), {"image": pixels}, {}, {})


def info(number=0, *, fraction=1.0, ends=True):
    return StepInfo(number=number, rows=6, fraction=fraction, ends=ends, dtype=torch.float32)


def test_the_classic_losses_are_cross_entropies():
    generator, discriminator = networks(normalise=True)
    before = copy.deepcopy((generator, discriminator))
    step = AdversarialStep(generator, discriminator, loss="classic", seed=3)
    losses = step.run(batch(), info(7))
    made = before[0](draw_latents(6, 5, 3, "gan latents", 7))
    real = as_signed(batch().inputs["image"])
    on_real, on_made = before[1](real), before[1](made.detach())
    expected = F.binary_cross_entropy_with_logits(on_real, torch.ones(6))
    expected = expected + F.binary_cross_entropy_with_logits(on_made, torch.zeros(6))
    torch.testing.assert_close(losses["discriminator"], expected)
    # The generator sees the discriminator after its step.
    deceived = F.binary_cross_entropy_with_logits(discriminator(made), torch.ones(6))
    torch.testing.assert_close(losses["generator"], deceived, rtol=1e-4, atol=1e-5)
    assert losses["penalty"] == 0


def test_the_relativistic_losses_compare_pairs_and_penalise_both_gradients():
    generator, discriminator = networks(normalise=False)
    before = copy.deepcopy((generator, discriminator))
    step = AdversarialStep(generator, discriminator, loss="relativistic", penalty=3.0, seed=3)
    losses = step.run(batch(), info(7))
    real = as_signed(batch().inputs["image"])
    made = before[0](draw_latents(6, 5, 3, "gan latents", 7)).detach()
    expected = -torch.sigmoid(before[1](real) - before[1](made)).log().mean()
    torch.testing.assert_close(losses["discriminator"], expected)
    squared = 0.0
    for images in (real, made):
        for image in images:  # one image at a time
            image = image[None].clone().requires_grad_(True)
            (gradient,) = torch.autograd.grad(before[1](image), image)
            squared += gradient.square().sum().item() / 6
    assert losses["penalty"].item() == pytest.approx(1.5 * squared, rel=1e-4)
    deceived = -torch.sigmoid(discriminator(made) - discriminator(real)).log().mean()
    torch.testing.assert_close(losses["generator"], deceived)


def test_each_network_learns_from_its_own_loss_alone():
    generator, discriminator = networks(normalise=False)
    step = AdversarialStep(generator, discriminator, penalty=0.0, lr=1e-3)
    step.optimizers["generator"].param_groups[0]["lr"] = 0.0
    before = copy.deepcopy(generator.state_dict())
    first = step.run(batch(), info())["discriminator"]
    for _ in range(20):
        last = step.run(batch(), info())["discriminator"]
    assert last < 0.8 * first
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(each.requires_grad and each.grad is None for each in discriminator.parameters())


def test_weights_stay_until_the_step_ends():
    generator, discriminator = networks(normalise=False)
    step = AdversarialStep(generator, discriminator)
    before = copy.deepcopy({**generator.state_dict(), **{f"d.{k}": v for k, v in discriminator.state_dict().items()}})
    step.run(batch(), info(fraction=0.5, ends=False))
    now = {**generator.state_dict(), **{f"d.{k}": v for k, v in discriminator.state_dict().items()}}
    assert all(torch.equal(now[name], before[name]) for name in before)
    assert all(each.grad is not None for each in generator.parameters())
    step.run(batch(), info(1, fraction=0.5))
    assert not torch.equal(generator.state_dict()["start.weight"], before["start.weight"])


def test_what_cannot_be_is_refused():
    generator, discriminator = networks(normalise=True)
    with pytest.raises(ConfigError, match="build the discriminator with normalise=False"):
        AdversarialStep(generator, discriminator, loss="relativistic")
    with pytest.raises(ConfigError, match="must be 'classic' or 'relativistic', got 'wasserstein'"):
        AdversarialStep(generator, discriminator, loss="wasserstein")
    with pytest.raises(ConfigError, match="penalty must be at least 0 and finite, got nan"):
        AdversarialStep(generator, discriminator, loss="classic", penalty=float("nan"))

"""Both networks of a GAN: their sizes, what is refused, and signals that keep their size without normalisation."""

import pytest
import torch

from longspan.errors import ConfigError, ShapeError
from longspan.models.generative.dcgan import Discriminator, Generator, layer_sizes


@pytest.mark.parametrize(("size_px", "sizes"), [(8, [4, 8]), (28, [7, 14, 28]), (48, [6, 12, 24, 48])])
def test_maps_double_up_to_the_image(size_px, sizes):
    assert layer_sizes(size_px) == sizes


@pytest.mark.parametrize(("size_px", "said"), [(33, "take 28 or 32"), (7, "take 8 or 10"), (4, "take 8 or 10")])
def test_other_sizes_are_refused_with_the_nearest(size_px, said):
    with pytest.raises(ConfigError, match=said):
        layer_sizes(size_px)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize(("size_px", "channels"), [(28, 1), (32, 3), (40, 3)])
def test_latents_become_images_and_images_logits(size_px, channels, normalise):
    generator = Generator(size_px, channels, width=4, latent=5, normalise=normalise)
    discriminator = Discriminator(size_px, channels, width=4, normalise=normalise)
    images = generator(torch.randn(3, 5))
    assert images.shape == (3, channels, size_px, size_px)
    assert images.abs().max() <= 1
    assert discriminator(images).shape == (3,)
    counts = [module.out_channels for module in discriminator.modules() if isinstance(module, torch.nn.Conv2d)]
    assert counts == [4 * 2**k for k in range(len(layer_sizes(size_px)) - 1)]


@pytest.mark.parametrize("normalise", [True, False])
def test_residual_blocks_change_nothing_at_first_and_learn(normalise):
    torch.manual_seed(0)
    discriminator = Discriminator(8, 1, width=4, normalise=normalise, residual=2)
    blocks = [each for each in discriminator.blocks if type(each).__name__ == "_Residual"]
    assert len(blocks) == 2
    maps = torch.randn(2, 4, 4, 4)
    torch.testing.assert_close(blocks[0](maps), maps)
    discriminator(torch.randn(2, 1, 8, 8)).sum().backward()
    assert blocks[0].second.weight.grad.abs().sum() > 0
    with pytest.raises(ConfigError, match="residual at least 0"):
        Discriminator(8, 1, residual=-1)


def test_without_normalisation_signals_keep_their_size():
    torch.manual_seed(0)
    discriminator = Discriminator(32, 3, width=16, normalise=False)
    values = torch.randn(64, 3, 32, 32)
    for block in discriminator.blocks:
        before, values = values, block(values)
        if isinstance(block, torch.nn.LeakyReLU):
            continue
        assert 0.5 < values.std() / before.square().mean().sqrt() < 3


def test_a_logit_without_normalisation_depends_on_its_image_alone():
    torch.manual_seed(0)
    images = torch.randn(4, 1, 8, 8)
    alone = Discriminator(8, 1, width=4, normalise=False)
    torch.testing.assert_close(alone(images)[:2], alone(images[:2]))


def test_wrong_shapes_are_named():
    with pytest.raises(ShapeError, match=r"latent vectors \(B, 5\), got \(2, 6\)"):
        Generator(8, 1, width=4, latent=5)(torch.zeros(2, 6))
    with pytest.raises(ShapeError, match=r"images \(B, 1, 8, 8\), got \(2, 3, 8, 8\)"):
        Discriminator(8, 1, width=4)(torch.zeros(2, 3, 8, 8))


def test_the_generator_can_be_exported():
    generator = Generator(8, 1, width=4, latent=5).eval()
    latents = torch.randn(2, 5)
    exported = torch.export.export(generator, (latents,))
    torch.testing.assert_close(exported.module()(latents), generator(latents))

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from longspan.models import create
from longspan.nn.unet import UNetDecoder
from longspan.nn.without_memory import without_memory

EVERY_KIND = [
    "squeezenet1_1",
    "alexnet",
    "vgg11",
    "resnet18",
    "densenet121",
    "mobilenet_v3_small",
    "inception_v3",
    "convnext_tiny",
    "swin_t",
    "resnet20",
    "vgg16_fcn",
]


def decoder_of(model, num_classes=3, **options):
    return UNetDecoder(
        channels=model.channels,
        strides=model.strides,
        in_channels=model.in_channels,
        num_classes=num_classes,
        **options,
    )


@pytest.mark.parametrize("name", EVERY_KIND)
@pytest.mark.parametrize("size_px", [(96, 128), (97, 133)])
def test_on_any_backbone_the_answer_has_the_size_of_the_image(name, size_px):
    with without_memory():
        model = create(name, size_px=size_px)
        decoder = decoder_of(model, width=4)
    model, decoder = model.to("meta").eval(), decoder.to("meta")
    images = torch.empty(2, 3, *size_px, device="meta")
    assert decoder(images, model.features(images)).shape == (2, 3, *size_px)


def test_levels_and_widths_are_those_of_the_strides():
    """SqueezeNet: 512 channels at stride 16 go down to the widths of strides 8, 4, 2; 12 channels are the image."""
    decoder = UNetDecoder(channels=(64, 128, 256, 512), strides=(2, 4, 8, 16), in_channels=3, num_classes=11, width=32)
    assert decoder.levels == (16, 8, 4, 2)
    joins = [next(layer for layer in join.modules() if isinstance(layer, nn.Conv2d)) for join in decoder.joins]
    assert [(conv.in_channels, conv.out_channels) for conv in joins] == [
        (128 + 256, 128),
        (64 + 128, 64),
        (32 + 64 + 12, 32),
    ]
    assert decoder.classes.out_channels == 4 * 11


def test_a_backbone_without_a_map_at_stride_2_gets_the_image_there():
    decoder = UNetDecoder(channels=(8, 8), strides=(4, 8), in_channels=1, num_classes=2, width=4)
    assert decoder.levels == (8, 4, 2)
    images = torch.randn(1, 1, 21, 30)
    maps = [torch.randn(1, 8, 6, 8), torch.randn(1, 8, 3, 4)]
    before = decoder.eval()(images, maps)
    assert before.shape == (1, 2, 21, 30)
    images[0, 0, 10, 20] += 1
    changed = (decoder(images, maps) - before).abs().sum(dim=(0, 1)).nonzero()
    assert 0 < len(changed) < 200  # the image is seen, and only from near
    assert (changed - torch.tensor([10, 20])).abs().max() <= 5


def test_a_map_at_stride_1_leads_to_an_answer_without_blocks():
    decoder = UNetDecoder(channels=(4, 8), strides=(1, 2), in_channels=3, num_classes=2, width=4)
    assert decoder.levels == (2, 1)
    assert decoder.classes.out_channels == 2
    assert decoder(torch.randn(2, 3, 9, 7), [torch.randn(2, 4, 9, 7), torch.randn(2, 8, 5, 4)]).shape == (2, 2, 9, 7)


def test_the_four_pixels_of_a_place_start_alike():
    decoder = UNetDecoder(channels=(4, 8), strides=(2, 4), in_channels=3, num_classes=5, width=4).eval()
    logits = decoder(torch.randn(1, 3, 16, 16), [torch.randn(1, 4, 8, 8), torch.randn(1, 8, 4, 4)])
    torch.testing.assert_close(logits, F.interpolate(logits[:, :, ::2, ::2], scale_factor=2))
    assert logits.std() > 0.1


def test_every_weight_learns():
    decoder = UNetDecoder(channels=(4, 8, 8), strides=(2, 4, 8), in_channels=3, num_classes=3, width=4)
    maps = [torch.randn(2, 4, 16, 16), torch.randn(2, 8, 8, 8), torch.randn(2, 8, 4, 4)]
    decoder(torch.randn(2, 3, 32, 32), maps).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())


def test_an_answer_moves_with_its_image():
    decoder = UNetDecoder(channels=(4, 8), strides=(2, 4), in_channels=3, num_classes=3, width=4).eval()
    images, maps = torch.randn(1, 3, 32, 64), [torch.randn(1, 4, 16, 32), torch.randn(1, 8, 8, 16)]
    moved = decoder(images.roll(4, 3), [maps[0].roll(2, 3), maps[1].roll(1, 3)])
    away_from_the_borders = slice(20, 44)
    torch.testing.assert_close(
        moved[..., away_from_the_borders], decoder(images, maps).roll(4, 3)[..., away_from_the_borders]
    )


def test_dropout_silences_the_coarsest_map_in_training_alone():
    decoder = UNetDecoder(channels=(4, 8), strides=(2, 4), in_channels=3, num_classes=2, width=4, dropout=0.5)
    images, maps = torch.randn(1, 3, 8, 8), [torch.randn(1, 4, 4, 4), torch.randn(1, 8, 2, 2)]
    assert not decoder.train()(images, maps).equal(decoder(images, maps))
    assert decoder.eval()(images, maps).equal(decoder(images, maps))

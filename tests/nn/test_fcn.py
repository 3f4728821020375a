import pytest
import torch
import torch.nn.functional as F

from longspan.errors import ConfigError
from longspan.nn.fcn import FCNDecoder, bilinear_deconvolution, fcn_head
from longspan.nn.upsample import enlarge

CHANNELS, STRIDES = (6, 4, 5, 8), (4, 8, 16, 32)


def maps_of(size_px):
    return [torch.randn(2, c, -(-size_px[0] // s), -(-size_px[1] // s)) for c, s in zip(CHANNELS, STRIDES, strict=True)]


def trained(decoder):
    """Scores start at zero; drawn, so that something comes out."""
    for parameter in decoder.scores.parameters():
        torch.nn.init.normal_(parameter)
    return decoder


@pytest.mark.parametrize("factor", [2, 4])
def test_a_deconvolution_starts_as_bilinear_interpolation(factor):
    maps = torch.randn(2, 3, 6, 7)
    layer = bilinear_deconvolution(3, factor)
    got = layer(maps)
    wanted = F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)
    assert got.shape == wanted.shape
    inner = (slice(None), slice(None), slice(factor, -factor), slice(factor, -factor))
    torch.testing.assert_close(got[inner], wanted[inner])
    assert layer.weight.requires_grad


def test_fcn32s_is_the_scores_of_the_coarsest_map_enlarged():
    decoder = trained(FCNDecoder(channels=CHANNELS, strides=STRIDES, num_classes=3, stride=32))
    maps = maps_of((64, 96))
    scores = decoder.scores[0](maps[3])
    wanted = F.interpolate(scores, scale_factor=32, mode="bilinear", align_corners=False)
    torch.testing.assert_close(decoder(torch.empty(2, 3, 64, 96), maps), wanted)
    assert len(decoder.deconvolutions) == 0


def test_fcn16s_and_fcn8s_add_the_scores_of_finer_maps():
    maps, images = maps_of((64, 96)), torch.empty(2, 3, 64, 96)
    decoder = trained(FCNDecoder(channels=CHANNELS, strides=STRIDES, num_classes=3, stride=16))
    at16, at32 = (score(each) for score, each in zip(decoder.scores, maps[2:], strict=True))
    wanted = enlarge(at16 + decoder.deconvolutions[0](at32), 16, (64, 96))
    torch.testing.assert_close(decoder(images, maps), wanted)

    decoder = trained(FCNDecoder(channels=CHANNELS, strides=STRIDES, num_classes=3, stride=8))
    at8, at16, at32 = (score(each) for score, each in zip(decoder.scores, maps[1:], strict=True))
    fused = at8 + decoder.deconvolutions[0](at16 + decoder.deconvolutions[1](at32))
    torch.testing.assert_close(decoder(images, maps), enlarge(fused, 8, (64, 96)))


def test_it_starts_undecided_and_every_weight_learns():
    decoder = FCNDecoder(channels=CHANNELS, strides=STRIDES, num_classes=3, stride=8, dropout=0.5)
    maps, images = maps_of((64, 64)), torch.empty(2, 3, 64, 64)
    assert not decoder(images, maps).any()
    trained(decoder)(images, maps).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())


@pytest.mark.parametrize("size_px", [(64, 96), (65, 100), (90, 33), (31, 7)])
@pytest.mark.parametrize("stride", [8, 16, 32])
def test_any_size(size_px, stride):
    decoder = trained(FCNDecoder(channels=CHANNELS, strides=STRIDES, num_classes=3, stride=stride))
    assert decoder(torch.empty(2, 3, *size_px), maps_of(size_px)).shape == (2, 3, *size_px)


def test_maps_smaller_than_the_image_asks_for_are_brought_together():
    """As those of squeezenet1_1 for 180 x 240 px, which does not pad."""
    decoder = trained(FCNDecoder(channels=(4, 5), strides=(8, 16), num_classes=3, stride=8))
    maps = [torch.randn(1, 4, 22, 29), torch.randn(1, 5, 11, 14)]
    assert decoder(torch.empty(1, 3, 180, 240), maps).shape == (1, 3, 180, 240)


def test_without_a_map_at_the_stride_it_says_what_would_do():
    with pytest.raises(
        ConfigError, match="fcn32s reads a map at stride 32, and this backbone has maps at strides 2, 4"
    ):
        FCNDecoder(channels=(1, 1, 1, 1), strides=(2, 4, 8, 16), num_classes=2, stride=32)
    with pytest.raises(ConfigError, match=r"Take fcn8s or fcn16s, or unet, or another backbone"):
        FCNDecoder(channels=(1, 1, 1, 1), strides=(2, 4, 8, 16), num_classes=2, stride=32)
    with pytest.raises(ConfigError, match=r"has maps at no stride. Take unet, or another"):
        FCNDecoder(channels=(), strides=(), num_classes=2, stride=8)


def test_torchvisions_head_keeps_the_size():
    head = fcn_head(16, 5)
    assert head(torch.randn(2, 16, 6, 7)).shape == (2, 5, 6, 7)
    assert sum(p.numel() for p in head.parameters()) == 16 * 4 * 9 + 2 * 4 + 4 * 5 + 5

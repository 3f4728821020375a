import torch
import torch.nn.functional as F
from torch import nn

from longspan.nn.single_scale_decoder import OneMapDecoder

MAPS = [torch.randn(2, 4, 8, 10), torch.randn(2, 6, 4, 5)]


def test_the_layers_read_one_map_and_are_enlarged_to_the_image():
    images, layers = torch.empty(2, 3, 32, 40), nn.Conv2d(6, 3, 1)
    got = OneMapDecoder(layers, place=-1, stride=8)(images, MAPS)
    wanted = F.interpolate(layers(MAPS[1]), scale_factor=8, mode="bilinear", align_corners=False)
    torch.testing.assert_close(got, wanted)
    finest = OneMapDecoder(nn.Conv2d(4, 3, 1), place=0, stride=4)
    assert finest(torch.empty(2, 3, 31, 37), MAPS).shape == (2, 3, 31, 37)


def test_a_map_at_stride_1_is_only_convolved():
    layers = nn.Conv2d(4, 3, 1)
    decoder = OneMapDecoder(layers, place=0, stride=1)
    assert decoder(torch.empty(2, 3, 8, 10), MAPS).equal(layers(MAPS[0]))


def test_dropout_is_for_training():
    decoder = OneMapDecoder(nn.Conv2d(4, 3, 1), place=0, stride=1, dropout=0.5)
    images = torch.empty(2, 3, 8, 10)
    assert not decoder.train()(images, MAPS).equal(decoder(images, MAPS))
    assert decoder.eval()(images, MAPS).equal(decoder(images, MAPS))

import pytest
from torch import nn
from torchvision import models as published

from longspan.models.vision.vgg16 import FIRST_CONV, stage_channels, vgg_convolutions, vgg_stage
from longspan.nn.without_memory import without_memory


@pytest.mark.parametrize("batch_norm", [False, True])
def test_names_lead_from_our_convolutions_to_torchvisions(batch_norm):
    with without_memory():
        theirs = published.vgg16_bn() if batch_norm else published.vgg16()
        widths = stage_channels(64)
        reads = (3, *widths)
        ours = nn.ModuleList(vgg_stage(n, reads[n], widths[n], batch_norm=batch_norm) for n in range(5))
    pairs = list(vgg_convolutions(batch_norm=batch_norm))
    assert len(pairs) == 13
    for own, name in pairs:
        mine, published_one = ours.get_submodule(own), theirs.get_submodule(name)
        assert isinstance(mine, nn.Conv2d)
        assert isinstance(published_one, nn.Conv2d)
        assert mine.weight.shape == published_one.weight.shape
        assert (mine.bias is None) == batch_norm
    assert sum(isinstance(layer, nn.Conv2d) for layer in ours.modules()) == 13
    assert f"{pairs[0][1]}.weight" == FIRST_CONV

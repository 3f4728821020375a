import pytest
import torch
from torch import nn

from longspan.errors import ShapeError
from longspan.nn.deeplab import DeepLabHead


@pytest.mark.parametrize(("stride", "rates"), [(8, (12, 24, 36)), (16, (6, 12, 18)), (32, (3, 6, 9))])
def test_atrous_rates_follow_the_stride(stride, rates):
    head = DeepLabHead(channels=8, stride=stride, num_classes=3)
    found = {layer.dilation[0] for layer in head.modules() if isinstance(layer, nn.Conv2d)} - {1}
    assert found == set(rates)


def test_is_torchvisions_head():
    from torchvision.models.segmentation.deeplabv3 import DeepLabHead as Published

    ours, theirs = DeepLabHead(channels=8, stride=8, num_classes=3).eval(), Published(8, 3).eval()
    theirs.load_state_dict(ours.layers.state_dict())
    maps = torch.randn(2, 8, 5, 6)
    with torch.no_grad():
        assert ours(maps).equal(theirs(maps))
    assert ours(maps).shape == (2, 3, 5, 6)


def test_a_training_batch_of_one_image_is_refused_in_words():
    head = DeepLabHead(channels=8, stride=16, num_classes=3)
    with pytest.raises(ShapeError, match="this training batch has one"):
        head.train()(torch.randn(1, 8, 4, 4))
    assert head.eval()(torch.randn(1, 8, 4, 4)).shape == (1, 3, 4, 4)

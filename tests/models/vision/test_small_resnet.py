import pytest
import torch
from torch import nn

from longspan.errors import ConfigError
from longspan.models import SmallResNetConfig, create
from longspan.models.vision.small_resnet import SmallResNet


def test_resnet20_has_the_published_parameters_and_layers():
    model = create("resnet20", size_px=(32, 32))
    # Table 6 of the paper: 0.27 M for ResNet-20, 0.85 M for ResNet-56, with the layer to 10 classes.
    assert sum(p.numel() for p in model.parameters()) + 64 * 10 + 10 == 269_722
    assert sum(isinstance(layer, nn.Conv2d) for layer in model.modules()) + 1 == 20
    assert round(sum(p.numel() for p in create("resnet56").parameters()) / 1e6, 2) == 0.85


def test_block_that_adds_nothing_passes_its_input_on():
    model = SmallResNet(SmallResNetConfig(blocks=2)).eval()
    first, second = model.stages[1]
    for block in (first, second):
        nn.init.zeros_(block.conv2.weight)
    maps = torch.rand(1, 16, 8, 8)
    out = second(first(maps))
    assert out[:, :16].equal(maps[:, :, ::2, ::2])
    assert out[:, 16:].count_nonzero() == 0


def test_a_plain_network_is_the_same_without_what_shortcuts_add():
    torch.manual_seed(0)
    plain = SmallResNet(SmallResNetConfig(blocks=1, width=4, shortcuts=False)).eval()
    residual = SmallResNet(SmallResNetConfig(blocks=1, width=4)).eval()
    residual.load_state_dict(plain.state_dict())
    assert (plain.name, residual.name) == ("plain8", "resnet8")
    (block,), (other,) = plain.stages[1], residual.stages[1]
    for each in (block, other):
        nn.init.zeros_(each.conv2.weight)
    maps = torch.rand(1, 4, 8, 8)
    assert block(maps).count_nonzero() == 0  # nothing passes a block that adds nothing
    assert other(maps).count_nonzero() > 0


@pytest.mark.parametrize("side", [28, 32, 33, 64])
def test_maps_at_strides_for_any_size(side):
    model = SmallResNet().eval()
    maps = model.features(torch.randn(1, 3, side, side))
    assert [each.shape[-1] for each in maps] == [-(-side // stride) for stride in (1, 2, 4)]


def test_average_beside_maximum_doubles_the_features():
    model = create("resnet20", in_channels=1, pool="avg_max").eval()
    images = torch.randn(2, 1, 32, 32)
    last = model.features(images)[-1]
    assert model.num_features == 128
    torch.testing.assert_close(model(images)[:, 64:], nn.functional.adaptive_max_pool2d(last, 1).flatten(1))


def test_bad_options_are_refused():
    with pytest.raises(ConfigError, match=r"SmallResNetConfig.blocks must be at least 1, got 0"):
        SmallResNetConfig(blocks=0)


def test_learns_a_dozen_images_by_heart():
    model = SmallResNet(SmallResNetConfig(blocks=1, width=8))
    classes = nn.Linear(32, 4)
    images, targets = torch.randn(12, 3, 16, 16), torch.arange(12) % 4
    optimizer = torch.optim.Adam([*model.parameters(), *classes.parameters()], lr=1e-2)
    for _ in range(30):
        loss = nn.functional.cross_entropy(classes(model(images)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1

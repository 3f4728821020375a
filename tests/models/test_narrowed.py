import copy

import pytest
import torch

from longspan.errors import ModelFileError
from longspan.models import create, from_json, to_json
from longspan.models.narrowed import narrow, sizes_of


@pytest.fixture
def narrowed():
    """resnet20 whose first block has 5 channels inside, in place of 16."""
    whole = create("resnet20", in_channels=1, size_px=(16, 16))
    inside = next(
        name for name, layer in whole.named_modules() if isinstance(layer, torch.nn.Conv2d) and name != "stem.0"
    )
    names = list(dict(whole.named_modules()))
    convs = [name for name in names if isinstance(whole.get_submodule(name), torch.nn.Conv2d)]
    norms = [name for name in names if isinstance(whole.get_submodule(name), torch.nn.BatchNorm2d)]
    first, second = convs[1], convs[2]
    assert inside == first
    return narrow(whole, {first: [5, 16, 1], norms[1]: [5], second: [16, 5, 1]})


def test_a_narrowed_network_computes_and_is_built_again_from_its_description(narrowed):
    images = torch.randn(2, 1, 16, 16)
    again = from_json(to_json(narrowed))
    assert again.narrowed == narrowed.narrowed
    again.load_state_dict(narrowed.state_dict())
    torch.testing.assert_close(again.eval()(images), narrowed.eval()(images))


def test_sizes_of_finds_what_differs(narrowed):
    whole = create("resnet20", in_channels=1, size_px=(16, 16))
    assert sizes_of(narrowed, whole) == narrowed.narrowed
    assert sizes_of(whole, copy.deepcopy(whole)) == {}


def test_a_layer_of_another_kind_is_named():
    whole = create("lenet5", in_channels=1, size_px=(28, 28))
    other = copy.deepcopy(whole)
    other.c1_bias = torch.nn.Parameter(torch.zeros(2))
    with pytest.raises(ValueError, match="layer of the network itself is a LeNet5"):
        sizes_of(other, whole)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"nothing": [1]}, "no layer 'nothing'"),
        ({"stem.0": [17, 1, 1]}, "is not a part of it"),
        ({"stem.0": [0, 1, 1]}, "is not a part of it"),
        ({"stem.0": [8, 1]}, "is not a part of it"),
        ({"stem.0": [8, 1, True]}, "is not a part of it"),
        ({"stem.0": "many"}, "is not a part of it"),
    ],
)
def test_sizes_of_a_strangers_file_are_checked(sizes, message):
    whole = create("resnet20", in_channels=1, size_px=(16, 16))
    name = next(name for name, layer in whole.named_modules() if isinstance(layer, torch.nn.Conv2d))
    sizes = {name if key == "stem.0" else key: value for key, value in sizes.items()}
    with pytest.raises(ModelFileError, match=message):
        narrow(whole, sizes)

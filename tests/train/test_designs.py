import pytest

import longspan as ls
from longspan.train.designs import full_name


@pytest.mark.parametrize(
    ("model", "backbone", "expected"),
    [
        ("unet:resnet20", "resnet20", "unet:resnet20"),
        ("unet", "resnet18", "unet:resnet18"),
        ("segnet", "segnet", "segnet"),
        ("resnet18", "resnet18", "resnet18"),
        (ls.SegNetConfig(), "segnet", "segnet"),
    ],
)
def test_the_name_of_a_network_has_its_design(model, backbone, expected):
    assert full_name(model, backbone) == expected

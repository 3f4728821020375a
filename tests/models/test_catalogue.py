import dataclasses
import subprocess
import sys

import pytest

from longspan.models import catalogue, model_names
from longspan.models.entries import MODELS
from longspan.models.measure import measure_own, measure_published
from longspan.models.vision.families import family_of

BY_NAME = {info.name: info for info in catalogue()}


def test_lists_exactly_what_can_be_created():
    assert [info.name for info in catalogue()] == model_names()


@pytest.mark.parametrize(
    ("name", "parameters", "giga_multiply_adds"),
    [
        ("resnet18", 11_689_512, 1.81),
        ("resnet50", 25_557_032, 4.09),
        ("squeezenet1_1", 1_235_496, 0.35),
        ("vgg16", 138_357_544, 15.47),
        ("alexnet", 61_100_840, 0.71),
        ("vit_b_16", 86_567_656, 17.56),
        ("resnet20", 269_722, 0.041),
    ],
)
def test_agrees_with_published_numbers(name, parameters, giga_multiply_adds):
    assert BY_NAME[name].parameters == parameters
    assert BY_NAME[name].multiply_adds / 1e9 == pytest.approx(giga_multiply_adds, rel=0.02)


def test_agrees_with_torchvisions_own_table():
    from torchvision.models import get_model_weights

    for info in catalogue():
        if not info.imagenet or not MODELS[info.name].published:
            continue
        meta = get_model_weights(info.name)["DEFAULT"].value.meta
        # torchvision counts the auxiliary heads of inception_v3 (1,000 classes), longspan leaves them out.
        auxiliary = 3_326_696 if info.name == "inception_v3" else 0
        assert info.parameters + auxiliary == meta["num_params"], info.name
        # torchvision does not count attention in full, and rounds.
        assert info.multiply_adds / 1e9 == pytest.approx(meta["_ops"], rel=0.05), info.name


@pytest.mark.parametrize("name", ["lenet5", "deep_cnn", "resnet20", "vgg16_fcn", "segnet"])
def test_table_is_what_measuring_gives_for_our_own(name):
    assert measure_own(name) == BY_NAME[name]


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18", "shufflenet_v2_x0_5"])
def test_table_is_what_measuring_gives_for_torchvisions(name):
    assert measure_published(name, family_of(name).source) == BY_NAME[name]


@pytest.mark.slow
def test_whole_table_is_what_measuring_gives():
    for info in catalogue():
        if info.imagenet and MODELS[info.name].published:
            assert measure_published(info.name, info.source) == info


def test_listing_imports_no_torchvision():
    code = (
        "import sys, longspan.models as m; m.catalogue(); m.create('lenet5', in_channels=1, size_px=(28, 28)); "
        "sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_entries_are_complete():
    for info in catalogue():
        assert all(value not in ("", None) for value in dataclasses.asdict(info).values()), info
        if MODELS[info.name].reads != "tokens":  # whose embeddings are looked up
            assert info.multiply_adds > info.parameters / 10

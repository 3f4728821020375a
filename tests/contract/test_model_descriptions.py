"""Every network by name is described in JSON, and the description builds the same network again, options included."""

import dataclasses
import json

import pytest

from longspan.columns import Features, SequenceSpec, Text
from longspan.models import create, from_json, model_names, to_json
from longspan.models.entries import MODELS
from longspan.nn.without_memory import without_memory

ROWS = [{"size": 1.0, "kind": "a"}, {"size": 2.0, "kind": "b"}, {"size": 3.0, "kind": "a"}]
SPECS = {
    "features": Features(numbers=["size"], categories=["kind"], min_count=1).fit(ROWS).spec(),
    "tokens": Text(vocab=("a", "b", "c"), max_length=8, min_steps=1).as_input().spec(),
    "sequence": SequenceSpec(12),
}
# Numbers that are not what a network has anyway, by name of an option.
OTHER = {int: lambda value: value * 2, float: lambda value: value / 2, bool: lambda value: not value}


def built(model, entry):
    with without_memory():
        if entry.reads != "image":
            return create(model, inputs={"x": SPECS[entry.reads]})
        return create(model, in_channels=entry.channels_in, size_px=entry.size_px)


def again(described):
    text = json.dumps(described, allow_nan=False)
    with without_memory():
        found = from_json(json.loads(text))
    return found, json.dumps(to_json(found), allow_nan=False) == text


def shapes(network):
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


QUICK = ("squeezenet1_1", "resnet18", "mobilenet_v3_small", "vit_b_32")  # of torchvision's, which are slow to build
EACH = [
    pytest.param(name, marks=pytest.mark.slow if MODELS[name].published and name not in QUICK else ())
    for name in model_names()
]


@pytest.mark.parametrize("name", EACH)
def test_the_description_of_a_network_builds_it_again(name):
    network = built(name, MODELS[name])
    found, same = again(to_json(network))
    assert same
    assert type(found) is type(network)
    assert found.config == network.config
    assert shapes(found) == shapes(network)


def changed(config):
    """Every option of a config that has another value which the network takes too."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if type(value) not in OTHER:
            continue
        try:
            other = dataclasses.replace(config, **{field.name: OTHER[type(value)](value)})
        except Exception:
            continue
        yield field.name, other


@pytest.mark.parametrize("name", [name for name in model_names() if MODELS[name].config is not None])
def test_options_of_a_network_come_back_from_its_description(name):
    entry, tried = MODELS[name], 0
    config = built(name, entry).config
    assert dataclasses.is_dataclass(config)
    for _, other in changed(config):
        try:
            network = built(other, entry)
        except Exception:
            continue
        found, same = again(to_json(network))
        assert same
        assert found.config == other == network.config
        assert shapes(found) == shapes(network)
        tried += 1
    assert tried

"""Several inputs in one network, each with an encoder of its own."""

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.columns import ImageSpec, SequenceSpec, TokensSpec, VectorSpec
from longspan.columns.ragged import pad
from longspan.errors import ConfigError
from longspan.models import create, from_json, to_json

IMAGE, SMALL = ImageSpec(1, (8, 8)), ls.SmallResNetConfig(blocks=1, width=4)


def inputs_for(specs, rows=3):
    """Prepared inputs that fit the specs."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for spec in specs.values():
        if isinstance(spec, ImageSpec):
            made.append(torch.randn(rows, spec.channels, *spec.size_px, generator=generator))
        elif isinstance(spec, TokensSpec):
            made.append(pad([torch.randint(1, spec.vocab_size, (2 + i,), generator=generator) for i in range(rows)]))
        elif isinstance(spec, SequenceSpec):
            made.append(pad([torch.randn(1 + i, spec.features, generator=generator) for i in range(rows)]))
        elif spec.numbers:
            shape = (rows,) if spec.numbers == 1 else (rows, spec.numbers)
            made.append(torch.randn(shape, generator=generator))
        else:
            made.append(torch.stack([torch.randint(0, n, (rows,), generator=generator) for n in spec.categories], 1))
    return made


SPECS = {
    "scan": IMAGE, "other": ImageSpec(3, (12, 12)), "age": VectorSpec(1), "sex": VectorSpec(0, (3,)),
    "lit": VectorSpec(4), "kinds": VectorSpec(0, (2, 90)), "words": TokensSpec(vocab_size=9), "walk": SequenceSpec(5),
}  # fmt: skip


def test_features_of_all_inputs_stand_side_by_side_and_each_one_counts():
    torch.manual_seed(0)
    network = create(SMALL, inputs=SPECS).eval()
    inputs = inputs_for(SPECS)
    features = network(*inputs)
    assert features.shape == (3, network.num_features) == (3, 2 * 16 + 5 * 64 + 128)
    others = inputs_for(SPECS)
    for place, name in enumerate(SPECS):
        changed = list(inputs)
        each = others[place]
        changed[place] = (
            pad([each.values[2], each.values[0], each.values[1]]) if isinstance(each, tuple) else each.flip(0)
        )
        moved = (network(*changed) != features).any(dim=0)
        widths = [encoder.num_features for encoder in network.encoders]
        start = sum(widths[:place])
        assert moved[start : start + widths[place]].any(), name
        assert not moved[:start].any()
        assert not moved[start + widths[place] :].any()


def test_padding_counts_for_nothing():
    torch.manual_seed(0)
    specs = {"words": SPECS["words"], "walk": SPECS["walk"]}
    network = create("encoders", inputs=specs).eval()
    words, walk = inputs_for(specs)
    together = network(words, walk)
    for row in range(3):
        alone = network(pad([words.values[row, : words.lengths[row]]]), pad([walk.values[row, : walk.lengths[row]]]))
        torch.testing.assert_close(alone[0], together[row])


def test_groups_are_those_of_the_image_networks_level_by_level():
    network = create(SMALL, inputs=SPECS)
    alone = create(SMALL, inputs={"scan": IMAGE})
    groups = network.groups()
    assert len(groups) == len(alone.groups())
    of_images = [id(p) for encoder in network.networks for p in encoder.parameters()]
    assert sorted(id(p) for group in groups for p in group) == sorted(of_images)
    assert create("encoders", inputs={"age": VectorSpec(1)}).groups() == []


@pytest.mark.parametrize("specs", [SPECS, {"age": VectorSpec(1), "words": TokensSpec(9)}])
def test_json_builds_the_same_network_again(specs):
    import json

    model = SMALL if "scan" in specs else "encoders"
    network = create(model, inputs=specs)
    again = from_json(json.loads(json.dumps(to_json(network))))
    again.load_state_dict(network.state_dict())
    inputs = inputs_for(specs)
    assert torch.equal(again.eval()(*inputs), network.eval()(*inputs))


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ConfigError, match=r"resnet18 reads an image, but the inputs are age \(vector\).*'encoders'"):
        create("resnet18", inputs={"age": VectorSpec(1)})
    with pytest.raises(ConfigError, match="choose a network by name for the images"):
        create("encoders", inputs={"scan": IMAGE})
    with pytest.raises(ConfigError, match="gives a sequence, which cannot stand beside"):
        create("line_cnn", inputs={"line": ImageSpec(1, (32, 64)), "age": VectorSpec(1)})


def table(rows=160):
    """Whether the lit half is the one that a number asks for, which neither says alone; a category is noise."""
    generator = np.random.default_rng(3)
    side, asked = generator.integers(0, 2, rows), generator.integers(0, 2, rows)
    images = generator.integers(0, 60, (rows, 8, 8)).astype(np.uint8)
    for i in range(rows):
        images[i, :, slice(0, 4) if side[i] else slice(4, 8)] += 120
    cells = {
        "image": images,
        "asked": (1000.0 + 5 * asked + generator.normal(0, 0.5, rows)).tolist(),
        "day": [("mon", "tue", "wed")[i] for i in generator.integers(0, 3, rows)],
        "right": ["yes" if a == s else "no" for a, s in zip(asked, side, strict=True)],
    }
    kinds = {"image": ls.Image(), "asked": ls.Number(), "day": ls.Category(), "right": ls.Category()}
    return ls.Table.from_arrays(cells, kinds)


@pytest.fixture(scope="module")
def data():
    return table()


def learner_for(data, inputs, model=SMALL, seed=0):
    task = ls.Task(data.split(valid=40, seed=0), inputs, "right", allow_leaks=True)
    config = ls.TrainConfig(batch_size=20, precision="float32")
    heads = {"right": ls.Classify(hidden=(32,))}  # linear layers cannot join the two
    return ls.Learner(task, model, heads=heads, config=config, progress=False, device="cpu", seed=seed)


def test_an_image_and_a_number_learn_together_what_neither_says_alone(data, tmp_path):
    both = learner_for(data, ["image", "asked", "day"]).fit_one_cycle(15, lr=1e-2)
    assert both.evaluate()["accuracy"] >= 0.95
    assert learner_for(data, "image").fit_one_cycle(5, lr=1e-2).evaluate()["accuracy"] < 0.8
    assert learner_for(data, ["asked", "day"], "encoders").fit_one_cycle(5, lr=1e-2).evaluate()["accuracy"] < 0.8
    again = ls.load(both.save(tmp_path / "both.safetensors"), device="cpu")
    rows = data.take([0, 1, 2]).select("image", "asked", "day")
    assert [each["right"] for each in again.predict(rows)] == [each["right"] for each in both.predict(rows)]
    sample = {name: data.value(0, name) for name in ("image", "asked", "day")}
    assert again.predict(sample)["right"] == both.predict(rows)[0]["right"]


def test_small_encoders_learn_while_the_image_networks_are_frozen(data, small):
    learner = learner_for(data, ["image", "asked"])
    before = small.weights(learner)
    learner.run([ls.Phase(epochs=1, lr=1e-2, frozen=1.0)])
    changed = {name for name, value in small.weights(learner).items() if not torch.equal(value, before[name])}
    assert any(name.startswith("backbone.encoders.1.") for name in changed)
    assert any(name.startswith("heads.") for name in changed)
    assert not any(name.startswith("backbone.encoders.0.") for name in changed)

"""Encoders of sequences without recurrent layers: lengths, padding, look-ahead, files."""

import json

import pytest
import torch

import longspan as ls
from longspan.columns import SequenceSpec
from longspan.columns.ragged import Ragged, pad
from longspan.errors import ConfigError, ShapeError
from longspan.models import ConformerConfig, QuartzNetConfig, create, from_json, to_json

SEQUENCES = [torch.randn(length, 12, generator=torch.Generator().manual_seed(length)) for length in (41, 17, 30)]
SMALL = {
    "quartznet": QuartzNetConfig(width=16, kernels=(5, 7)),
    "quartznet stream": QuartzNetConfig(width=16, kernels=(5, 7), streaming=True),
    "quartznet stride 4": QuartzNetConfig(width=16, kernels=(5,), stride=4),
    "conformer": ConformerConfig(width=16, layers=2, heads=2, kernel=5, stride=2),
    "conformer stream": ConformerConfig(width=16, layers=2, heads=2, kernel=5, history=6),
}
each = pytest.mark.parametrize("config", SMALL.values(), ids=SMALL)


def build(config, pool=None):
    torch.manual_seed(0)
    return create(config, inputs={"sound": SequenceSpec(12)}, pool=pool).eval()


@each
def test_a_row_has_its_own_steps_and_does_not_depend_on_others(config):
    model = build(config)
    together = model(pad(SEQUENCES))
    assert isinstance(together, Ragged)
    assert together.lengths.tolist() == [-(-length // config.stride) for length in (41, 17, 30)]
    assert together.values.shape == (3, -(-41 // config.stride), model.num_features)
    for row, sequence in enumerate(SEQUENCES):
        alone = model(pad([sequence]))
        torch.testing.assert_close(together.values[row, : alone.lengths[0]], alone.values[0], atol=1e-5, rtol=0)
        assert not together.values[row, alone.lengths[0] :].any()


@pytest.mark.parametrize("name", ["quartznet stream", "conformer stream", "quartznet stride 4"])
def test_a_step_sees_no_further_than_the_lookahead(name):
    config = SMALL[name]
    model = build(config)
    ahead = int(model.lookahead)
    long = torch.randn(120, 12, generator=torch.Generator().manual_seed(9))
    changed = long.clone()
    changed[60 + ahead + 1 :] += 5
    one, other = model(pad([long])).values[0], model(pad([changed])).values[0]
    same = (one - other).abs().amax(1) < 1e-6
    step = 60 // config.stride  # stands at frame 60
    assert same[: step + 1].all()
    assert not same[step + 1 :].all()
    changed = long.clone()
    changed[60 + ahead] += 5  # the last frame that it sees
    assert not torch.equal(model(pad([changed])).values[0][step], one[step])


def test_without_streaming_steps_see_what_comes():
    assert build(SMALL["conformer"]).lookahead is None
    assert build(SMALL["quartznet"]).lookahead == 2 + 2 * (2 * 2 + 2 * 3)
    assert build(SMALL["quartznet stream"]).lookahead == 2
    assert build(SMALL["conformer stream"]).lookahead == 3


def test_attention_reaches_as_far_back_as_the_history():
    config = ConformerConfig(width=16, layers=1, heads=2, kernel=1, stride=2, history=6)
    model = build(config)
    long = torch.randn(80, 12, generator=torch.Generator().manual_seed(9))
    changed = long.clone()
    changed[:20] += 5
    one, other = model(pad([long])).values[0], model(pad([changed])).values[0]
    # Step s reads frames 2 s - 3 to 2 s + 3 of step s - 6 and later: from step 18 on nothing before frame 20.
    assert torch.allclose(one[18:], other[18:], atol=1e-6)
    assert not torch.allclose(one[15], other[15], atol=1e-6)


@each
def test_steps_become_one_vector(config):
    steps, model = build(config), build(config, "avg_max")
    model.load_state_dict(steps.state_dict())
    found, vector = steps(pad(SEQUENCES)), model(pad(SEQUENCES))
    for row, length in enumerate(found.lengths.tolist()):
        own = found.values[row, :length]
        torch.testing.assert_close(vector[row], torch.cat([own.mean(0), own.amax(0)]), atol=1e-5, rtol=1e-5)


@each
def test_gradients_reach_every_parameter_once_grouped_and_files_make_it_again(config):
    model = build(config).train()
    (model(pad(SEQUENCES)).values * torch.randn(model.num_features)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    grouped = [id(p) for group in model.groups() for p in group]
    assert sorted(grouped) == sorted(map(id, model.parameters()))
    again = from_json(json.loads(json.dumps(to_json(model))))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval()(pad(SEQUENCES)).values, model.eval()(pad(SEQUENCES)).values)


def test_what_does_not_fit_says_so():
    with pytest.raises(ShapeError, match=r"quartznet reads ragged sequences of 12 features, got \(2, 12\)"):
        build(SMALL["quartznet"])(torch.zeros(2, 12))
    with pytest.raises(ConfigError, match=r"conformer reads sequence, but the inputs are photo \(image\)"):
        create("conformer", inputs={"photo": ls.ImageSpec(1, (8, 8))})
    for config, fault in (
        (lambda: QuartzNetConfig(kernels=(4,)), "odd numbers"),
        (lambda: QuartzNetConfig(stride=3), "1, 2 or 4"),
        (lambda: ConformerConfig(width=30), "multiple of heads"),
        (lambda: ConformerConfig(kernel=4), "must be odd"),
        (lambda: ConformerConfig(stride=1), "2 or 4"),
        (lambda: ConformerConfig(history=0), "history must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=fault):
            config()

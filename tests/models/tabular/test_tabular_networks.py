"""What holds for every network of tables, and their agreement with the reference packages."""

import json

import pytest
import torch
from torch import nn

from longspan.columns import FeaturesSpec, ImageSpec
from longspan.errors import ConfigError, ShapeError
from longspan.models import (
    FTTransformerConfig,
    MLPConfig,
    TabMConfig,
    TabMLightConfig,
    TabularResNetConfig,
    create,
    from_json,
    to_json,
)
from longspan.models.entries import MODELS

SPEC = FeaturesSpec(numbers=3, categories=(4, 7), edges=((-2.0, -1.0, 0.0, 2.0), (-1.0, 1.0), (0.0, 1.0)))
NAMES = [name for name, entry in MODELS.items() if entry.reads == "features"]
every = pytest.mark.parametrize("name", NAMES)


def features(rows=8, spec=SPEC, seed=0):
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(rows, spec.numbers, generator=generator)
    classes = [torch.randint(0, count, (rows, 1), generator=generator).float() for count in spec.categories]
    return torch.cat([numbers, *classes], dim=1)


def built(name, spec=SPEC, seed=3):
    torch.manual_seed(seed)
    return create(name, inputs={"features": spec})


def shape_of(model, rows):
    return (rows, model.members, model.num_features) if model.members > 1 else (rows, model.num_features)


@every
@pytest.mark.parametrize(
    "spec",
    [SPEC, FeaturesSpec(numbers=1, edges=((0.0, 1.0),)), FeaturesSpec(categories=(5,))],
    ids=["both", "number", "category"],
)
def test_gives_one_vector_a_row_or_a_member(name, spec):
    model = built(name, spec).eval()
    outputs = model(features(8, spec))
    assert outputs.shape == shape_of(model, 8)
    assert outputs.dtype == torch.float32
    with pytest.raises(ShapeError, match="features, got"):
        model(torch.zeros(2, spec.numbers + len(spec.categories) + 1))


@every
def test_rows_do_not_mix_and_evaluation_is_repeatable(name):
    model = built(name).eval()
    rows = features()
    together = model(rows)
    torch.testing.assert_close(torch.cat([model(row[None]) for row in rows]), together, rtol=1e-4, atol=1e-5)
    assert torch.equal(model(rows), together)


@every
def test_gradients_reach_every_parameter(name):
    model = built(name)
    model(features(64)).square().sum().backward()
    silent = [key for key, parameter in model.named_parameters() if parameter.grad is None]
    assert silent == []


@every
def test_groups_hold_every_parameter_once(name):
    model = built(name)
    grouped = [id(parameter) for group in model.groups() for parameter in group]
    assert sorted(grouped) == sorted(map(id, model.parameters()))


@every
def test_json_builds_the_same_network_again(name):
    model = built(name)
    again = from_json(json.loads(json.dumps(to_json(model))))
    again.load_state_dict(model.state_dict())
    assert to_json(again) == to_json(model)
    assert torch.equal(again.eval()(features()), model.eval()(features()))


@every
def test_the_unknown_label_is_learned_although_no_row_has_it(name):
    model = built(name)
    rows = features(256)
    rows[:, SPEC.numbers :].clamp_min_(1)
    torch.manual_seed(0)
    before = {key: parameter.clone() for key, parameter in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (model.train()(rows) - 1).square().mean().backward()
        optimizer.step()
    embeddings = [key for key, module in model.named_modules() if isinstance(module, nn.Embedding)]
    for key in embeddings:
        now = model.get_submodule(key).weight
        assert not torch.equal(now[0], before[f"{key}.weight"][0]), key
    if not embeddings:  # one-hot: the first column of the first layer's weights
        key, now = next((k, p) for k, p in model.named_parameters() if k.startswith("blocks.0") and "weight" in k)
        place = sum(model.input.widths[: SPEC.numbers])
        assert not torch.equal(now[:, place], before[key][:, place])


@pytest.mark.filterwarnings("ignore:The .-th feature has just two bin edges")
def test_tabm_is_that_of_the_reference():
    tabm = pytest.importorskip("tabm")
    reference = pytest.importorskip("rtdl_num_embeddings")
    from longspan.nn.member_linear import MemberLinear

    for mini in (False, True):
        bins = [torch.tensor(edges) for edges in SPEC.edges]
        embedding = reference.PiecewiseLinearEmbeddings(bins, 4, activation=False, version="B")
        torch.manual_seed(0)
        wanted = tabm.TabM.make(
            n_num_features=3, cat_cardinalities=[4, 7], d_out=2, num_embeddings=embedding, k=5, d_block=16,
            arch_type="tabm-mini" if mini else "tabm",
        ).eval()  # fmt: skip
        config = TabMConfig(members=5, width=16, number_width=4, mini=mini)
        ours, head = config.build_for(SPEC).eval(), MemberLinear(16, 2, 5)
        theirs = wanted.state_dict()
        mine = {
            "input.numbers.linear.weight": theirs["num_module.linear0.weight"],
            "input.numbers.linear.bias": theirs["num_module.linear0.bias"],
        }
        if mini:
            mine["scales"] = theirs["backbone.affine.weight"]
        for block in range(2):
            for key, name in (("weight", "weight"), ("bias", "bias"), ("r", "scale_in"), ("s", "scale_out")):
                if f"backbone.blocks.{block}.0.{key}" in theirs:
                    mine[f"blocks.{block}.{name}"] = theirs[f"backbone.blocks.{block}.0.{key}"]
        missing, unexpected = ours.load_state_dict(mine, strict=False)
        assert unexpected == []
        assert all("bends" in key or key.split(".")[-1] in ("scale", "shift", "low", "high") for key in missing)
        head.load_state_dict({"weight": theirs["output.weight"], "bias": theirs["output.bias"]})
        rows = features()
        outputs = wanted(rows[:, :3], rows[:, 3:].long())
        torch.testing.assert_close(head(ours(rows)).members, outputs, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:The .-th feature has just two bin edges")
def test_tabm_light_is_tabm_mini_with_one_scale_for_each_feature():
    tabm = pytest.importorskip("tabm")
    reference = pytest.importorskip("rtdl_num_embeddings")
    bins = [torch.tensor(edges) for edges in SPEC.edges]
    torch.manual_seed(0)
    wanted = tabm.TabM.make(
        n_num_features=3, cat_cardinalities=[4, 7], d_out=2, k=5, d_block=16, arch_type="tabm-mini",
        num_embeddings=reference.PiecewiseLinearEmbeddings(bins, 4, activation=False, version="B"),
    ).eval()  # fmt: skip
    ours = TabMLightConfig(members=5, width=16, number_width=4).build_for(SPEC).eval()
    ours.bounded = nn.Identity()
    widths = [4, 4, 4, 4, 7]
    with torch.no_grad():
        embedding, blocks = wanted.num_module, wanted.backbone.blocks
        embedding.linear0.weight.copy_(ours.numbers.linear.weight)
        embedding.linear0.bias.copy_(ours.numbers.linear.bias)
        wanted.backbone.affine.weight.copy_(ours.scales.repeat_interleave(torch.tensor(widths), 1))
        first = [*ours.from_numbers.weight.unbind(0), *ours.categories.weight.split([4, 7])]
        blocks[0][0].weight.copy_(torch.cat(first).T)
        blocks[0][0].bias.copy_(ours.bias)
        blocks[1][0].weight.copy_(ours.layers[0].weight)
        blocks[1][0].bias.copy_(ours.layers[0].bias)
        wanted.output.weight.copy_(torch.eye(16)[:, :2].expand(5, 16, 2))
        wanted.output.bias.zero_()
    rows = features()
    found = wanted(rows[:, :3], rows[:, 3:].long())
    torch.testing.assert_close(ours(rows)[..., :2], found, rtol=1e-4, atol=1e-5)


def test_far_numbers_do_not_run_away_along_the_slope_of_the_last_bin():
    spec = FeaturesSpec(numbers=1, categories=(), edges=(tuple(float(edge) for edge in range(11)),))
    torch.manual_seed(0)
    model = TabMLightConfig(members=4, width=16).build_for(spec).eval()
    with torch.no_grad():
        model.numbers.bends.weight.normal_(0, 5)
        far, farther = model(torch.tensor([[30.0]])), model(torch.tensor([[3000.0]]))
    assert (farther - far).abs().max() < 0.5 * far.abs().max()


def test_bounded_numbers_have_median_0_and_stay_within_3():
    from longspan.nn.number_embeddings import BoundedNumbers

    values = torch.linspace(-40, 60, 1001)
    edges = values.quantile(torch.linspace(0, 1, 49)).tolist()
    bounded = BoundedNumbers([edges, [0.0, 0.0, 0.0, 0.0, 8.0]])
    found = bounded(torch.tensor([[10.0, 0.0], [35.0, 4.0], [1e9, -1e9]]))
    scaled = 0.5  # 25 above the median, and the quartiles are 50 apart
    wanted = [[0, 0], [scaled / (1 + (scaled / 3) ** 2) ** 0.5, 1 / (1 + 1 / 9) ** 0.5], [3, -3]]
    torch.testing.assert_close(found, torch.tensor(wanted), rtol=1e-3, atol=1e-4)


def test_the_first_scales_are_drawn_as_in_the_reference():
    model = TabMConfig(members=400).build_for(SPEC)
    scales = model.blocks[0].scale_in
    widths = model.input.widths
    for each in scales.split(list(widths), dim=1):
        assert torch.equal(each, each[:, :1].expand_as(each))  # one number for each member and feature
    assert scales[:, 0].std().item() == pytest.approx(1, abs=0.15)
    plain = TabMConfig(numbers="none").build_for(SPEC)
    assert set(plain.blocks[0].scale_in.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(model.blocks[1].scale_in, torch.ones_like(model.blocks[1].scale_in))


def test_resnet_is_that_of_the_reference():
    rtdl = pytest.importorskip("rtdl_revisiting_models")
    spec = FeaturesSpec(numbers=6, edges=((0.0, 1.0),) * 6)
    ours = TabularResNetConfig(blocks=3, width=8, hidden=12).build_for(spec).eval()
    wanted = rtdl.ResNet(
        d_in=6, d_out=None, n_blocks=3, d_block=8, d_hidden=12, d_hidden_multiplier=None, dropout1=0.15, dropout2=0.0
    ).eval()
    for module in (ours, wanted):
        torch.manual_seed(1)
        for parameter in module.parameters():
            nn.init.uniform_(parameter, -0.5, 0.5)
    rows = features(8, spec)
    reference = wanted.input_projection(rows)
    for block in wanted.blocks:
        reference = reference + block(reference)
    reference = ours.norm(reference).relu()
    torch.testing.assert_close(ours(rows), reference, rtol=1e-4, atol=1e-5)


def test_ft_transformer_is_that_of_the_reference():
    rtdl = pytest.importorskip("rtdl_revisiting_models")
    wanted = rtdl.FTTransformerBackbone(
        d_out=None, n_blocks=2, d_block=16, attention_n_heads=4, attention_dropout=0.2, ffn_d_hidden=None,
        ffn_d_hidden_multiplier=4 / 3, ffn_dropout=0.1, residual_dropout=0.0,
    ).eval()  # fmt: skip
    ours = FTTransformerConfig(blocks=2, width=16, heads=4).build_for(SPEC).eval()
    names = {"query": "attention.W_q", "key": "attention.W_k", "value": "attention.W_v", "out": "attention.W_out"}
    names |= {"norm": "ffn_normalization", "down": "ffn.linear2", "attention_norm": "attention_normalization"}
    theirs = wanted.state_dict()
    for number, block in enumerate(ours.blocks):
        mine = {}
        for key in block.state_dict():
            module, kind = key.rsplit(".", 1)
            if module != "up":
                mine[key] = theirs[f"blocks.{number}.{names[module]}.{kind}"]
        for kind in ("weight", "bias"):  # ReGLU multiplies the first half by the second's ReLU
            mine[f"up.{kind}"] = theirs[f"blocks.{number}.ffn.linear1.{kind}"]
        block.load_state_dict(mine)
    numbers = rtdl.LinearEmbeddings(3, 16)
    numbers.load_state_dict(ours.numbers.state_dict())
    categories = rtdl.CategoricalEmbeddings([4, 7], 16)
    state = {f"embeddings.{key}": value for key, value in ours.categories.state_dict().items()}
    categories.load_state_dict({**state, "bias": ours.category_bias.detach()})
    rows = features()
    token = ours.row_token.detach().expand(8, 1, -1)
    hidden = wanted(torch.cat([token, numbers(rows[:, :3]), categories(rows[:, 3:].long())], dim=1))
    torch.testing.assert_close(ours(rows), ours.norm(hidden).relu(), rtol=1e-4, atol=1e-5)


def test_mlp_has_fastais_layers():
    model = MLPConfig(hidden=(20, 10), dropout=0.5).build_for(SPEC)
    kinds = [[type(layer).__name__ for layer in block] for block in model.layers]
    assert kinds == [["Linear", "ReLU", "BatchNorm1d", "Dropout"]] * 2
    assert [block[0].bias for block in model.layers] == [None, None]
    assert [each.weight.shape[1] for each in model.input.categories] == [3, 5]  # round(1.6 * n ** 0.56)


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ConfigError, match="mlp reads features, but the inputs are scan"):
        create("mlp", inputs={"scan": ImageSpec(1, (28, 28))})
    with pytest.raises(ConfigError, match="choose a network by name for the images"):
        create("mlp", inputs={"scan": ImageSpec(1, (28, 28)), "person": SPEC})
    with pytest.raises(ConfigError, match="reads the features of a table, not images"):
        create("mlp")
    with pytest.raises(ConfigError, match="gives 32 vectors for each row"):
        create("tabm", inputs={"one": SPEC, "other": SPEC})
    with pytest.raises(ConfigError, match="pool= and weights='imagenet' are for networks that read images"):
        create("mlp", inputs={"person": SPEC}, pool="avg")
    with pytest.raises(ConfigError, match="members must be at least 2"):
        TabMConfig(members=1)


@pytest.mark.parametrize("model", ["lenet5", "mlp"])
def test_features_beside_other_inputs(model):
    specs = {"person": SPEC, "other": SPEC} if model == "mlp" else {"scan": ImageSpec(1, (28, 28)), "person": SPEC}
    network = create(model, inputs=specs)
    inputs = [torch.rand(4, 1, 28, 28) if name == "scan" else features(4) for name in specs]
    again = from_json(json.loads(json.dumps(to_json(network))))
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.eval()(*inputs), network.eval()(*inputs))

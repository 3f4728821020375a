import pytest
import torch
import torch.nn.functional as F

from longspan.errors import ConfigError, ShapeError
from longspan.models import LineCNNConfig, catalogue, create, from_json, load_weights, to_json
from longspan.storage.files import write_tensors


def line(config=None, size_px=(32, 128), pool=None):
    return create(config or "line_cnn", in_channels=1, size_px=size_px, pool=pool)


def test_layers_give_what_the_docstring_says():
    model = line().eval()
    image = torch.rand(2, 1, 32, 128)
    # The four pixels of a 2 x 2 block, by hand.
    maps = torch.cat([image[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], dim=1)
    for number, (conv, norm) in enumerate(zip(model.convs, model.norms, strict=True)):
        maps = F.conv2d(maps, conv.weight, padding=(0, 1) if number == 4 else 1)
        maps = norm(F.max_pool2d(maps, [(2, 2), (2, 1), (2, 1), (1, 1), (1, 1)][number])).relu()
    assert maps.shape == (2, 96, 1, 32)
    torch.testing.assert_close(model(image), maps[:, :, 0].transpose(1, 2))
    assert (model.sequence, model.num_features) == (True, 96)


def test_one_image_costs_at_most_ten_million_multiply_adds():
    (info,) = [info for info in catalogue() if info.name == "line_cnn"]
    assert info.multiply_adds < 10e6
    assert info.size_px == (32, 128)


@pytest.mark.parametrize(("stride_px", "field_px"), [(4, 40), (8, 68)])
def test_a_step_sees_more_than_one_letter_and_no_further(stride_px, field_px):
    model = line(LineCNNConfig(stride_px=stride_px, dropout=0.0)).double().eval()
    image = torch.rand(1, 1, 32, 128, dtype=torch.float64, requires_grad=True)
    steps = model(image)
    assert steps.shape[1] == 128 // stride_px
    middle = steps.shape[1] // 2
    (gradient,) = torch.autograd.grad(steps[0, middle].sum(), image)
    seen = gradient[0, 0].abs().sum(dim=0).nonzero()[:, 0]
    # Pooling hands gradients to maxima alone, so a column at the edge may go without.
    assert field_px - 8 <= int(seen[-1] - seen[0]) + 1 <= field_px
    centre = (middle + 0.5) * stride_px
    assert abs(float(seen[-1] + seen[0]) / 2 - centre) <= 6


def test_maps_are_given_as_long_as_both_sides_shrink_alike():
    image = torch.rand(1, 1, 32, 128)
    assert [tuple(each.shape) for each in line().features(image)] == [(1, 16, 8, 32)]
    wide = line(LineCNNConfig(stride_px=8))
    assert [tuple(each.shape) for each in wide.features(image)] == [(1, 16, 8, 32), (1, 32, 4, 16)]
    assert (wide.channels, wide.strides) == ((16, 32), (4, 8))


@pytest.mark.parametrize(("width", "steps"), [(4, 1), (6, 2), (128, 32), (129, 33), (131, 33), (300, 75)])
def test_any_width_gives_a_step_for_every_4_px(width, steps):
    assert line().eval()(torch.rand(1, 1, 32, width)).shape == (1, steps, 96)


def test_odd_sides_double_the_last_row_and_column():
    model = line(size_px=(31, 61)).eval()
    image = torch.rand(1, 1, 31, 61)
    doubled = torch.cat([image, image[..., -1:]], 3)
    doubled = torch.cat([doubled, doubled[:, :, -1:]], 2)
    even = line(size_px=(32, 62)).eval()
    even.load_state_dict(model.state_dict())
    assert model(image).equal(even(doubled))


def test_another_height_is_refused():
    with pytest.raises(ShapeError, match=r"built for images of 32 px height and any width, got 48 x 128"):
        line()(torch.rand(1, 1, 48, 128))


@pytest.mark.parametrize(("pool", "width"), [("avg", 96), ("avg_max", 192)])
def test_pooled_it_gives_one_vector_with_the_weights_of_the_sequence(pool, width, tmp_path):
    sequence, pooled = line().eval(), line(size_px=(32, 32), pool=pool).eval()
    write_tensors(tmp_path / "line.safetensors", sequence.state_dict(), {})
    load_weights(pooled, tmp_path / "line.safetensors")
    image = torch.rand(2, 1, 32, 128)
    steps = sequence(image)
    expected = steps.mean(dim=1) if pool == "avg" else torch.cat([steps.mean(dim=1), steps.amax(dim=1)], dim=1)
    torch.testing.assert_close(pooled(image), expected)
    assert (pooled.sequence, pooled.num_features) == (False, width)


def test_options_survive_json():
    model = line(LineCNNConfig(channels=(4, 4, 8, 8), num_features=12, stride_px=8, dropout=0.0), (48, 64), "avg")
    again = from_json(to_json(model))
    assert (again.config, again.pool, again.num_features) == (model.config, "avg", 12)


@pytest.mark.parametrize(
    "options",
    [{"channels": (1, 2, 3)}, {"channels": (0, 1, 1, 1)}, {"dropout": 1.0}, {"stride_px": 2}, {"num_features": 0}],
)
def test_values_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        LineCNNConfig(**options)


def test_further_convolutions_add_to_what_they_read():
    shallow, deep = (line(LineCNNConfig(depth=depth), (32, 64)).eval() for depth in (1, 3))
    grouped = [parameter for group in deep.groups() for parameter in group]
    assert {id(each) for each in grouped} == {id(each) for each in deep.parameters()}
    assert len(grouped) == len(list(deep.parameters()))
    assert len(deep.groups()) == len(shallow.groups()) == 5
    with torch.no_grad():
        for further in deep.further:
            for layer in further:
                layer.norm.weight.zero_()  # then they add nothing
        deep.load_state_dict(shallow.state_dict(), strict=False)
        image = torch.rand(2, 1, 32, 64)
        torch.testing.assert_close(deep(image), shallow(image))


def test_a_depth_below_one_is_refused():
    with pytest.raises(ConfigError, match="depth"):
        LineCNNConfig(depth=0)

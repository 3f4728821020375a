import importlib

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.errors import ConfigError, UnknownNameError
from longspan.explain.attribution import attribution_batch


@pytest.fixture(scope="module")
def squares():
    """A small network that tells a bright square at the left from one at the right, and images of both."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (64, 24, 24), dtype=np.uint8)
    sides = np.where(np.arange(64) % 2 == 0, "left", "right")
    for image, side in zip(images, sides, strict=True):
        image[8:16, 3:9] = 220 if side == "left" else 40
        image[8:16, 15:21] = 220 if side == "right" else 40
    table = ls.Table.from_arrays({"image": images, "side": list(sides)}, {"image": ls.Image(), "side": ls.Category()})
    task = ls.Task(table.split(valid=0.25, seed=0), "image", "side", allow_leaks=True)
    config = ls.TrainConfig(batch_size=16, precision="float32")
    learner = ls.Learner(task, "lenet5", seed=0, config=config, device="cpu", progress=False)
    return learner.fit_one_cycle(6, lr=3e-3).predictor(), list(images[:4])


@pytest.fixture(scope="module")
def batch(squares):
    return attribution_batch(*squares)


def forward(batch):
    return lambda images: batch.model.network(images)["side"]


@pytest.fixture(scope="module")
def captum():
    """Imported when it is used: with all that it brings it takes seconds, in every process that collects tests."""
    return importlib.import_module("captum.attr")


def test_grad_cam_is_captums(squares, batch, captum):
    reference = captum.LayerGradCam(forward(batch), batch.model.layer).attribute(
        batch.prepared, batch.classes, relu_attributions=True
    )
    expected = captum.LayerAttribution.interpolate(reference, (24, 24), "bilinear")[:, 0].detach().numpy()
    found = ls.explain.attribute(*squares)
    assert expected.max() > 0
    np.testing.assert_allclose([each.map for each in found], expected, rtol=1e-4, atol=1e-6)
    assert [each.outcome for each in found] == ["left", "right", "left", "right"]
    assert {each.target for each in found} == {"side"}


def test_integrated_gradients_are_captums_and_sum_to_the_score(squares, batch, captum):
    reference = captum.IntegratedGradients(forward(batch)).attribute(
        batch.prepared, torch.zeros_like(batch.prepared), batch.classes, n_steps=32
    )
    found = ls.explain.attribute(*squares, method="integrated_gradients")
    np.testing.assert_allclose([each.map for each in found], reference.sum(1).detach(), rtol=1e-3, atol=1e-5)
    with torch.no_grad():
        empty = batch.model.score(torch.zeros_like(batch.prepared), batch.classes).numpy()
    for each, start in zip(found, empty, strict=True):
        assert each.map.sum() == pytest.approx(each.score - start, rel=0.1)


def test_occlusion_is_captums(squares, batch, captum):
    reference = captum.Occlusion(forward(batch)).attribute(
        batch.prepared, (1, 6, 6), strides=(1, 3, 3), target=batch.classes, baselines=0
    )
    found = ls.explain.attribute(*squares, method="occlusion", patch_px=6)
    np.testing.assert_allclose([each.map for each in found], reference.sum(1).detach(), rtol=1e-4, atol=1e-5)


def test_the_square_is_where_the_network_looked(squares):
    left, right = np.zeros((24, 24), bool), np.zeros((24, 24), bool)
    left[8:16, 3:9], right[8:16, 15:21] = True, True
    maps = [each.map for each in ls.explain.attribute(*squares, method="occlusion")]
    found = ls.explain.region_scores(maps, [left, right, left, right])
    assert found.images == 4
    assert found.area == pytest.approx(48 / 576)
    assert found.energy > 2 * found.area
    assert found.energy_interval[0] < found.energy < found.energy_interval[1]


def test_the_other_class_can_be_asked_for(squares):
    model, images = squares
    own, other = ls.explain.attribute(model, images[0])[0], ls.explain.attribute(model, images[0], outcome="right")[0]
    assert (own.outcome, other.outcome) == ("left", "right")
    assert own.score > other.score
    assert not np.allclose(own.map, other.map)
    assert own.image.shape == (24, 24)


def test_looking_leaves_no_trace(squares):
    model, images = squares
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    ls.explain.attribute(model, images)
    check = ls.explain.sanity_check(model, images)
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())
    assert not any(module._forward_hooks for module in model.network.modules())
    assert all(parameter.grad is None for parameter in model.network.parameters())
    assert len(check.layers) == len(check.similarity) > 2
    assert check.similarity[-1] < 0.9
    assert check == ls.explain.sanity_check(model, images)


def test_region_scores_of_maps_that_are_known():
    found = np.zeros((2, 4), np.float32)
    found[0, 0], found[1, 3], found[1, 0] = 3.0, 1.0, -5.0
    region = np.zeros((2, 4), bool)
    region[0] = True
    score = ls.explain.region_scores([found, found], [region, ~region])
    assert score.energy == pytest.approx(0.5)
    assert score.hits == 0.5
    assert score.area == 0.5
    for regions, words in (
        ([region], "as many regions"),
        ([region, region[:1]], "Region 1"),
        ([region, region & False], "0"),
    ):
        with pytest.raises(ls.LongspanError, match=words):
            ls.explain.region_scores([found, found], regions)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"method": "lime"}, UnknownNameError, "lime"),
        ({"target": "sid"}, UnknownNameError, "side"),
        ({"outcome": "lef"}, UnknownNameError, "left"),
        ({"layer": "conv9"}, UnknownNameError, "conv9"),
        ({"steps": 0}, ConfigError, "steps must be at least 1"),
        ({"method": "occlusion", "patch_px": 25}, ConfigError, "at most 24"),
    ],
)
def test_options_out_of_range_are_refused(squares, options, error, words):
    with pytest.raises(error, match=words):
        ls.explain.attribute(*squares, **options)


def test_models_that_read_no_image_are_refused(loans, squares):
    trees, _ = loans
    with pytest.raises(ConfigError, match="boosted trees, which cannot show where it looked"):
        ls.explain.attribute(trees, [{}])
    with pytest.raises(ConfigError, match="no image to look at"):
        ls.explain.attribute(squares[0], [])


def test_images_of_another_size_are_looked_at_in_the_frame_of_the_network(squares):
    model, images = squares
    ((_, column),) = model.predictor().inputs.items() if hasattr(model, "predictor") else model.inputs.items()
    image = np.asarray(images[0])
    larger = np.kron(image, np.ones((3, 3) if image.ndim == 2 else (3, 3, 1), np.uint8))[:, :-5]
    found = ls.explain.attribute(model, [larger, image])
    assert {each.map.shape for each in found} == {tuple(column.size_px)}
    assert {each.image.shape[:2] for each in found} == {tuple(column.size_px)}

"""Scores of maps against loops, and on a network whose object is known."""

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.errors import ConfigError, DataError, ShapeError
from longspan.explain.attribution import attribution_batch


@pytest.fixture(scope="module")
def squares():
    """A network that tells a bright square at the left from one at the right, and rows with its box and mask."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (64, 24, 24), dtype=np.uint8)
    sides = np.where(np.arange(64) % 2 == 0, "left", "right")
    boxes, masks = [], np.zeros((64, 24, 24), np.uint8)
    for image, mask, side in zip(images, masks, sides, strict=True):
        left = 3 if side == "left" else 15
        image[8:16, left : left + 6] = 220
        mask[8:16, left : left + 6] = 1
        boxes.append([{"box": [left, 8, left + 6, 16], "label": "square"}])
    columns = {
        "image": ls.Image(), "side": ls.Category(), "box": ls.Boxes(), "mask": ls.Mask(vocab=("ground", "square")),
    }  # fmt: skip
    table = ls.Table.from_arrays({"image": images, "side": list(sides), "mask": list(masks)} | {"box": boxes}, columns)
    task = ls.Task(table.split(valid=0.25, seed=0), "image", "side", allow_leaks=True)
    config = ls.TrainConfig(batch_size=16, precision="float32")
    learner = ls.Learner(task, "lenet5", seed=0, config=config, device="cpu", progress=False)
    return learner.fit_one_cycle(6, lr=3e-3).predictor(), table.take(np.arange(8))


def test_boxes_and_masks_become_regions_in_the_frame(squares):
    model, rows = squares
    taken, regions = ls.explain.regions_of(model, rows, "box")
    assert len(taken) == 8
    expected = np.zeros((24, 24), bool)
    expected[8:16, 3:9] = True
    np.testing.assert_array_equal(regions[0], expected)
    _, from_masks = ls.explain.regions_of(model, rows, "mask", "square")
    np.testing.assert_array_equal(np.stack(from_masks), np.stack(regions))


def test_the_trained_network_looks_at_the_square_and_random_weights_do_not(squares):
    model, rows = squares
    rows, regions = ls.explain.regions_of(model, rows, "box")
    found = ls.explain.attribution_scores(model, rows, regions, method="occlusion", patch_px=6)
    assert found.images == 8
    assert found.area == pytest.approx(48 / 576)
    assert found.energy.trained > 2 * found.area
    assert found.energy.certain
    assert found.energy.difference == pytest.approx(found.energy.trained - found.energy.random)
    assert found.deletion.trained < found.insertion.trained
    maps = [each.map for each in ls.explain.attribute(model, rows, method="occlusion", patch_px=6)]
    assert found.energy.trained == pytest.approx(ls.explain.region_scores(maps, regions).energy)
    assert found.pointing.trained == pytest.approx(ls.explain.region_scores(maps, regions).hits)


def test_deletion_and_insertion_are_those_of_a_loop(squares):
    model, rows = squares
    found = ls.explain.attribution_scores(model, rows, method="occlusion", patch_px=6, steps=4)
    batch = attribution_batch(model, rows)
    maps = [each.map for each in ls.explain.attribute(model, rows, method="occlusion", patch_px=6)]
    deleted, inserted = np.zeros((8, 5)), np.zeros((8, 5))
    for row, found_map in enumerate(maps):
        order = sorted(range(576), key=lambda place: -found_map.reshape(-1)[place])
        for step in range(5):
            gone = torch.zeros(576, dtype=torch.bool)
            gone[order[: step * 144]] = True
            image = batch.prepared[row].reshape(-1)
            for keep, curve in ((~gone, deleted), (gone, inserted)):
                changed = torch.where(keep, image, 0.0).reshape(1, 1, 24, 24)
                with torch.no_grad():
                    probabilities = batch.model.network(changed)["side"].softmax(dim=1)[0]
                curve[row, step] = probabilities[batch.classes[row]]
    np.testing.assert_allclose(found.deletion_curve, deleted.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found.insertion_curve, inserted.mean(axis=0), atol=1e-5)
    assert found.deletion.trained == pytest.approx(deleted.mean(), abs=1e-5)


def test_the_model_and_the_random_state_stay_as_they_are(squares):
    model, rows = squares
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    state = torch.get_rng_state()
    one, again = (ls.explain.attribution_scores(model, rows, steps=2, seed=3) for _ in range(2))
    assert one == again
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())
    assert one.deletion.random != ls.explain.attribution_scores(model, rows, steps=2, seed=4).deletion.random


def test_what_cannot_be_scored_is_told(squares):
    model, rows = squares
    with pytest.raises(ConfigError, match="give two at least"):
        ls.explain.attribution_scores(model, rows.take(np.arange(1)))
    with pytest.raises(ConfigError, match="as many regions as images; got 1 and 8"):
        ls.explain.attribution_scores(model, rows, [np.ones((24, 24), bool)])
    with pytest.raises(ShapeError, match=r"Region 0 must be a mask of \(24, 24\)"):
        ls.explain.attribution_scores(model, rows, [np.ones((2, 2), bool)] * 8)
    with pytest.raises(ConfigError, match="regions come from boxes, or from a mask and a label"):
        ls.explain.regions_of(model, rows, "mask")
    with pytest.raises(DataError, match="No row of"):
        ls.explain.regions_of(model, rows, "box", "circle")

"""What holds for every registered head that reads maps: trained, measured, saved and used on a made-up world."""

import json

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.columns import Spatial
from longspan.datasets import make_scenes
from longspan.heads import HEADS, head_from_json
from longspan.inference.source import prepare_inputs, sum_losses
from longspan.nn.detections import DetectorOutputs
from longspan.vision.instance_encoding import boxes_in, masks_in

TARGETS = {"segment": "mask", "detect": "boxes", "segment_instances": "instances", "heat_maps": "points"}
SMALL = {
    "segment": {"width": 8},
    "heat_maps": {"width": 8},
    "detect": {"channels": 16, "box_head_dim": 16, "samples": 16, "proposals": 20},
    "segment_instances": {
        "channels": 16, "box_head_dim": 16, "samples": 16, "proposals": 20, "mask_width": 8, "mask_depth": 1
    },
}  # fmt: skip
AUGMENT = ls.Augment(flip=True, rotate_deg=10, scale=0.2)
every = pytest.mark.parametrize("kind", sorted(kind for kind, head in HEADS.items() if head.reads == "maps"))


@pytest.fixture(scope="module")
def scenes():
    """Made-up scenes; the corners of the first object of each are points."""
    scenes = make_scenes(12, seed=3)
    corners = [
        {"left top": objects[0]["box"][:2], "right bottom": objects[0]["box"][2:]} if objects else {}
        for objects in scenes.column_values("boxes")
    ]
    return scenes.with_column("points", ls.Keypoints(), corners)


def make(scenes, kind, *, seed=0, missing=()):
    target = TARGETS[kind]
    if missing:
        values = [None if row in missing else value for row, value in enumerate(scenes.column_values(target))]
        if kind == "segment":
            values = [np.zeros((64, 64), np.uint8) if value is None else value for value in values]
        else:
            scenes = scenes.with_column(target, scenes.columns[target], values)
    split = scenes.split(valid=4, seed=0)
    task = ls.Task(split, inputs="image", targets=target)
    config = ls.TrainConfig(batch_size=4, augment=AUGMENT)
    heads = {target: HEADS[kind](**SMALL[kind])}
    return ls.Learner(task, "squeezenet1_1", heads=heads, config=config, seed=seed, progress=False)


def weights(learner):
    return [p.detach().clone() for p in learner.network.parameters()]


@every
def test_same_seed_same_weights_whatever_was_looked_at(kind, scenes):
    plain, looked, other = (make(scenes, kind, seed=seed) for seed in (0, 0, 1))
    state = torch.random.get_rng_state()
    looked.evaluate()
    looked.predict(scenes.take([0]))
    looked.show_batch(2)
    assert torch.equal(torch.random.get_rng_state(), state)
    for learner in (plain, looked, other):
        learner.fit(1, lr=1e-3)
    pairs = list(zip(weights(plain), weights(looked), strict=True))
    assert all(torch.equal(one, two) for one, two in pairs)
    assert not all(torch.equal(one, two) for one, two in zip(weights(plain), weights(other), strict=True))


@every
def test_figures_have_their_names_and_answers_lie_in_the_image(kind, scenes, tmp_path):
    learner = make(scenes, kind)
    learner.fit(1, lr=1e-3)
    head = learner.heads[TARGETS[kind]]
    figures = learner.evaluate()
    assert {metric.name for metric in head.metrics} <= set(figures) | {"map", "ap50", "ap75", "mask_map", "mask_ap50"}
    assert all(np.isfinite(figure) for figure in figures.values())
    column = head.column
    assert isinstance(column, Spatial)
    for prediction in learner.predict(scenes.take([0, 1]).select("image")):
        value = prediction[TARGETS[kind]]
        json.dumps(prediction.to_json())
        assert column.check(value) is None
        assert 0 <= column.error(value, value) <= 0 or kind != "segment"
        assert prediction.draw(scenes.value(0, "image")).shape == (64, 64, 3)
    again = ls.load(learner.save(tmp_path / "model.safetensors"))
    one, two = (each.raw_predictions(scenes.take([2]).select("image")).values for each in (learner.predictor(), again))
    assert torch.equal(one[TARGETS[kind]], two[TARGETS[kind]])
    learner.report(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 10_000


@every
def test_json_makes_the_same_head_again(kind, scenes):
    head = make(scenes, kind).heads[TARGETS[kind]]
    assert head_from_json(json.loads(json.dumps(head.to_json(), allow_nan=False))) == head


@every
def test_losses_are_those_of_each_row_and_a_missing_one_adds_nothing(kind, scenes):
    learner = make(scenes, kind)
    head, column = learner.heads[TARGETS[kind]], learner.task.targets[TARGETS[kind]]
    batch = next(learner.task.samples.batches(learner.task.train[:3], 3))
    inputs, target = prepare_inputs(batch, learner.inputs), column.prepare(batch.targets[TARGETS[kind]])
    learner.network.eval()
    with torch.no_grad():
        losses, alone = (
            head.loss(learner.network(images, targets={TARGETS[kind]: known})[TARGETS[kind]], known)
            for images, known in ((inputs[0], target), (inputs[0][1:2], target[1:2]))
        )
    assert losses.shape == (3,)
    assert losses.isfinite().all()
    if kind in ("segment", "heat_maps"):  # detectors draw their samples for the batch as a whole
        torch.testing.assert_close(losses[1:2], alone)
    empty, nowhere = torch.zeros_like(target), torch.zeros(3, dtype=torch.bool)
    outputs = learner.network(*inputs, targets={TARGETS[kind]: empty})
    loss = sum_losses(learner.heads, outputs, {TARGETS[kind]: empty}, {TARGETS[kind]: nowhere})
    loss.backward()
    assert loss == 0
    gradients = [p.grad for p in learner.network.parameters() if p.grad is not None]
    assert all(not gradient.any() for gradient in gradients)


@every
def test_an_ensemble_averages_what_has_a_mean(kind, scenes):
    members = [make(scenes, kind, seed=seed) for seed in (0, 1)]
    if not HEADS[kind].averages:
        with pytest.raises(ls.LongspanError, match="have no mean"):
            ls.Ensemble(members)
        return
    both = ls.Ensemble(members)
    images = scenes.take([0, 1]).select("image")
    apart = [each.predictor().raw_predictions(images, reduce=False).values[TARGETS[kind]] for each in members]
    expected = members[0].heads[TARGETS[kind]].reduce((apart[0] + apart[1]) / 2)
    found = [each[TARGETS[kind]] for each in both.predict(images)]
    if kind == "heat_maps":
        found = [np.asarray([*places.values()], np.float32) for places in found]
    assert all((one == two.numpy()).all() for one, two in zip(found, expected, strict=True))


def certain_outputs(kind, targets, size_px):
    """What layers that know every target would give: class logits, or detections with a score of 1."""
    if kind == "segment":
        return 50.0 * torch.nn.functional.one_hot(targets.long(), int(targets.max()) + 1).movedim(-1, 1).float()
    if kind == "heat_maps":
        height, width = size_px
        x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
        apart = (x - targets[..., 0, None, None]).square() + (y[:, None] - targets[..., 1, None, None]).square()
        return -apart / 4
    boxes = targets if kind == "detect" else boxes_in(targets)
    there = (boxes[..., 2:3] > boxes[..., 0:1]).float()
    detections = torch.cat([boxes[..., :4], there, boxes[..., 4:5]], dim=2)
    masks = masks_in(targets, size_px) if kind == "segment_instances" else torch.zeros(len(boxes), 0, 0, 0)
    return DetectorOutputs(torch.zeros(0), detections, masks, torch.zeros(len(boxes), 0, 0, 0))


@every
def test_certain_outputs_are_decoded_to_the_ground_truth_and_measured_as_perfect(kind, scenes):
    learner, name = make(scenes, kind), TARGETS[kind]
    head, column = learner.heads[name], learner.task.targets[name]
    values = scenes.column_values(name)
    targets = torch.from_numpy(np.stack([column.encode(value) for value in values]))
    predictions = head.reduce(head.postprocess(certain_outputs(kind, column.prepare(targets), column.size_px)))
    decoded = [each.value for each in head.decode(predictions)]
    errors = [column.error(value, found) for value, found in zip(values, decoded, strict=True)]
    assert errors == pytest.approx([0.0] * len(values), abs=1e-4 if kind == "heat_maps" else 0)
    assert column.error(values[0], decoded[1]) > 0  # images differ, and the error sees it
    measured = head.measure(predictions, column.prepare(targets))
    perfect = 1.0 if head.metrics[0].better == "higher" else 0.0
    assert measured[head.metrics[0].name] == pytest.approx(perfect, abs=1e-4)


@every
def test_training_lowers_the_loss_of_the_training_rows(kind, scenes):
    learner = make(scenes, kind)
    before = learner.evaluate("train")["loss"]
    learner.fit_one_cycle(8, lr=5e-3)
    assert learner.evaluate("train")["loss"] < 0.97 * before

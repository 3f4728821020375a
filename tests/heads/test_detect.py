import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn

from longspan.columns import Boxes
from longspan.errors import ConfigError, ShapeError, UnknownNameError
from longspan.heads import Detect, head_from_json
from longspan.models import FeatureMaps, FeatureShapes
from longspan.nn.faster_rcnn import FasterRCNN
from longspan.nn.retinanet import RetinaNet
from longspan.vision import AugmentParams

COLUMN = Boxes(vocab=("cat", "dog"), max_boxes=5, size_px=(64, 96))
SMALL = Detect(channels=8, box_head_dim=16, samples=16, proposals=30, max_detections=12, column=COLUMN)
SHAPES = FeatureShapes(12, channels=(4, 6, 8), strides=(2, 4, 8), size_px=(64, 96))


def features(rows=2, size_px=(64, 96)):
    images = torch.rand(rows, 3, *size_px, generator=torch.Generator().manual_seed(1))
    maps = [
        torch.rand(rows, width, size_px[0] // stride, size_px[1] // stride, generator=torch.Generator().manual_seed(2))
        for width, stride in zip(SHAPES.channels, SHAPES.strides, strict=True)
    ]
    return FeatureMaps(images, maps)


def encoded(*values):
    return torch.from_numpy(np.stack([COLUMN.encode(value) for value in values]))


TRUTH = encoded([{"box": [10, 5, 40, 60], "label": "dog"}, {"box": [50, 5, 90, 30], "label": "cat"}], [])


@pytest.mark.parametrize("design", ["faster_rcnn", "retinanet"])
def test_each_design_gives_losses_and_detections_of_every_row(design):
    head = dataclasses.replace(SMALL, design=design, finest_stride=4)
    layers = head.layers(SHAPES)
    losses = head.loss(layers(features(), targets=TRUTH), TRUTH)
    assert (losses.shape, losses.dtype) == ((2,), torch.float32)
    losses.sum().backward()
    assert all(parameter.grad is not None for parameter in layers.parameters())
    outputs = layers.eval()(features())
    assert head.outputs_fault(outputs, 2) is None
    predictions = head.postprocess(outputs)
    assert (predictions.shape, predictions.dtype) == ((2, 12, 6), torch.float32)
    assert not predictions.requires_grad
    assert torch.equal(head.reduce(predictions), predictions)


def test_losses_that_the_network_did_not_compute_are_missed_in_words():
    with pytest.raises(ShapeError, match=r"0 losses for 2 rows.*network\(\*inputs, targets=targets\)"):
        SMALL.loss(SMALL.layers(SHAPES)(features()), TRUTH)


@pytest.mark.parametrize("design", ["faster_rcnn", "retinanet"])
def test_images_of_another_size_than_in_training_are_read_too(design):
    head = dataclasses.replace(SMALL, design=design, score_threshold=0.0, finest_stride=4)
    found = head.layers(SHAPES).eval()(features(1, (96, 128))).detections
    assert found[..., 2].max() > 96


def telling_features():
    """Maps on which dog and cat can be seen."""
    given = features()
    for each, stride in zip(given.maps[1:], SHAPES.strides[1:], strict=True):
        each[0, 0, 4 // stride : 60 // stride, 8 // stride : 40 // stride] += 3
        each[0, 1, 4 // stride : 32 // stride, 48 // stride : 90 // stride] += 3
    return given


@pytest.mark.parametrize(("design", "lr"), [("faster_rcnn", 5e-3), ("retinanet", 3e-3)])
def test_a_few_steps_find_the_boxes(design, lr):
    head = dataclasses.replace(SMALL, design=design, channels=16, finest_stride=4, anchor_side_px=16.0, samples=32)
    layers, given = head.layers(SHAPES), telling_features()
    optimizer = torch.optim.AdamW(layers.parameters(), lr=lr)
    losses = []
    for _ in range(60):
        loss = head.loss(layers(given, targets=TRUTH), TRUTH).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    outputs = layers.eval()(given)
    assert losses[-1] < 0.5 * losses[0]
    assert head.measure(head.postprocess(outputs), TRUTH)["ap50"] > 0.9
    (answer, nothing) = dataclasses.replace(head, answer_score=0.4).decode(head.postprocess(outputs))
    assert {each["label"] for each in answer.value} == {"dog", "cat"}
    assert nothing.value == []


def test_the_same_seed_gives_the_same_weights():
    after = []
    for _ in range(2):
        torch.manual_seed(3)
        layers = SMALL.layers(SHAPES)
        for step in range(2):
            torch.manual_seed(step)
            SMALL.loss(layers(features(), targets=TRUTH), TRUTH).mean().backward()
            with torch.no_grad():
                for parameter in layers.parameters():
                    assert parameter.grad is not None
                    parameter -= 0.1 * parameter.grad
        after.append(torch.cat([parameter.flatten() for parameter in layers.parameters()]))
    assert torch.equal(*after)


def test_rows_without_a_target_hold_zeros_and_have_finite_losses():
    nothing = torch.zeros(2, 5, 6)
    losses = SMALL.loss(SMALL.layers(SHAPES)(features(), targets=nothing), nothing)
    losses.sum().backward()
    assert losses.isfinite().all()


def test_answers_are_boxes_in_the_words_of_the_column():
    predictions = torch.zeros(2, 3, 6)
    predictions[0, 0] = torch.tensor([1.0, 2, 30, 40, 0.75, 1])
    predictions[0, 1] = torch.tensor([5.0, 6, 7, 8, 0.5, 0])
    predictions[1, 0] = torch.tensor([5.0, 6, 7, 8, 0.25, 0])
    answers = SMALL.decode(predictions)
    assert [each.value for each in answers] == [
        [
            {"box": [1.0, 2.0, 30.0, 40.0], "label": "dog", "score": 0.75},
            {"box": [5.0, 6.0, 7.0, 8.0], "label": "cat", "score": 0.5},
        ],
        [],
    ]
    assert COLUMN.check(answers[0].value) is None
    (first, _) = dataclasses.replace(SMALL, answer_score=0.6).decode(predictions)
    assert len(first.value) == 1
    everything = dataclasses.replace(SMALL, answer_score=0.0).decode(predictions)
    assert [len(each.value) for each in everything] == [2, 1]
    assert SMALL.decode(predictions[:0]) == []


def test_figures_are_perfect_for_perfect_answers_and_missing_without_truths():
    perfect = torch.cat([TRUTH[:, :, :4], (TRUTH[:, :, 2:3] > 0).float(), TRUTH[:, :, 4:5]], dim=2)
    assert SMALL.measure(perfect, TRUTH) == {"map": 1.0, "ap50": 1.0, "ap75": 1.0}
    assert SMALL.measure(perfect, TRUTH * 0) == {}


def test_detections_of_several_views_are_refused():
    with pytest.raises(ConfigError, match="views=1"):
        SMALL.invert_augmentation(torch.zeros(1, 3, 6), AugmentParams.identity(1))


def test_outputs_that_are_no_detector_are_refused_in_words():
    assert "needs longspan.nn.detections.DetectorOutputs with detections (2, D, 6)" in str(
        SMALL.outputs_fault(torch.zeros(2, 3), 2)
    )
    outputs = SMALL.layers(SHAPES)(features(3))
    assert str(SMALL.outputs_fault(outputs, 2)).endswith("Its detections are (3, 12, 6).")


def test_the_options_reach_the_network():
    layers = dataclasses.replace(SMALL, anchor_side_px=20.0, ratios=(1.0, 2.0), nms=0.3, score_threshold=0.2).layers(
        SHAPES
    )
    assert isinstance(layers, FasterRCNN)
    assert layers.pyramid.strides == (4, 8, 16)
    assert layers.anchors.generator.sizes == ((20.0,), (40.0,), (80.0,))
    assert layers.anchors.generator.aspect_ratios[0] == (1.0, 2.0)
    assert (layers.config.overlap, layers.config.score_threshold, layers.config.proposals) == (0.3, 0.2, 30)
    assert isinstance(layers.box_head.fc6, nn.Linear)
    assert layers.box_head.fc6.out_features == 16
    coarse = dataclasses.replace(SMALL, finest_stride=8).layers(SHAPES)
    assert isinstance(coarse, FasterRCNN)
    assert coarse.pyramid.strides == (8, 16, 32)
    single = dataclasses.replace(SMALL, design="retinanet").layers(SHAPES)
    assert isinstance(single, RetinaNet)
    assert single.pyramid.strides == (8, 16, 32)
    assert SMALL.num_outputs == 3
    assert dataclasses.replace(SMALL, design="retinanet").num_outputs == 2


def test_a_backbone_without_maps_is_refused():
    with pytest.raises(ConfigError, match="this network has maps at none"):
        SMALL.layers(FeatureShapes(84))


def test_json_makes_the_same_head_again():
    head = dataclasses.replace(SMALL, design="retinanet", anchor_side_px=12.5, ratios=(1.0, 1.5))
    assert head_from_json(json.loads(json.dumps(head.to_json()))) == head


@pytest.mark.parametrize(
    "options",
    [
        {"channels": 0}, {"box_head_dim": 2.5}, {"samples": 0}, {"proposals": 0}, {"max_detections": 0},
        {"finest_stride": 5}, {"anchor_side_px": 0.5}, {"ratios": ()}, {"ratios": (1.0, -1.0)}, {"nms": 1.5},
        {"score_threshold": -0.1}, {"answer_score": 2},
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match=rf"Detect\.{next(iter(options))} must be"):
        Detect(**options)


def test_an_unknown_design_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'faster_rcnn'"):
        Detect(design="fast_rcnn")  # pyright: ignore[reportArgumentType]

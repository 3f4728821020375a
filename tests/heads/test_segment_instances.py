import dataclasses
import json

import numpy as np
import pytest
import torch

from longspan.columns import Instances
from longspan.errors import ConfigError
from longspan.heads import SegmentInstances, head_from_json
from longspan.models import FeatureMaps, FeatureShapes
from longspan.vision import AugmentParams
from longspan.vision.instance_encoding import boxes_in, masks_in, packed
from longspan.vision.rle import decode_runs

SIZE_PX = (48, 60)
COLUMN = Instances(vocab=("cat", "dog"), max_instances=4, size_px=SIZE_PX)
SMALL = SegmentInstances(
    channels=16, box_head_dim=32, mask_width=16, mask_depth=2, samples=32, proposals=30, max_detections=12,
    column=COLUMN,
)  # fmt: skip
SHAPES = FeatureShapes(12, channels=(6, 8), strides=(4, 8), size_px=SIZE_PX)
DOG, CAT = [[8, 6, 30, 6, 8, 44]], [[34, 10, 56, 10, 56, 30, 34, 30]]  # a triangle and a box
TRUTH = torch.from_numpy(
    np.stack([
        COLUMN.encode([{"label": "dog", "polygons": DOG}, {"label": "cat", "polygons": CAT}]),
        COLUMN.encode([]),
    ])
)  # fmt: skip


def features():
    """Maps that show where the two things are."""
    maps = []
    for width, stride in zip(SHAPES.channels, SHAPES.strides, strict=True):
        size = (-(-SIZE_PX[0] // stride), -(-SIZE_PX[1] // stride))
        each = torch.rand(2, width, *size, generator=torch.Generator().manual_seed(stride))
        shapes = torch.nn.functional.adaptive_avg_pool2d(masks_in(TRUTH, SIZE_PX).float(), size)
        each[:, 0] += 3 * shapes[:, 0]
        each[:, 1] += 3 * shapes[:, 1]
        maps.append(each)
    return FeatureMaps(torch.zeros(2, 3, *SIZE_PX), maps)


def test_it_gives_losses_and_packed_detections_of_every_row():
    layers = SMALL.layers(SHAPES)
    losses = SMALL.loss(layers(features(), targets=TRUTH), TRUTH)
    assert (losses.shape, losses.dtype) == ((2,), torch.float32)
    losses.sum().backward()
    assert all(parameter.grad is not None for parameter in layers.parameters())
    outputs = layers.eval()(features())
    assert SMALL.outputs_fault(outputs, 2) is None
    predictions = SMALL.postprocess(outputs)
    assert predictions.dtype == torch.uint8
    assert predictions.shape == (2, 12, *COLUMN.shape[1:])
    assert torch.equal(boxes_in(predictions), outputs.detections[:, :, [0, 1, 2, 3, 5, 4]])  # class before score
    assert torch.equal(masks_in(predictions, SIZE_PX), outputs.masks)
    assert torch.equal(SMALL.reduce(predictions / 1), predictions)  # the mean over one view is a float


def test_a_few_steps_find_the_things_and_their_masks():
    layers, given = SMALL.layers(SHAPES), features()
    optimizer = torch.optim.AdamW(layers.parameters(), lr=5e-3)
    for _ in range(60):
        loss = SMALL.loss(layers(given, targets=TRUTH), TRUTH).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    predictions = SMALL.postprocess(layers.eval()(given))
    figures = SMALL.measure(predictions, TRUTH)
    assert figures["ap50"] > 0.9
    assert figures["mask_ap50"] > 0.9  # the triangle's box alone overlaps by a half


def test_lines_behind_an_empty_one_are_learnt_too():
    """Augmentation drops things that left the image, and leaves holes."""
    layers = SMALL.layers(SHAPES).eval()

    def losses(targets):
        return SMALL.loss(layers(features(), targets=targets), targets)

    moved = torch.zeros_like(TRUTH)
    moved[:, 0], moved[:, 3] = TRUTH[:, 0], TRUTH[:, 1]
    torch.testing.assert_close(losses(moved), losses(TRUTH))
    only = torch.zeros_like(TRUTH)
    only[:, 3] = TRUTH[:, 1]
    assert losses(only)[0] != losses(TRUTH)[0]


def test_rows_without_a_target_hold_zeros_and_have_finite_losses():
    layers = SMALL.layers(SHAPES)
    nothing = torch.zeros_like(TRUTH)
    losses = SMALL.loss(layers(features(), targets=nothing), nothing)
    losses.sum().backward()
    assert losses.isfinite().all()
    assert all(torch.as_tensor(parameter.grad).isfinite().all() for parameter in layers.parameters())


def test_answers_are_things_in_the_words_of_the_column():
    numbers, masks = torch.zeros(2, 3, 6), torch.zeros(2, 3, *SIZE_PX, dtype=torch.bool)
    numbers[0, 0] = torch.tensor([2.0, 3, 10, 13, 1, 0.75])
    masks[0, 0, 3:13, 2:10] = True
    numbers[0, 1] = torch.tensor([2.0, 3, 10, 13, 0, 0.7])  # of whose mask nothing is left
    numbers[0, 2] = torch.tensor([2.0, 3, 10, 13, 0, 0.25])
    first, second = SMALL.decode(packed(numbers, masks))
    assert second.value == []
    (thing,) = first.value
    assert (thing["label"], thing["score"], thing["box"]) == ("dog", 0.75, [2, 3, 10, 13])
    assert np.array_equal(decode_runs(thing["rle"]["counts"], SIZE_PX), masks[0, 0].numpy())
    assert COLUMN.check(first.value) is None
    assert json.loads(json.dumps(first.value)) == first.value


def test_perfect_answers_are_perfect():
    numbers = boxes_in(TRUTH)
    numbers[..., 5] = (numbers[..., 2] > 0).float()
    figures = SMALL.measure(packed(numbers, masks_in(TRUTH, SIZE_PX)), TRUTH)
    assert figures == dict.fromkeys(["mask_map", "mask_ap50", "map", "ap50", "ap75"], 1.0)
    assert SMALL.measure(packed(numbers, masks_in(TRUTH, SIZE_PX)), TRUTH * 0) == {}


def test_views_and_other_outputs_are_refused():
    with pytest.raises(ConfigError, match="views=1"):
        SMALL.invert_augmentation(torch.zeros(1, 3, 6), AugmentParams.identity(1))
    assert "needs longspan.nn.detections.DetectorOutputs" in str(SMALL.outputs_fault(torch.zeros(2), 2))


def test_json_makes_the_same_head_again():
    head = dataclasses.replace(SMALL, ratios=(1.0, 2.0), finest_stride=8)
    assert head_from_json(json.loads(json.dumps(head.to_json()))) == head


@pytest.mark.parametrize("options", [{"mask_width": 0}, {"mask_depth": -1}, {"channels": 0}, {"nms": 2.0}])
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match=rf"SegmentInstances\.{next(iter(options))} must be"):
        SegmentInstances(**options)

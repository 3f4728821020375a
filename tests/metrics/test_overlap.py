import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

import longspan as ls
from longspan.metrics.overlap import box_overlaps, mask_overlaps
from longspan.vision.rle import encode_runs


def box(x, label="a", **more):
    return {"box": [x, 0, x + 10, 10], "label": label, **more}


def test_box_overlaps_are_torchvisions():
    corners = np.random.default_rng(0).uniform(0, 20, (7, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    expected = box_iou(torch.from_numpy(boxes), torch.from_numpy(boxes[:3]))
    np.testing.assert_allclose(box_overlaps(boxes, boxes[:3]), expected.numpy())
    assert box_overlaps([], boxes).shape == (0, 7)


def test_mask_overlaps_count_pixels():
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    one[:2], other[1:] = True, True
    np.testing.assert_allclose(mask_overlaps([one], [other, one]), [[4 / 16, 1.0]])
    assert mask_overlaps([], [one]).shape == (0, 1)


@pytest.mark.parametrize(
    ("truth", "said", "error"),
    [
        ([], [], 0.0),
        ([box(0)], [], 1.0),
        ([], [box(0)], 1.0),
        ([box(0), box(20)], [box(1), box(50)], 0.5),  # one pair, one miss, one false alarm
        ([box(0)], [box(0, "b")], 1.0),  # another label
        ([box(0)], [box(0, score=0.9), box(1, score=0.8)], 1 / 3),  # found twice
        ([box(0), box(3)], [box(1, score=0.5), box(0, score=0.9)], 0.0),  # the surer one chooses first
        ([box(0, ignore=True)], [box(0)], 0.0),
        ([box(0, ignore=True)], [], 0.0),
        ([box(0)], [box(4)], 1.0),  # overlaps by less than a half
    ],
)
def test_things_are_paired_by_label_and_place(truth, said, error):
    assert ls.Boxes(vocab=("a", "b")).error(truth, said) == pytest.approx(error)


def test_bare_boxes_are_objects():
    assert ls.Boxes(vocab=("object",)).error([[0, 0, 5, 5]], [{"box": [0, 0, 5, 5], "label": "object"}]) == 0


def test_instances_are_paired_by_their_masks():
    square = np.zeros((8, 8), bool)
    square[2:6, 2:6] = True
    true = [{"label": "a", "polygons": [[2, 2, 6, 2, 6, 6, 2, 6]]}]
    said = [{"label": "a", "rle": {"size": [8, 8], "counts": encode_runs(square)}, "score": 0.7}]
    column = ls.Instances(vocab=("a",))
    assert column.error(true, said) == 0
    assert column.error(true, [{**said[0], "rle": {"size": [8, 8], "counts": encode_runs(~square)}}]) == 1
    assert column.error(true, true) == 0


def test_ignored_pixels_do_not_count():
    column = ls.Mask(vocab=("x", "y"))
    truth, said = np.array([[0, 1, 255, 1]], np.uint8), np.array([[0, 0, 0, 1]], np.uint8)
    assert column.error(truth, said) == pytest.approx(1 / 3)
    assert column.error(np.full((2, 2), 255, np.uint8), np.zeros((2, 2), np.uint8)) == 0

import numpy as np
import torch
from torchvision import ops

from longspan.metrics.iou import box_iou, mask_iou


def test_box_iou_are_torchvisions():
    corners = np.random.default_rng(0).uniform(0, 20, (7, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    expected = ops.box_iou(torch.from_numpy(boxes), torch.from_numpy(boxes[:3]))
    np.testing.assert_allclose(box_iou(boxes, boxes[:3]), expected.numpy())
    assert box_iou([], boxes).shape == (0, 7)


def test_mask_iou_count_pixels():
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    one[:2], other[1:] = True, True
    np.testing.assert_allclose(mask_iou([one], [other, one]), [[4 / 16, 1.0]])
    assert mask_iou([], [one]).shape == (0, 1)

import pytest
import torch
from torchvision.ops import nms

from longspan.nn.detections import _as_many_as_ever, class_wise_nms, full_precision, stack_detections


def candidates(count=60):
    generator = torch.Generator().manual_seed(2)
    corner = torch.rand(count, 2, generator=generator) * 50
    boxes = torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * 40 + 2], dim=1)
    return boxes, torch.rand(count, generator=generator), torch.randint(0, 2, (count,), generator=generator)


def test_doubles_go_class_by_class_and_the_surest_come_first():
    boxes, scores, classes = candidates()
    kept, sure, kinds = class_wise_nms(boxes, scores, classes, (200, 200), overlap=0.3, most=1000)
    expected = sorted(
        float(scores[classes == k][each])
        for k in (0, 1)
        for each in nms(boxes[classes == k], scores[classes == k], 0.3)
    )
    assert sure.tolist() == expected[::-1]
    assert len(kept) == len(kinds) < 60
    assert torch.equal(class_wise_nms(boxes, scores, classes, (200, 200), overlap=0.3, most=7)[1], sure[:7])


def test_boxes_are_clipped_and_those_outside_the_image_go():
    boxes = torch.tensor([[-5.0, 10, 20, 60], [60, 10, 70, 20], [10, 10, 10, 30]])
    kept, sure, _ = class_wise_nms(boxes, torch.tensor([0.5, 0.9, 0.8]), torch.zeros(3), (40, 50), overlap=0.5, most=9)
    assert kept.tolist() == [[0, 10, 20, 40]]
    assert sure.tolist() == [0.5]


def test_images_with_fewer_detections_are_filled_up_with_zeros():
    boxes, scores, classes = candidates(2)
    stacked = stack_detections([(boxes, scores, classes), (boxes[:0], scores[:0], classes[:0])], 3)
    assert stacked.shape == (2, 3, 6)
    assert torch.equal(stacked[0, :2], torch.cat([boxes, scores[:, None], classes[:, None].float()], dim=1))
    assert not stacked[0, 2].any()
    assert not stacked[1].any()


def test_full_precision_within_autocast():
    layer = torch.nn.Linear(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.zeros(1, 2)).dtype == torch.bfloat16
        with full_precision(torch.device("cpu")):
            assert layer(torch.zeros(1, 2)).dtype == torch.float32


@pytest.mark.parametrize("seed", range(5))
def test_detections_of_exported_graphs_are_the_same_with_zeros_behind(seed):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(60, 2, generator=generator) * 70 - 5
    boxes = torch.cat([corners, corners + torch.rand(60, 2, generator=generator) * 40], 1)
    boxes[0, 2:] = boxes[0, :2]  # a box without a side
    given = boxes, torch.rand(60, generator=generator), torch.randint(0, 3, (60,), generator=generator)
    found = class_wise_nms(*given, (64, 48), overlap=0.4, most=50)
    fixed = _as_many_as_ever(*given, (64, 48), overlap=0.4, most=50)
    count = len(found[0])
    assert count < 50
    for one, other in zip(found, fixed, strict=True):
        assert len(other) == 50
        torch.testing.assert_close(other[:count], one)
        assert not other[count:].any()

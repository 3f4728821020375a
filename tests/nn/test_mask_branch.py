import pytest
import torch
from torchvision.models.detection.roi_heads import maskrcnn_loss, paste_masks_in_image
from torchvision.ops import roi_align

from longspan.nn.detection_targets import DetectionTargets
from longspan.nn.mask_branch import MaskBranch

SIZE_PX = (60, 90)


def disc(x, y, radius):
    """Pixels whose middle lies in a disc, in edge coordinates."""
    down, across = torch.arange(SIZE_PX[0]) + 0.5, torch.arange(SIZE_PX[1]) + 0.5
    return (down[:, None] - y) ** 2 + (across - x) ** 2 <= radius**2


def overlap(one, other):
    return float((one & other).sum() / (one | other).sum())


def branch():
    return MaskBranch(5, 2, width=4, depth=1)


@pytest.mark.parametrize("box", [(10.0, 5.0, 50.0, 45.0), (7.3, 1.8, 52.9, 46.1), (4.0, 2.0, 88.0, 60.0)])
def test_a_mask_that_is_learnt_exactly_comes_back_where_it_was(box):
    true, boxes = disc(30, 25, 20), torch.tensor([box])
    small = roi_align(true[None, None].float(), torch.cat([torch.zeros(1, 1), boxes], 1), 28)
    logits = torch.cat([small * 0 - 9, torch.logit(small, eps=1e-6)], dim=1)
    (ours,) = branch().paste(branch().of_kinds(logits, torch.tensor([1])), boxes, SIZE_PX)
    theirs = paste_masks_in_image(small, boxes, SIZE_PX)[0, 0] >= 0.5
    assert overlap(ours, true) > 0.97
    assert overlap(ours, true) >= overlap(theirs, true)


def test_boxes_beyond_the_border_and_many_at_once():
    small = torch.full((70, 28, 28), 0.9)
    boxes = torch.tensor([[-20.0, -20, 30, 30]]).repeat(70, 1)
    masks = branch().paste(small, boxes, SIZE_PX)
    assert masks.shape == (70, *SIZE_PX)
    assert masks[:, :30, :30].all()
    assert not masks[:, 32:].any()
    assert not masks[:, :, 32:].any()


def test_the_loss_of_an_image_is_torchvisions():
    torch.manual_seed(1)
    masks = torch.stack([torch.stack([disc(20, 20, 9), disc(0, 0, 0), disc(60, 30, 20)])] * 2)
    truth = DetectionTargets(torch.rand(2, 4), torch.tensor([1, 0]), torch.zeros(0, 4), torch.tensor([0, 2]))
    none = DetectionTargets(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0, 4), torch.zeros(0).long())
    regions = torch.tensor([[10.0, 10, 30, 32], [38, 8, 80, 50], [40, 12, 77, 49]])
    numbers, logits = torch.tensor([0, 1, 1]), torch.randn(3, 3, 28, 28, requires_grad=True)
    given = (logits, [truth, none], masks, [regions, regions[:0]], [numbers, numbers[:0]])
    losses = branch().losses(*given)
    own = masks[0, [0, 2]].to(torch.uint8)
    expected = maskrcnn_loss(logits, [regions], [own], [truth.classes + 1], [numbers])
    torch.testing.assert_close(losses, torch.stack([expected, expected * 0]))
    losses.sum().backward()
    assert torch.as_tensor(logits.grad).isfinite().all()


def test_no_convolutions_but_the_last_two():
    layers = MaskBranch(5, 2, width=4, depth=0)
    maps = [torch.randn(1, 5, 16, 24)]
    assert layers(maps, (4,), [torch.tensor([[0.0, 0, 30, 30]])]).shape == (1, 3, 28, 28)

"""Losses and detections beside torchvision's own FasterRCNN and MaskRCNN with the same layers."""

import dataclasses
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torchvision.models import detection
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

from longspan.nn.faster_rcnn import FasterRCNN, FasterRCNNConfig
from longspan.nn.mask_branch import MaskBranch

SIZE_PX = (64, 96)
STRIDES = (4, 8)
CLASSES = 3
CONFIG = FasterRCNNConfig(
    channels=8, box_head_dim=16, candidates=60, proposals=80, samples=24, anchor_samples=32, anchor_side_px=16.0,
    score_threshold=0.01, overlap=0.4, max_detections=20,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Features:
    images: torch.Tensor
    maps: list


class Trunk(nn.Module):
    """Maps of 6 channels at strides 4 and 8."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=4, padding=1)
        self.next = nn.Conv2d(6, 6, 3, stride=2, padding=1)

    def forward(self, images):
        fine = self.stem(images).relu()
        return Features(images, [fine, self.next(fine).relu()])


class WithPyramid(nn.Module):
    """A backbone as torchvision wants it."""

    out_channels = CONFIG.channels

    def __init__(self, trunk, pyramid):
        super().__init__()
        self.trunk, self.pyramid = trunk, pyramid

    def forward(self, images):
        return OrderedDict((str(i), each) for i, each in enumerate(self.pyramid(self.trunk(images))))


def ours(masks=False, config=CONFIG):
    torch.manual_seed(7)
    branch = MaskBranch(CONFIG.channels, CLASSES, width=8, depth=2) if masks else None
    network = FasterRCNN(
        config, num_classes=CLASSES, channels=(6, 6), strides=STRIDES, size_px=SIZE_PX, masks=branch,
        read_targets=(lambda pair: pair) if masks else None,
    )  # fmt: skip
    for layer in (network.rpn_head.cls_logits, network.rpn_head.bbox_pred, network.box_predictor.bbox_pred):
        nn.init.normal_(layer.weight, std=0.05)  # proposals that are no mere anchors
    return Trunk(), network


def theirs(trunk, network):
    pools = {name: MultiScaleRoIAlign(["0", "1"], side, 2) for name, side in (("box", 7), ("mask", 14))}
    options = {
        "min_size": SIZE_PX[0], "max_size": SIZE_PX[1], "image_mean": [0.0] * 3, "image_std": [1.0] * 3,
        "_skip_resize": True,  # in training it would draw a random number for the size
        "rpn_anchor_generator": AnchorGenerator(((16,), (32,), (64,)), ((0.5, 1.0, 2.0),) * 3),
        "rpn_head": network.rpn_head, "rpn_batch_size_per_image": CONFIG.anchor_samples,
        "rpn_pre_nms_top_n_train": CONFIG.candidates, "rpn_pre_nms_top_n_test": CONFIG.candidates,
        "rpn_post_nms_top_n_train": CONFIG.proposals, "rpn_post_nms_top_n_test": CONFIG.proposals,
        "box_roi_pool": pools["box"], "box_head": network.box_head, "box_predictor": network.box_predictor,
        "box_batch_size_per_image": CONFIG.samples, "box_score_thresh": CONFIG.score_threshold,
        "box_nms_thresh": CONFIG.overlap, "box_detections_per_img": CONFIG.max_detections,
    }  # fmt: skip
    backbone = WithPyramid(trunk, network.pyramid)
    if network.masks is None:
        return detection.FasterRCNN(backbone, **options)
    branch = {"mask_head": network.masks.head, "mask_predictor": network.masks.predictor}
    return detection.MaskRCNN(backbone, mask_roi_pool=pools["mask"], **branch, **options)


def pictures(count=2):
    images = torch.rand(count, 3, *SIZE_PX, generator=torch.Generator().manual_seed(1))
    targets = torch.zeros(count, 5, 6)
    targets[0, 0] = torch.tensor([4.0, 6, 30, 50, 0, 0])
    targets[0, 2] = torch.tensor([40.0, 10, 90, 40, 2, 0])
    if count > 1:
        targets[1, 1] = torch.tensor([20.0, 20, 36, 36, 1, 0])
    masks = torch.zeros(count, 5, *SIZE_PX, dtype=torch.bool)
    masks[0, 0, 6:50, 4:20], masks[0, 2, 10:30, 45:90] = True, True
    masks[-1, 1, 22:36, 20:33] = True
    return images, targets, masks


def as_torchvision_wants(targets, masks):
    wanted = []
    for row, drawn in zip(targets, masks, strict=True):
        there = row[:, 2] > 0
        labels, shapes = row[there, 4].long() + 1, drawn[there].to(torch.uint8)
        wanted.append({"boxes": row[there, :4], "labels": labels, "masks": shapes})
    return wanted


@pytest.mark.parametrize("with_masks", [False, True])
def test_losses_and_gradients_are_those_of_torchvision_on_the_same_samples(with_masks):
    images, targets, masks = pictures(1 if with_masks else 2)  # over several images torchvision averages masks
    trunk, network = ours(with_masks)
    reference = theirs(trunk, network).train()
    torch.manual_seed(5)
    expected = torch.stack(list(reference(list(images), as_torchvision_wants(targets, masks)).values())).sum()
    torch.manual_seed(5)
    losses = network.train()(trunk(images), (targets, masks) if with_masks else targets).losses
    assert losses.shape == (len(images),)
    torch.testing.assert_close(losses.mean(), expected)
    parameters = [*trunk.parameters(), *network.parameters()]
    wanted = torch.autograd.grad(expected, parameters)
    for ours_, theirs_ in zip(torch.autograd.grad(losses.mean(), parameters), wanted, strict=True):
        torch.testing.assert_close(ours_, theirs_, atol=1e-5, rtol=1e-3)


def test_detections_are_those_of_torchvision():
    images, _, _ = pictures()
    trunk, network = ours()
    expected = theirs(trunk, network).eval()(list(images))
    found = network.eval()(trunk(images)).detections
    assert found.shape == (2, CONFIG.max_detections, 6)
    for row, wanted in zip(found, expected, strict=True):
        count = len(wanted["scores"])
        assert count > 5
        torch.testing.assert_close(row[:count, :4], wanted["boxes"])
        torch.testing.assert_close(row[:count, 4], wanted["scores"])
        assert torch.equal(row[:count, 5].long() + 1, wanted["labels"])
        assert not row[count:].any()


def test_masks_lie_where_torchvision_lays_them():
    images, _, _ = pictures()
    trunk, network = ours(masks=True)
    assert network.masks is not None
    nn.init.normal_(next(network.masks.predictor[-1].parameters()), std=3.0)
    expected = theirs(trunk, network).eval()(list(images))
    outputs = network.eval()(trunk(images))
    masks = outputs.masks
    assert masks.shape == (2, CONFIG.max_detections, *SIZE_PX)
    alike, area = 0, 0
    for row, wanted in zip(masks, expected, strict=True):
        theirs_ = wanted["masks"][:, 0] >= 0.5
        mine = row[: len(theirs_)]
        alike, area = alike + int((mine & theirs_).sum()), area + int((mine | theirs_).sum())
        assert not row[len(theirs_) :].any()
    assert area > 1000
    assert alike / area > 0.85  # torchvision rounds these small boxes to whole pixels


def test_in_evaluation_there_are_losses_and_detections_and_in_a_training_step_only_losses():
    images, targets, masks = pictures()
    trunk, network = ours(masks=True)
    network.eval()
    alone, both = network(trunk(images)), network(trunk(images), (targets, masks))
    assert alone.losses.shape == (0,)
    assert both.losses.isfinite().all()
    assert torch.equal(alone.detections, both.detections)
    assert torch.equal(alone.masks, both.masks)
    assert (both.detections[:, :, 4].diff(dim=1) <= 0).all()
    step = network.train()(trunk(images), (targets, masks))
    assert step.losses.shape == (2,)
    assert step.detections.shape == (2, 0, 6)
    assert step.masks.shape == (2, 0, 0, 0)


def test_in_evaluation_the_loss_is_a_function_of_the_image_alone():
    images, targets, masks = pictures()
    trunk, network = ours(masks=True)
    network.eval()
    state = torch.get_rng_state()
    both = network(trunk(images), (targets, masks)).losses
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    alone = network(trunk(images[1:]), (targets[1:], masks[1:])).losses
    torch.testing.assert_close(both[1:], alone)


def test_images_without_boxes_teach_that_nothing_is_there():
    images, targets, masks = pictures()
    trunk, network = ours(masks=True)
    losses = network.train()(trunk(images), (targets * 0, masks & False)).losses
    assert losses.isfinite().all()
    losses.mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    learning = {name for name, parameter in network.named_parameters() if torch.as_tensor(parameter.grad).any()}
    assert "rpn_head.cls_logits.weight" in learning
    assert "rpn_head.bbox_pred.weight" not in learning
    assert not [name for name in learning if name.startswith("masks.")]


def test_ignored_boxes_are_neither_right_nor_wrong():
    images, targets, _ = pictures(1)
    trunk, network = ours(config=dataclasses.replace(CONFIG, anchor_samples=100_000))
    network.train()
    targets[0, 2, 5] = 1
    levels = network.pyramid(trunk(images))
    anchors = torch.cat(network.anchors(levels))
    middles = (anchors[:, :2] + anchors[:, 2:]) / 2
    inside = ((middles >= torch.tensor([45.0, 15])) & (middles <= torch.tensor([85.0, 35]))).all(dim=1)
    small = anchors[:, 2:].sub(anchors[:, :2]).amax(dim=1) < 30

    def logits_that_learn(encoded):
        kept = []

        def keep(module, inputs, outputs):
            for level in outputs[0]:
                level.retain_grad()
            kept.extend(outputs[0])

        hook = network.rpn_head.register_forward_hook(keep)
        torch.manual_seed(0)
        network(trunk(images), encoded).losses.sum().backward()
        hook.remove()
        gradient = torch.cat([each.grad.permute(0, 2, 3, 1).reshape(1, -1) for each in kept], dim=1)
        return bool(gradient[0, inside & small].any())

    assert not logits_that_learn(targets)
    without = targets.clone()
    without[0, 2] = 0
    assert logits_that_learn(without)


def test_losses_and_detections_are_float32_under_autocast():
    images, targets, masks = pictures()
    trunk, network = ours(masks=True)
    whole = network.eval()(trunk(images), (targets, masks)).losses
    dtypes = []
    network.box_head.register_forward_hook(lambda module, inputs, outputs: dtypes.append(outputs.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(trunk(images), (targets, masks))
    assert set(dtypes) == {torch.bfloat16}
    assert outputs.losses.dtype == torch.float32
    torch.testing.assert_close(outputs.losses, whole, atol=0.1, rtol=0.1)
    assert outputs.detections.dtype == torch.float32

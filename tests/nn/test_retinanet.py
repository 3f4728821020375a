"""Losses and detections beside torchvision's own RetinaNet with the same layers."""

import dataclasses
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torchvision.models import detection
from torchvision.models.detection.anchor_utils import AnchorGenerator

from longspan.nn.retinanet import RetinaNet, RetinaNetConfig

SIZE_PX = (64, 96)
CLASSES = 3
CONFIG = RetinaNetConfig(
    channels=8, finest_stride=4, anchor_side_px=16.0, candidates=50, score_threshold=0.3, overlap=0.4, max_detections=30
)


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


@pytest.fixture
def networks():
    """Ours, its trunk, and torchvision's of the same layers, which are untrained but far from even."""
    torch.manual_seed(7)
    trunk = Trunk()
    network = RetinaNet(CONFIG, num_classes=CLASSES, channels=(6, 6), strides=(4, 8), size_px=SIZE_PX)
    nn.init.normal_(torch.as_tensor(network.head.classification_head.cls_logits.weight), std=0.1)
    nn.init.normal_(torch.as_tensor(network.head.regression_head.bbox_reg.weight), std=0.03)
    nn.init.zeros_(torch.as_tensor(network.head.classification_head.cls_logits.bias))
    sizes = tuple(tuple(16 * f * 2 ** (step / 3) for step in range(3)) for f in (1, 2, 4))
    reference = detection.RetinaNet(
        WithPyramid(trunk, network.pyramid), CLASSES, min_size=SIZE_PX[0], max_size=SIZE_PX[1], image_mean=[0.0] * 3,
        image_std=[1.0] * 3, anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 3), head=network.head,
        score_thresh=CONFIG.score_threshold, nms_thresh=CONFIG.overlap, detections_per_img=CONFIG.max_detections,
        topk_candidates=CONFIG.candidates,
    )  # fmt: skip
    return trunk, network, reference


def pictures():
    images = torch.rand(3, 3, *SIZE_PX, generator=torch.Generator().manual_seed(1))
    targets = torch.zeros(3, 5, 6)
    targets[0, 0] = torch.tensor([4.0, 6, 30, 50, 0, 0])
    targets[0, 2] = torch.tensor([40.0, 10, 90, 40, 2, 0])
    targets[1, 1] = torch.tensor([20.0, 20, 36, 36, 1, 0])  # the third image is empty
    return images, targets


def as_torchvision_wants(targets):
    return [{"boxes": row[row[:, 2] > 0, :4], "labels": row[row[:, 2] > 0, 4].long()} for row in targets]


def test_losses_and_gradients_are_those_of_torchvision(networks):
    images, targets = pictures()
    trunk, network, reference = networks
    terms = reference.train()(list(images), as_torchvision_wants(targets))
    expected = torch.stack(list(terms.values())).sum()
    losses = network.train()(trunk(images), targets).losses
    assert losses.shape == (3,)
    torch.testing.assert_close(losses.mean(), expected)
    parameters = [*trunk.parameters(), *network.parameters()]
    wanted = torch.autograd.grad(expected, parameters)
    for ours, theirs in zip(torch.autograd.grad(losses.mean(), parameters), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-3)


def test_detections_are_those_of_torchvision(networks):
    images, _ = pictures()
    trunk, network, reference = networks
    expected = reference.eval()(list(images))
    found = network.eval()(trunk(images)).detections
    for row, wanted in zip(found, expected, strict=True):
        count = len(wanted["scores"])
        assert count > 5
        torch.testing.assert_close(row[:count, :4], wanted["boxes"])
        torch.testing.assert_close(row[:count, 4], wanted["scores"])
        assert torch.equal(row[:count, 5].long(), wanted["labels"])
        assert not row[count:].any()


def test_empty_images_have_finite_losses_and_gradients(networks):
    images, targets = pictures()
    trunk, network, _ = networks
    losses = network.train()(trunk(images), targets * 0).losses
    assert losses.isfinite().all()
    losses.mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert not network.head.regression_head.bbox_reg.weight.grad.any()


def test_an_image_has_the_same_loss_whatever_is_beside_it_in_either_mode(networks):
    images, targets = pictures()
    trunk, network, _ = networks
    both = network.train()(trunk(images), targets).losses
    torch.testing.assert_close(network.eval()(trunk(images[1:]), targets[1:]).losses, both[1:])


def test_an_ignored_box_is_neither_right_nor_wrong(networks):
    images, targets = pictures()
    trunk, network, _ = networks
    logits = []
    network.head.classification_head.register_forward_hook(lambda module, inputs, output: logits.append(output))
    targets[0, 2, 5] = 1
    outputs = network.train()(trunk(images), targets)
    logits[0].retain_grad()
    outputs.losses[0].backward()
    anchors = torch.cat(network.anchors(network.pyramid(trunk(images))))
    inside = ((anchors[:, :2] >= torch.tensor([40.0, 10])) & (anchors[:, 2:] <= torch.tensor([90.0, 40]))).all(dim=1)
    far = (anchors[:, 0] >= 40) & (anchors[:, 1] >= 45)
    assert inside.sum() > 20
    assert not logits[0].grad[0, inside].any()
    assert logits[0].grad[0, far].all()

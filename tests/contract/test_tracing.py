"""Networks by name can be traced: by `torch.compile` without graph breaks, and by `torch.export`."""

import pytest
import torch

from longspan.columns import Category, Keypoints, Mask, MultiLabel, Number, Text
from longspan.heads import HEADS, Classify, Transcribe
from longspan.inference.network import Network
from longspan.models import create, model_names

# Of Python 3.13.0 alone; the networks are traced all the same.
pytestmark = pytest.mark.filterwarnings("ignore:Guards may run slower:RuntimeWarning")
QUICK = ("lenet5", "line_cnn", "squeezenet1_1")
SEQUENCES = ("line_cnn", "space_displacement_lenet")
SIDES = {"lenet5": 28, "deep_cnn": 28, "space_to_depth_cnn": 28, "alexnet": 64, "inception_v3": 96, "maxvit_t": 224}
SIDES |= {"vit_h_14": 56}
NOT_COMPILED: dict[str, str] = {}
"""Networks that `torch.compile` cannot trace in one graph, and why."""
NOT_EXPORTED: dict[str, str] = {}
"""Networks that `torch.export` cannot trace, and why."""
HEADS_NOT_TRACED = {
    "detect": "the number of boxes that survive thresholds and non-maximum suppression depends on the image",
    "segment_instances": "as detect, and so does the number of masks",
    "generate": "how many steps a search takes depends on the input; a step is exported in tests/nn",
}
"""Heads that run in eager mode between graphs, and why."""
TARGETS = {
    "category": Category(vocab=("a", "b")),
    "multi_label": MultiLabel(vocab=("a", "b")),
    "number": Number(mean=0.0, std=1.0),
    "text": Text(vocab=("a", "b"), max_length=4),
    "mask": Mask(vocab=("a", "b"), size_px=(64, 64)),
    "keypoints": Keypoints(names=("left", "right"), size_px=(64, 64)),
}
each_model = pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in model_names()]
)


def network_of(name):
    """The network in evaluation mode, and two images for it."""
    if name in SEQUENCES:
        backbone, head = (
            create(name, in_channels=1, size_px=(32, 64)),
            Transcribe(column=Text(vocab=("a", "b"), max_length=4)),
        )
        return Network(backbone, {"y": head}).eval(), torch.rand(2, 1, 32, 64)
    side = SIDES.get(name, 64)
    channels = 1 if side == 28 else 3
    backbone = create(name, in_channels=channels, size_px=(side, side))
    return Network(backbone, {"y": Classify(column=Category(vocab=("a", "b")))}).eval(), torch.rand(
        2, channels, side, side
    )


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()


@each_model
def test_compile_in_one_graph(name):
    if name in NOT_COMPILED:
        pytest.skip(NOT_COMPILED[name])
    network, images = network_of(name)
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(images)["y"], network(images)["y"])


@each_model
def test_export(name):
    if name in NOT_EXPORTED:
        pytest.skip(NOT_EXPORTED[name])
    network, images = network_of(name)
    with torch.no_grad():
        exported = torch.export.export(network, (images,)).module()
        torch.testing.assert_close(exported(images)["y"], network(images)["y"])


@pytest.mark.parametrize("kind", sorted(HEADS))
def test_every_head_is_exported_or_named_with_the_reason(kind):
    if kind in HEADS_NOT_TRACED:
        pytest.skip(HEADS_NOT_TRACED[kind])
    head = HEADS[kind]().with_column(TARGETS[HEADS[kind].column_kinds[0]])
    line = head.reads == "sequence"
    size = (32, 64) if line else (64, 64)
    backbone = create("line_cnn" if line else "squeezenet1_1", in_channels=1, size_px=size)
    network, images = Network(backbone, {"y": head}).eval(), torch.rand(2, 1, *size)
    with torch.no_grad():
        exported = torch.export.export(network, (images,)).module()
        torch.testing.assert_close(exported(images)["y"], network(images)["y"])

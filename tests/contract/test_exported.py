"""Every network and head is exported to ONNX and computes the same there, or is named here with the reason."""

import numpy as np
import pytest
import torch

from longspan.audio import AudioFeatures
from longspan.columns import (
    Audio,
    Boxes,
    Category,
    Features,
    Image,
    Instances,
    Keypoints,
    Mask,
    MultiLabel,
    Number,
    Text,
)
from longspan.deploy import export
from longspan.deploy.export import why_not
from longspan.errors import ConfigError
from longspan.heads import HEADS, Classify, Generate, Head, Transcribe
from longspan.inference import Predictor
from longspan.inference.network import Network
from longspan.models import create, model_names
from longspan.models.audio import ConformerConfig, ConvGRUConfig, QuartzNetConfig
from longspan.models.entries import MODELS
from longspan.portable import OnnxModel
from longspan.text.tokenizer import END

SEQUENCES = ("line_cnn", "space_displacement_lenet")
SIDES = {"lenet5": 28, "deep_cnn": 28, "space_to_depth_cnn": 28, "alexnet": 64, "inception_v3": 96, "maxvit_t": 224}
SIDES |= {"vit_h_14": 56}
SIZES = {"speech_embedding": (32, 84)}  # 32 bands, of at least 76 frames
RECORDINGS = {
    "quartznet": QuartzNetConfig(width=16, kernels=(5, 7)),
    "conformer": ConformerConfig(width=16, layers=2, heads=2, kernel=5, stride=2),
    "conv_gru": ConvGRUConfig(width=16),
}
TARGETS = {
    "category": Category(vocab=("a", "b")),
    "multi_label": MultiLabel(vocab=("a", "b")),
    "number": Number(mean=0.0, std=1.0),
    "text": Text(vocab=("a", "b"), max_length=4, min_steps=2),
    "mask": Mask(vocab=("a", "b"), size_px=(64, 64)),
    "boxes": Boxes(vocab=("a", "b"), size_px=(64, 64), max_boxes=2),
    "keypoints": Keypoints(names=("left", "right"), size_px=(64, 64)),
}


ROWS = [{"size": 1.0, "kind": "a"}, {"size": 2.0, "kind": "b"}, {"size": 3.0, "kind": "a"}]
INPUTS = {
    "features": Features(numbers=["size"], categories=["kind"], min_count=1).fit(ROWS),
    "tokens": Text(vocab=("a", "b", "c"), max_length=8, min_steps=1).as_input(),
}
"""Of networks that read no images; those that read whole recordings have a test of their own."""
TOO_LARGE = ("regnet_y_128gf", "vit_h_14")
"""For an ONNX file."""
NAMES = [name for name in model_names() if MODELS[name].reads in ("image", *INPUTS)]


def predictor_of(backbone, head, channels, size):
    column = Image(size_px=size, channels=channels, mean=(0.5,) * channels, std=(0.2,) * channels)
    network = Network(backbone, {"y": head}).eval()
    return Predictor(network, {"x": column}, {"y": head}, device="cpu", precision="float32")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_network_is_exported(name, tmp_path):
    torch.manual_seed(0)
    if MODELS[name].reads != "image":
        column, head = INPUTS[MODELS[name].reads], Classify(column=TARGETS["category"])
        network = Network(create(name, inputs={"x": column.spec()}), {"y": head}).eval()
        predictor = Predictor(network, {"x": column}, {"y": head}, device="cpu", precision="float32")
        found = export(predictor, tmp_path / "x.onnx")
        assert found.comparison.largest_difference <= 1e-4
        assert found.comparison.agreement == {"y": 1.0}
        return
    side = SIDES.get(name, 64)
    channels = 1 if side == 28 or name in SEQUENCES else 3
    channels = MODELS[name].channels_in if name in SIZES else channels
    size = SIZES.get(name, (32, 64) if name in SEQUENCES else (side, side))
    head = Transcribe(column=TARGETS["text"]) if name in SEQUENCES else Classify(column=TARGETS["category"])
    predictor = predictor_of(create(name, in_channels=channels, size_px=size), head, channels, size)
    if name in TOO_LARGE:
        with pytest.raises(ConfigError, match=r"its weights take 2\.[56] GB in float32, and an ONNX file holds less"):
            export(predictor, tmp_path / "x.onnx")
        return
    found = export(predictor, tmp_path / "x.onnx")
    assert found.comparison.largest_difference <= 1e-4
    assert found.comparison.agreement == {"y": 1.0}


def test_every_network_of_whole_recordings_is_tried():
    assert set(RECORDINGS) == set(model_names()) - set(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("kind", ["text", "category"])
def test_a_network_of_whole_recordings_is_exported(name, kind, tmp_path):
    torch.manual_seed(0)
    column = Audio(
        rate_hz=8000, layout="sequence", features=AudioFeatures(mels=20), mean=(-20.0,) * 20, std=(10.0,) * 20
    )
    head = Transcribe(column=TARGETS[kind]) if kind == "text" else Classify(column=TARGETS[kind])
    backbone = create(RECORDINGS[name], inputs={"x": column.spec()}, pool=None if kind == "text" else "avg")
    predictor = Predictor(
        Network(backbone, {"y": head}).eval(), {"x": column}, {"y": head}, device="cpu", precision="float32"
    )
    values = [np.random.default_rng(i).normal(0, 0.1, 4000 + 700 * i).astype(np.float32) for i in range(3)]
    found = export(predictor, tmp_path / "x.onnx", values)
    assert found.comparison.largest_difference <= 1e-4
    assert found.comparison.agreement == {"y": 1.0}
    mine, theirs = predictor.predict(values), OnnxModel.load(tmp_path / "x.onnx").predict(values)
    assert [each.value for each in mine] == [each.value for each in theirs]


@pytest.mark.slow
# Detectors and decoders of texts have tests of their own.
@pytest.mark.parametrize("kind", sorted(set(HEADS) - {"detect", "segment_instances", "generate"}))
def test_every_head_is_exported(kind, tmp_path):
    head = HEADS[kind]().with_column(TARGETS[HEADS[kind].column_kinds[0]])
    line = head.reads == "sequence"
    size = (32, 64) if line else (64, 64)
    backbone = create("line_cnn" if line else "squeezenet1_1", in_channels=1, size_px=size)
    found = export(predictor_of(backbone, head, 1, size), tmp_path / "x.onnx")
    assert found.comparison.largest_difference <= 1e-4
    assert found.comparison.agreement == {"y": 1.0}


def test_every_head_says_how_its_predictions_become_values():
    assert [kind for kind, head in HEADS.items() if head.value_decoder is Head.value_decoder] == []


def test_texts_that_are_drawn_are_refused_by_name(tmp_path):
    predictor = writer_of("squeezenet1_1", decoder="gru", top_p=0.9)
    assert "top_p=0.9" in why_not(predictor)
    with pytest.raises(ConfigError, match="target 'y' has head Generate, which draws its tokens"):
        export(predictor, tmp_path / "x.onnx")
    assert why_not(predictor.with_options("y", top_p=None)) is None


def detector_of(design):
    """With weights that give scores far apart, unlike those of a fresh detector."""
    torch.manual_seed(0)
    small = {"score_threshold": 0.01} if design == "retinanet" else {"box_head_dim": 32, "proposals": 40}
    if design == "mask_rcnn":
        column = Instances(vocab=("a", "b"), size_px=(64, 64), max_instances=2)
        head = HEADS["segment_instances"](channels=16, mask_width=8, mask_depth=1, **small).with_column(column)
    else:
        column = Boxes(vocab=("a", "b"), size_px=(64, 64), max_boxes=5)
        head = HEADS["detect"](design=design, channels=16, **small).with_column(column)
    predictor = predictor_of(create("squeezenet1_1", in_channels=3, size_px=(64, 64)), head, 3, (64, 64))
    with torch.no_grad():
        for name, weights in predictor.network.named_parameters():
            if name.startswith("heads") and weights.ndim == 4 and ".masks." not in name:
                weights.mul_(5)
            if name.endswith("cls_logits.bias"):
                weights.fill_(-1.0)  # RetinaNet begins with scores of 0.01
    return predictor


@pytest.mark.slow
@pytest.mark.parametrize("design", ["retinanet", "faster_rcnn", "mask_rcnn"])
def test_a_detector_finds_the_same_objects(design, tmp_path):
    predictor = detector_of(design)
    images = [np.random.default_rng(i).integers(0, 256, (64, 64, 3), np.uint8) for i in range(4)]
    found = export(predictor, tmp_path / "x.onnx", images)
    assert found.comparison.largest_difference <= 1e-4
    assert found.comparison.agreement == {"y": 1.0}
    assert found.comparison.alone == 0
    mine, theirs = predictor.predict(images), OnnxModel.load(tmp_path / "x.onnx").predict(images)
    assert sum(len(each.value) for each in mine) >= 1
    assert [len(each.value) for each in mine] == [len(each.value) for each in theirs]
    assert [set(one) for each in mine for one in each.value] == [set(one) for each in theirs for one in each.value]


def writer_of(backbone, **options):
    torch.manual_seed(0)
    column = Text(vocab=tuple("abcdefgh"), max_length=9, min_steps=2)
    head = Generate(width=32, depth=2, heads=2, inner=64, **options).with_column(column)
    if MODELS[backbone].reads == "image":
        return predictor_of(create(backbone, in_channels=3, size_px=(64, 64)), head, 3, (64, 64))
    given = INPUTS["tokens"]
    network = Network(create(backbone, inputs={"x": given.spec()}), {"y": head}).eval()
    return Predictor(network, {"x": given}, {"y": head}, device="cpu", precision="float32")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "options"),
    [
        ("squeezenet1_1", {"decoder": "transformer", "visual_attention": True}),
        ("text_transformer", {"decoder": "transformer", "beam": 3, "n_best": 2}),
        ("text_gru", {"decoder": "gru", "beam": 2}),
        ("squeezenet1_1", {"decoder": "lstm"}),
    ],
)
def test_a_decoder_writes_the_same_texts(backbone, options, tmp_path):
    predictor = writer_of(backbone, **options)
    with torch.no_grad():
        for name, weights in predictor.network.heads.named_parameters():
            if "embedding" in name or "cell" in name:
                weights.mul_(5)  # fresh ones write the same token for ever
            if name == "0.bias":
                weights[END] -= 10  # or a beam finds the empty text, the shortest, most likely
    if MODELS[backbone].reads == "image":
        values = [np.random.default_rng(i).integers(0, 256, (64, 64, 3), np.uint8) for i in range(4)]
    else:
        values = ["abc", "a", "ccccb", "bb"]
    found = export(predictor, tmp_path / "x.onnx", values)
    assert found.comparison.largest_difference <= 1e-4
    assert found.comparison.agreement == {"y": 1.0}
    assert found.comparison.alone == 0
    mine, theirs = predictor.predict(values), OnnxModel.load(tmp_path / "x.onnx").predict(values)
    assert any(each.value for each in mine)
    for one, other in zip(mine, theirs, strict=True):
        assert one.value == other.value
        assert one.probability == pytest.approx(other.probability, rel=1e-3)
        assert [token for token, _ in one.by_target["y"].tokens] == [token for token, _ in other.by_target["y"].tokens]

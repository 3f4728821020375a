import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image as PILImage
from torch.utils.flop_counter import FlopCounterMode

import longspan as ls
from longspan.columns import Category, Image
from longspan.deploy.pruning import multiply_adds, prune
from longspan.deploy.retraining import fine_tuned
from longspan.errors import ConfigError, DependencyError
from longspan.heads import Classify, Segment
from longspan.inference import Predictor
from longspan.inference.network import Network, _maps
from longspan.inference.new_inputs import encode_targets
from longspan.inference.source import prepare_inputs
from longspan.models import create


def predictor_of(name, head=None, size=32, channels=3):
    head = head or Classify(column=Category(vocab=("a", "b")))
    column = Image(size_px=(size, size), channels=channels, mean=(0.5,) * channels, std=(0.2,) * channels)
    backbone = create(name, in_channels=channels, size_px=(size, size))
    return Predictor(Network(backbone, {"y": head}).eval(), {"x": column}, {"y": head}, device="cpu")


def batch(size=32, channels=3):
    return (torch.randn(2, channels, size, size),)


def test_multiply_adds_are_half_the_operations_that_pytorch_counts():
    backbone = create("squeezenet1_1", in_channels=3, size_px=(64, 64))
    with FlopCounterMode(display=False) as counter:
        backbone(torch.randn(1, 3, 64, 64))
    assert multiply_adds(backbone, batch(64)) == counter.get_total_flops() // 2


@pytest.mark.parametrize("name", ["resnet20", "squeezenet1_1"])
@pytest.mark.parametrize("fraction", [0.3, 0.7])
def test_as_many_multiply_adds_go_as_asked_and_the_file_is_read_again(name, fraction, tmp_path):
    predictor = predictor_of(name, size=64)
    pruned, gone = prune(predictor, fraction, batch(64))
    left = multiply_adds(pruned.network.backbone, batch(64)) / multiply_adds(predictor.network.backbone, batch(64))
    assert gone == pytest.approx(1 - left)
    assert fraction <= gone < fraction + 0.2
    again = ls.load(pruned.save(tmp_path / "x.safetensors"), device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert again.predict(image).probabilities == pruned.predict(image).probabilities


def test_the_smallest_weights_go():
    predictor = predictor_of("resnet20", channels=1)
    convs = [layer for layer in predictor.network.backbone.modules() if isinstance(layer, torch.nn.Conv2d)]
    with torch.no_grad():
        convs[1].weight[3:] *= 1e-3  # 3 of its 16 channels matter
        convs[2].weight[:, 3:] *= 1e-3
        norms = [layer for layer in predictor.network.backbone.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
        norms[1].weight[3:] *= 1e-3
    kept = convs[1].weight[:3].clone()
    pruned, _ = prune(predictor, 0.5, batch(channels=1))
    left = [layer for layer in pruned.network.backbone.modules() if isinstance(layer, torch.nn.Conv2d)][1].weight
    for channel in kept:
        assert any(torch.equal(channel[: each.shape[0]], each) for each in left) or left.shape[1] < kept.shape[1]
    assert len(left) < 16


def test_the_original_stays_as_it_is():
    predictor = predictor_of("resnet20")
    before = {name: each.clone() for name, each in predictor.network.state_dict().items()}
    prune(predictor, 0.5, batch())
    after = predictor.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_networks_below_heads_that_read_maps_keep_the_channels_of_the_maps(tmp_path):
    head = Segment(column=ls.Mask(vocab=("a", "b"), size_px=(64, 64)))
    predictor = predictor_of("squeezenet1_1", head, size=64)
    pruned, gone = prune(predictor, 0.3, batch(64))
    assert gone >= 0.3
    shapes = [[each.shape for each in _maps(model.network.backbone, batch(64)[0])] for model in (pruned, predictor)]
    assert shapes[0] == shapes[1]


def test_what_cannot_be_pruned_says_so_by_name():
    with pytest.raises(ConfigError, match="shufflenet_v2_x0_5 cannot be pruned"):
        prune(predictor_of("shufflenet_v2_x0_5"), 0.5, batch())
    with pytest.raises(ConfigError, match=r"resnet20 cannot be pruned by 100% of its multiply-adds, only by \d+%"):
        prune(predictor_of("resnet20"), 0.999, batch())


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"longspan\[compress\]"):
        prune(predictor_of("resnet20"), 0.5, batch())


def rows_of(predictor, folder, count=24, size=64):
    """Made-up training rows, dark ones of one class and bright ones of the other."""
    random = np.random.default_rng(0)
    paths = [str(folder / f"{i}.png") for i in range(count)]
    for i, path in enumerate(paths):
        pixels = random.integers(100 * (i % 2), 120 + 100 * (i % 2), (size, size, 3), np.uint8)
        PILImage.fromarray(pixels).save(path)
    frame = pl.DataFrame({"x": paths, "y": ["ab"[i % 2] for i in range(count)]})
    table = ls.Table(frame, {**predictor.inputs, "y": Category(vocab=("a", "b"))})
    samples = encode_targets(table, predictor.inputs, predictor.heads)
    return [*samples.batches(torch.arange(count), 8)]


def test_with_training_rows_layers_lose_different_fractions_but_never_all(tmp_path):
    torch.manual_seed(0)
    predictor = predictor_of("squeezenet1_1", size=64)
    pruned, gone = prune(predictor, 0.5, batch(64), calibration=rows_of(predictor, tmp_path, count=16))
    assert 0.5 <= gone < 0.6
    before, after = (
        {
            n: each.out_channels
            for n, each in model.network.backbone.named_modules()
            if isinstance(each, torch.nn.Conv2d)
        }
        for model in (predictor, pruned)
    )
    left = [after[name] / width for name, width in before.items()]
    assert min(left) >= 0.1
    assert max(left) - min(left) > 0.5


def test_a_pruned_network_is_fine_tuned_to_the_features_of_the_original(trained):
    predictor = trained.predictor()
    table = trained.task.table.take(trained.task.train.numpy())
    samples = encode_targets(table, predictor.inputs, predictor.heads)
    rows = [*samples.batches(torch.arange(32), 16)]
    inputs = [prepare_inputs(each, predictor.inputs) for each in rows]
    pruned, _ = prune(predictor, 0.5, (inputs[0][0][:2],))
    tuned = fine_tuned(
        pruned, predictor, table, epochs=3, lr=1e-3, batch_size=16, augment=ls.Augment(), seed=0, progress=False
    )

    def apart(model):
        pairs = [(model.network.backbone(*each), predictor.network.backbone(*each)) for each in inputs]
        return sum(float((one - other).square().mean()) for one, other in pairs)

    with torch.no_grad():
        assert apart(tuned) < apart(pruned)


def test_with_training_rows_less_is_lost(tmp_path):
    torch.manual_seed(0)
    predictor = predictor_of("squeezenet1_1", size=64)
    rows = rows_of(predictor, tmp_path)
    inputs = [prepare_inputs(each, predictor.inputs) for each in rows]
    before = {name: each.clone() for name, each in predictor.network.state_dict().items()}
    apart = []
    for given in ((), rows):
        pruned, gone = prune(predictor, 0.5, tuple(each[:2] for each in inputs[0]), calibration=given)
        assert 0.5 <= gone < 0.6
        with torch.no_grad():
            pairs = [(predictor.network.backbone(*each), pruned.network.backbone(*each)) for each in inputs]
            apart.append(float(sum((one - other).square().mean() for one, other in pairs)))
    assert apart[1] < apart[0] / 2
    after = predictor.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)

"""The systems on photos and faces, run on a few made-up ones; and the parts they are made of."""

import json

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.errors import ConfigError, UnknownNameError
from longspan.systems import SYSTEMS, SystemRun
from longspan.systems.claims.claim import Claims
from longspan.systems.claims.depth import DepthOptions, _judge_depth, gradient_norms, same_parameters
from longspan.systems.claims.features import FeaturesOptions, _judge, fixed_features, numbers_in
from longspan.systems.claims.images import ImageSet, images_of, pixels_of
from longspan.systems.claims.manifold import ManifoldOptions, neighbours_error, principal_error
from longspan.systems.claims.photos import PhotosOptions, ensemble_error
from longspan.systems.claims.training import error_of, train_classifier


def _photos():
    """Two kinds: a light upper or a light lower half."""
    rng = np.random.default_rng(0)
    count = 200
    labels = ["cat", "dog"] * (count // 2)
    pixels = rng.integers(0, 100, (count, 32, 32, 3), dtype=np.uint8)
    for row, label in enumerate(labels):
        pixels[row, slice(0, 16) if label == "cat" else slice(16, 32)] += 120
    parts = ["train"] * 160 + ["test"] * 40
    kinds = {"image": ls.Image(), "label": ls.Category(), "part": ls.Category()}
    return ls.Table.from_arrays({"image": pixels, "label": labels, "part": parts}, kinds)


def _faces():
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (120, 40, 32), dtype=np.uint8)
    people = [f"p{row % 30}" for row in range(120)]
    return ls.Table.from_arrays({"image": pixels, "person": people}, {"image": ls.Image(), "person": ls.Category()})


@pytest.fixture
def made_up(monkeypatch):
    sets = {"cifar10": _photos(), "lfw": _faces()}
    monkeypatch.setattr(ls.datasets, "load", lambda name, **_: sets[name])


def _result(name, options, folder):
    system = SYSTEMS[name]
    system.run(system.options(**options), SystemRun(name, folder, quiet=True))
    assert (folder / "report.html").is_file()
    return json.loads((folder / "result.json").read_text())


def test_depth_runs(made_up, tmp_path):
    options = {"size": 8, "limit": 40, "tested": 20, "depths": "8,14", "width": 4, "epochs": 1}
    result = _result("claim-depth", options, tmp_path)
    assert len(result["claims"]) == 7
    assert len(result["gradient norm of each convolution, first to last"]["plain"]) == 13
    assert 0 <= result["metrics"]["plain, 14 layers: error"] <= 1


def test_photos_run(made_up, tmp_path):
    result = _result("claim-photos", {"limit": 40, "tested": 20, "epochs": 2, "batch_size": 8}, tmp_path)
    assert [each["quantity"]["name"] for each in result["claims"]] == [
        "error of plain - augmented", "error at a constant rate - with decay", "error of one - of the ensemble",
    ]  # fmt: skip
    assert result["metrics"]["plain: error"] < 0.5  # of two kinds that a glance tells


@pytest.mark.filterwarnings("ignore")
def test_features_run_and_continue(made_up, tmp_path):
    options = {"data": "cifar10", "sizes": "40,60", "tested": 20, "steps": 3}
    result = _result("claim-features", options, tmp_path)
    assert result["metrics"]["cifar10, pixels, 60 images: error"] <= 0.1
    assert result["metrics"]["cifar10, kernel SVM, 60 images: numbers kept"] > 3072
    assert set(result["crossovers"]) == {"cifar10"}
    again = _result("claim-features", options, tmp_path)
    assert (
        again["metrics"]["cifar10, learned, 60 images: seconds"]
        == (result["metrics"]["cifar10, learned, 60 images: seconds"])
    )  # finished trainings are not run again


def test_manifold_runs(made_up, tmp_path):
    options = {"data": "faces", "dimensions": "2,4", "limit": 60, "tested": 20, "epochs": 1}
    result = _result("claim-manifold", options, tmp_path)
    assert result["metrics"]["faces, principal components, 2 numbers: error"] > 0.5  # noise has no few dimensions
    assert any(each["verdict"] == "reproduced" for each in result["claims"])


def test_faces_of_one_person_are_on_one_side(made_up):
    from longspan.systems.claims.manifold import _images

    train, test = _images("faces", 200, 200, 0)
    assert len(train) + len(test) == 120
    assert len(train) == 4 * 24
    assert train.shape[1:] == (1, 28, 28)


def test_classes_are_numbered_by_name_and_pixels_scaled():
    table = _photos().take([1, 0])
    data = images_of(table, "label", size_px=16)
    assert data.classes.tolist() == [1, 0]
    assert data.images.shape == (2, 3, 16, 16)
    whole = pixels_of(table)
    assert torch.equal((whole * 255).round().byte()[0].permute(1, 2, 0), torch.from_numpy(np.array(table[0]["image"])))


def test_a_sample_is_nested_in_nothing_but_repeats():
    data = ImageSet(torch.arange(10.0)[:, None, None, None], torch.arange(10), 10)
    assert torch.equal(data.sample(4, 3).classes, data.sample(4, 3).classes)
    assert len(set(data.sample(99, 0).classes.tolist())) == 10


def test_training_learns_and_repeats():
    table = _photos()
    data = images_of(table, "label", size_px=8)
    errors = []
    for _ in range(2):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
        errors.append(error_of(train_classifier(network, data, epochs=3, lr=1e-2, seed=1), data))
    assert errors[0] == errors[1] <= 0.05


def test_equal_parameters_take_more_channels_where_layers_are_fewer():
    assert same_parameters(20, 8, 20) == 8
    wide = same_parameters(20, 8, 8)
    counts = {}
    for layers, width in ((8, wide), (20, 8)):
        network = ls.models.create(ls.SmallResNetConfig(blocks=(layers - 2) // 6, width=width), in_channels=3)
        counts[layers] = sum(each.numel() for each in network.parameters())
    assert counts[8] == pytest.approx(counts[20], rel=0.15)


def test_gradient_norms_are_those_of_every_convolution():
    layers = [torch.nn.Conv2d(1, 2, 3), torch.nn.Conv2d(2, 2, 3)]
    network = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(2 * 16, 2))
    data = ImageSet(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 0, 1]), 2)
    norms = gradient_norms(network, data)
    torch.nn.functional.cross_entropy(network(data.images), data.classes).backward()
    expected = [torch.Tensor(layer.weight.grad).square().mean().sqrt() for layer in layers]
    assert norms == pytest.approx(list(map(float, expected)))


def test_depth_can_be_refuted():
    errors = {("plain", 8): [0.5, 0.51, 0.5], ("plain", 44): [0.4, 0.41, 0.4], ("residual", 8): [0.3, 0.31, 0.3],
              ("residual", 44): [0.5, 0.51, 0.5]}  # fmt: skip
    claims = Claims()
    _judge_depth(claims, errors, errors, {"plain": [[1.0, 1.0, 1.0]] * 3, "residual": []}, 8, 44)
    assert [each.verdict for each in claims.claims] == ["refuted"] * 5


def test_learned_features_are_compared_with_the_best_fixed_ones():
    claims = Claims()
    errors = {
        "pixels": {40: [0.1, 0.1, 0.12], 80: [0.3, 0.3, 0.31]},
        "kernel SVM": {40: [0.4, 0.4, 0.4], 80: [0.2, 0.2, 0.2]},
        "learned": {40: [0.5, 0.5, 0.5], 80: [0.1, 0.11, 0.1]},
    }
    assert _judge(claims, "x", errors, [40, 80]) == "kernel SVM"
    assert [each.quantity.name for each in claims.claims] == [
        "x, error of kernel SVM - learned, 80 images", "x, error of pixels - learned, 40 images",
    ]  # fmt: skip
    assert [each.verdict for each in claims.claims] == ["reproduced", "reproduced"]


@pytest.mark.filterwarnings("ignore")
def test_numbers_kept_are_counted():
    rng = np.random.default_rng(0)
    pixels, classes = rng.random((80, 64)), np.arange(80) % 4
    kinds = fixed_features()
    scaler, linear = (step for _, step in kinds["pixels"].fit(pixels, classes).steps)
    assert numbers_in(scaler) == 2 * 64  # scale and largest value
    assert numbers_in(linear) >= 4 * 64 + 4
    machine = kinds["kernel SVM"].fit(pixels, classes)[-1]
    assert numbers_in(machine) > machine.support_vectors_.size


def test_an_ensemble_averages_probabilities():
    members = np.array([[[0.9, 0.1]], [[0.45, 0.55]], [[0.4, 0.6]]])
    assert ensemble_error(members, np.array([0])) == 0
    assert np.mean([ensemble_error(each[None], np.array([0])) for each in members]) == pytest.approx(2 / 3)


def test_rebuilding_from_principal_components_is_that_of_scikit_learn():
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.random((60, 1, 6, 6)) @ rng.random((6, 6))).float()
    train, test = images[:40], images[40:]
    model = PCA(3).fit(train.flatten(1).numpy())
    flat = test.flatten(1).numpy()
    left = ((model.inverse_transform(model.transform(flat)) - flat) ** 2).sum() / ((flat - model.mean_) ** 2).sum()
    assert principal_error(train, test, 3) == pytest.approx(left, rel=1e-3)


def test_a_training_image_is_rebuilt_from_itself():
    images = torch.rand(30, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    assert neighbours_error(images, images[:5], 8) < 1e-3
    assert neighbours_error(images[10:], images[:5], 8) > 0.1


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: DepthOptions(depths="8,9"), ConfigError, "--depths must be at least two of 8, 14"),
        (lambda: DepthOptions(seeds=2), ConfigError, "--seeds must be at least 3"),
        (lambda: FeaturesOptions(data="minst"), UnknownNameError, "Did you mean 'mnist'"),
        (lambda: FeaturesOptions(sizes="30,60"), ConfigError, "--sizes must be at least two numbers of at least 40"),
        (lambda: ManifoldOptions(dimensions="0,2"), ConfigError, "--dimensions must be whole numbers"),
        (lambda: ManifoldOptions(limit=50, dimensions="60"), ConfigError, "--dimensions must be below --limit 50"),
        (lambda: PhotosOptions(model="space_to_depth"), UnknownNameError, "space_to_depth_cnn"),
    ],
)
def test_wrong_options_are_named(make, error, said):
    with pytest.raises(error, match=said):
        make()

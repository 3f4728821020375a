import numpy as np
import pytest
import torch

import longspan as ls
from longspan.columns import Keypoints
from longspan.errors import ConfigError
from longspan.heads import HeatMaps
from longspan.heads.heat_maps import peaks
from longspan.models import FeatureShapes

COLUMN = Keypoints(names=("left", "right"), pairs=(("left", "right"),), size_px=(10, 20))
TARGETS = torch.tensor([[[2.3, 3.8, 2], [16.6, 6.1, 1]], [[1.0, 1, 1], [0, 0, 0]]])


def log_gaussians(places, size_px, sigma_px=1.5):
    """Maps `(B, K, H, W)` of places `(B, K, 2)`, up to a constant."""
    height, width = size_px
    x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    apart = (x - places[..., 0, None, None]).square() + (y[:, None] - places[..., 1, None, None]).square()
    return -apart / (2 * sigma_px**2)


def test_peaks_of_gaussians_are_exact_also_at_the_border():
    places = torch.tensor([[[2.3, 3.8], [16.62, 6.1], [0.6, 9.4], [19.9, 0.1], [10.5, 5.5]]])
    maps = log_gaussians(places, (10, 20)) + 7.0
    torch.testing.assert_close(peaks(maps), places, atol=1e-3, rtol=0)
    slanted = torch.tensor([[1.0, 0.6], [0.6, 0.8]])  # inverse covariance of a Gaussian that is not round
    grid = torch.stack(torch.meshgrid(torch.arange(20) + 0.5, torch.arange(10) + 0.5, indexing="xy"), dim=2)
    apart = grid - torch.tensor([8.2, 4.7])
    tilted = -0.5 * torch.einsum("hwi,ij,hwj->hw", apart, slanted, apart)
    torch.testing.assert_close(peaks(tilted[None, None]), torch.tensor([[[8.2, 4.7]]]), atol=1e-3, rtol=0)
    assert peaks(torch.zeros(1, 1, 4, 4)).tolist() == [[[0.5, 0.5]]]


def test_the_loss_is_the_divergence_from_a_gaussian():
    head = HeatMaps(column=COLUMN)
    right = log_gaussians(TARGETS[..., :2], (10, 20))
    assert head.loss(right, TARGETS).abs().max() < 1e-4
    outputs = torch.randn(2, 2, 10, 20, generator=torch.Generator().manual_seed(0))
    wanted, found = right.flatten(2).softmax(2), outputs.flatten(2).log_softmax(2)
    divergence = (wanted * (wanted.clamp_min(1e-30).log() - found)).sum(2)
    expected = torch.stack([divergence[0].mean(), divergence[1, 0]])  # the second point of the second is not labelled
    torch.testing.assert_close(head.loss(outputs, TARGETS), expected, atol=1e-4, rtol=1e-4)
    assert head.loss(outputs, torch.zeros_like(TARGETS)).tolist() == [0, 0]
    assert head.measure(head.postprocess(right), TARGETS) == pytest.approx({"nme": 0, "pck": 1}, abs=1e-3)


def squares(rows, seed):
    """Bright rectangles, and where two of their corners are."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 40, (rows, 32, 32)).astype(np.uint8)
    points = []
    for image in pixels:
        x, y, width, height = (int(rng.integers(low, high)) for low, high in ((2, 12), (2, 12), (8, 18), (8, 18)))
        image[y : y + height, x : x + width] = 200
        points.append({"left top": [x, y], "right bottom": [x + width, y + height]})
    return ls.Table.from_arrays({"image": pixels, "corners": points}, {"image": ls.Image(), "corners": Keypoints()})


def test_a_network_finds_corners_to_a_fraction_of_a_pixel(tmp_path):
    task = ls.Task(squares(64, 0).split(valid=16, seed=0), inputs="image", targets="corners", allow_leaks=True)
    config = ls.TrainConfig(batch_size=16, precision="float32")
    heads = {"corners": HeatMaps(width=8)}
    learner = ls.Learner(
        task, ls.SmallResNetConfig(blocks=1, width=8), heads=heads, config=config, progress=False, device="cpu"
    )
    before = learner.evaluate()["nme"]
    learner.fit_one_cycle(10, 1e-2)
    assert learner.evaluate()["nme"] < 0.06 < before
    unseen = squares(3, 1)
    saved = ls.load(learner.save(tmp_path / "model.safetensors"), device="cpu")
    for row, predicted in enumerate(saved.predict(unseen.select("image"))):
        for name, at in unseen.value(row, "corners").items():
            assert np.hypot(*np.subtract(predicted["corners"][name], at)) < 2


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="sigma_px must be above 0"):
        HeatMaps(sigma_px=0)
    with pytest.raises(ConfigError, match="need a network with feature maps"):
        HeatMaps(column=COLUMN).layers(FeatureShapes(5))
    wrong = HeatMaps(column=COLUMN).outputs_fault(torch.zeros(2, 2, 5, 20), 2)
    assert wrong is not None
    assert "(2, 2, 10, 20)" in wrong

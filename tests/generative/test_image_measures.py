"""Measures of made images against loops, and on planted cases."""

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.columns import Category, Image
from longspan.data import Table
from longspan.errors import ConfigError
from longspan.generative import measure_images, nearest_images
from longspan.generative.image_measures import (
    classifier_features,
    classifier_hash,
    kernel_distance,
    precision_recall,
)


def draw(shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_kernel_distance_is_that_of_a_loop():
    real, made = draw((7, 3)), draw((5, 3), 1) + 1
    scale, centre = real.std(dim=0).mean(), real.mean(dim=0)
    x, y = (real - centre) / scale, (made - centre) / scale

    def kernel(a, b):
        return (float(a @ b) / 3 + 1) ** 3

    within = [sum(kernel(a[i], a[j]) for i in range(len(a)) for j in range(len(a)) if i != j) for a in (x, y)]
    between = sum(kernel(a, b) for a in x for b in y)
    expected = within[0] / (7 * 6) + within[1] / (5 * 4) - 2 * between / 35
    assert kernel_distance(real, made) == pytest.approx(expected)


def test_the_kernel_distance_is_0_for_one_distribution_and_grows():
    real = draw((1500, 4))
    same, near, far = (kernel_distance(real, draw((1500, 4), 1) + shift) for shift in (0.0, 0.3, 1.0))
    assert abs(same) < 0.02
    assert same < near < far


def test_precision_and_recall_are_those_of_a_loop():
    real, made = draw((30, 2)), 0.7 * draw((25, 2), 1) + 0.5

    def radius(those, k):
        return sorted(float((those[k] - other).norm()) for j, other in enumerate(those) if j != k)[2]

    def inside(these, those):
        return np.mean([any((a - b).norm() <= radius(those, k) for k, b in enumerate(those)) for a in these])

    assert precision_recall(real, made) == pytest.approx((inside(made, real), inside(real, made)))


def test_a_missing_mode_costs_recall_and_made_up_ones_precision():
    two = torch.cat([draw((300, 2)), draw((300, 2), 1) + 20])
    one = draw((600, 2), 2)
    precision, recall = precision_recall(two, one)
    assert precision > 0.9
    assert recall == pytest.approx(0.5, abs=0.03)
    precision, recall = precision_recall(one, torch.cat([draw((300, 2), 3), draw((300, 2), 4) - 20]))
    assert precision == pytest.approx(0.5, abs=0.03)


def test_copies_are_found_with_the_images_that_were_copied():
    rng = np.random.default_rng(0)
    real, further, new = (rng.integers(0, 256, (200, 4, 4, 1), dtype=np.uint8) for _ in range(3))
    found = nearest_images(real[50:100], real, further)
    assert found.copies == 1
    assert found.rows.tolist() == list(range(50, 100))
    assert found.distances.max() == 0
    assert np.array_equal(found.images, real[50:100])
    assert nearest_images(new, real, further).copies < 0.06
    by_hand = np.sqrt(((new[0].astype(float) - real.astype(float)) ** 2).mean(axis=(1, 2, 3)))
    assert nearest_images(new, real, further).distances[0] == pytest.approx(by_hand.min())


@pytest.fixture(scope="module")
def classifier():
    rng = np.random.default_rng(0)
    classes = np.arange(80) % 2
    images = (rng.integers(0, 100, (80, 28, 28, 1)) + 100 * classes[:, None, None, None]).astype(np.uint8)
    table = Table.from_arrays({"image": images, "bright": classes}, {"image": Image(), "bright": Category()})
    task = ls.Task(table.split(valid=0.2), inputs="image", targets="bright", allow_leaks=True)
    learner = ls.Learner(task, "lenet5", progress=False)
    learner.fit_one_cycle(1)
    return learner.predictor(), images


def test_features_are_what_the_last_layer_reads(classifier):
    predictor, images = classifier
    read = []
    hook = predictor.network.heads[0].register_forward_pre_hook(lambda _, args: read.append(args[0]))
    try:
        predictor.predict([image[..., 0] for image in images[:5]])
    finally:
        hook.remove()
    torch.testing.assert_close(classifier_features(predictor, images[:5]).float(), read[0])


def test_images_are_measured_by_a_classifier_that_is_named(classifier):
    predictor, images = classifier
    same = measure_images(images, images, images, predictor)
    assert (same.precision, same.recall) == (1, 1)
    assert same.reachable["precision"] == 1
    assert same.classifier == classifier_hash(predictor)
    assert same.classifier.startswith("lenet5 ")
    dark = measure_images(np.zeros_like(images), images, images, predictor)
    assert dark.recall < 0.2
    assert dark.kernel_distance > same.kernel_distance + 0.1
    with pytest.raises(ConfigError, match="in equal numbers of at least 50, got 10, 80 and 80"):
        measure_images(images[:10], images, images, predictor)

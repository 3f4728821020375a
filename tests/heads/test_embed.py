import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import longspan as ls
from longspan.columns import Category
from longspan.errors import ConfigError
from longspan.heads import Embed
from longspan.heads.embed import batch_hard_triplets, margin_logits
from longspan.models import FeatureShapes

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
COLUMN = Category(vocab=("a", "b", "c"))
CONTRACT = {"column": COLUMN, "targets": LABELS, "perfect": F.one_hot(LABELS, 3).float()}


def test_arcface_adds_its_margin_to_the_angle():
    degrees = torch.tensor([[40.0, 70.0], [50.0, 100.0]])
    logits = margin_logits(degrees.deg2rad().cos(), torch.tensor([0, 1]), "arcface", 0.5, 10.0)
    turn = math.degrees(0.5)
    expected = torch.tensor([[40 + turn, 70], [50, 100 + turn]]).deg2rad().cos() * 10
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


def test_arcface_gets_worse_with_every_angle_up_to_the_opposite_side():
    cosines = torch.linspace(math.pi, 0, 200).cos()[:, None]
    logits = margin_logits(cosines, torch.zeros(200, dtype=torch.int64), "arcface", 0.5, 1.0)[:, 0]
    assert (logits.diff() > 0).all()


def test_cosface_takes_its_margin_from_the_cosine():
    logits = margin_logits(torch.tensor([[0.8, 0.3]]), torch.tensor([1]), "cosface", 0.35, 2.0)
    torch.testing.assert_close(logits, torch.tensor([[1.6, -0.1]]))


def test_the_hardest_of_the_batch_by_hand():
    """Places on the circle at 0, 30 and 60 degrees of one person, 90 and 180 of another, 300 of a third."""
    angles = torch.tensor([0.0, 30, 60, 90, 180, 300]).deg2rad()
    outputs = torch.stack([angles.cos(), angles.sin()], dim=1) * 3  # of any length
    losses = batch_hard_triplets(outputs, torch.tensor([5, 5, 5, 7, 7, 9]), 0.2)

    def chord(degrees):
        return 2 * math.sin(math.radians(degrees) / 2)

    expected = [
        0.2 + chord(60) - chord(60), 0.2 + chord(30) - chord(60), 0.2 + chord(60) - chord(30),
        0.2 + chord(90) - chord(30), 0.2 + chord(90) - chord(120), 0,
    ]  # fmt: skip
    torch.testing.assert_close(losses, torch.tensor(expected).clamp_min(0), atol=1e-3, rtol=0)


def test_a_row_without_a_target_is_no_partner_of_class_0():
    head = Embed(objective="triplet", dim=2, column=COLUMN)
    outputs = torch.randn(6, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    there = torch.tensor([True, True, False, True, True, True])
    from longspan.inference.source import sum_losses

    loss = sum_losses({"t": head}, {"t": outputs}, {"t": LABELS * there}, {"t": there})
    torch.testing.assert_close(loss, head.loss(outputs[there], LABELS[there]).mean())
    loss.backward()
    assert not outputs.grad[2].any()  # pyright: ignore


def test_metrics_by_hand():
    angles = torch.tensor([0.0, 10, 100, 110, 15]).deg2rad()
    vectors = torch.stack([angles.cos(), angles.sin()], dim=1)
    figures = Embed(column=COLUMN).measure(vectors, torch.tensor([0, 0, 1, 1, 2]))
    assert figures["rank1"] == pytest.approx(
        3 / 4
    )  # of the row at 10 the nearest is that of another; the last has none
    # Of one person: 10, 10 degrees apart; of two: 5, 15 and more. At 5 degrees an eighth of eight pairs is accepted.
    assert figures["frr"] == 1.0
    assert 0.1 < figures["eer"] < 0.2


def test_people_without_training_rows_are_no_rivals_and_have_no_loss():
    head = Embed(dim=2, column=COLUMN).with_class_counts(torch.tensor([3.0, 0, 5]), 8)
    assert head.absent == (1,)
    outputs = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    other = outputs.clone()
    other[:, 3] = 1.0  # the cosine to the absent person
    torch.testing.assert_close(head.loss(outputs, LABELS)[[0, 2, 3, 5]], head.loss(other, LABELS)[[0, 2, 3, 5]])
    assert head.has_loss(LABELS).tolist() == [True, False, True, True, False, True]  # pyright: ignore
    assert head.loss(outputs, LABELS).isfinite().all()


def faces(people, images, seed):
    """Made-up faces of 16 x 16: a pattern of each person, moved, brightened and made noisy."""
    rng = np.random.default_rng(seed)
    pixels, names = [], []
    for person in range(people):
        pattern = rng.integers(30, 200, (4, 4)).repeat(4, 0).repeat(4, 1)
        for _ in range(images):
            moved = (
                np.roll(pattern, rng.integers(-1, 2, 2), (0, 1)) + rng.integers(-20, 20) + rng.normal(0, 8, (16, 16))
            )
            pixels.append(moved.clip(0, 255).astype(np.uint8))
            names.append(f"person {person:02}")
    return ls.Table.from_arrays(
        {"image": np.stack(pixels), "person": names},
        {"image": ls.Image(), "person": ls.Category(vocab=tuple(dict.fromkeys(names)))},
    )


@pytest.mark.parametrize("objective", ["arcface", "cosface", "triplet"])
def test_people_who_did_not_train_are_told_apart(objective, tmp_path):
    table = faces(40, 6, 0)
    split = table.split(valid=0.34, group="person", seed=0)
    task = ls.Task(split, inputs="image", targets="person", allow_leaks=True)
    config = ls.TrainConfig(batch_size=24, precision="float32", sampling="by_class", rows_per_class=4)
    head = Embed(objective=objective, dim=16, scale=16.0)
    learner = ls.Learner(task, "lenet5", heads={"person": head}, config=config, progress=False, device="cpu")
    before = learner.evaluate()
    learner.fit_one_cycle(12, 5e-3)
    after = learner.evaluate()
    assert "loss" not in after, "nobody in validation has trained"
    assert after["eer"] < before["eer"] / 2
    assert after["rank1"] > 0.9
    assert learner.training.best_epoch is None
    saved = ls.load(learner.save(tmp_path / "m.safetensors"), device="cpu")
    (vector,) = [prediction["person"] for prediction in saved.predict(table.take([0]).select("image"))]
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert len(vector) == 16
    learner.report(tmp_path / "report.html")


@pytest.mark.parametrize(
    ("options", "normalised"),
    [({}, True), ({"objective": "cosface"}, True), ({"batch_norm": False}, False), ({"objective": "triplet"}, False)],
)
def test_with_a_margin_vectors_are_normalised_over_the_batch(options, normalised):
    torch.manual_seed(0)
    layers = Embed(dim=5, column=COLUMN, **options).layers(FeatureShapes(num_features=7))
    vectors = layers(3 + 2 * torch.randn(200, 7))[:, :5]
    assert torch.allclose(vectors.mean(0), torch.zeros(5), atol=1e-5) == normalised
    assert torch.allclose(vectors.std(0, correction=0), torch.ones(5), atol=1e-3) == normalised


def test_triplets_need_rows_of_a_class_together():
    task = ls.Task(faces(4, 4, 0).split(valid=4), inputs="image", targets="person", allow_leaks=True)
    learner = ls.Learner(task, "triplet:space_to_depth_cnn", progress=False, device="cpu")
    with pytest.raises(ConfigError, match='sampling="by_class"'):
        learner.fit(1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"objective": "archface"}, "objective"),
        ({"dim": 1}, "dim"),
        ({"margin": -1}, "margin"),
        ({"scale": 0}, "scale"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    with pytest.raises(ConfigError, match=f"Embed.{words}"):
        Embed(**options)

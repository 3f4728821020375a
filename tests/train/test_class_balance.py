import numpy as np
import pytest
import torch

import longspan as ls
from longspan.data.batches.order import draw_by_weight, draw_numbers
from longspan.errors import ConfigError
from longspan.heads import head_for
from longspan.train.class_balance import balanced_weights

COUNTS = {"common": 40, "rare": 8, "rarest": 2}


@pytest.fixture(scope="module")
def table():
    labels = [label for label, count in COUNTS.items() for _ in range(count)]
    images = np.random.default_rng(0).integers(0, 256, (50, 16, 16), dtype=np.uint8)
    tags = [[], ["a"], ["a", "b"], None, ["b"]] * 10
    return ls.Table.from_arrays(
        {"x": images, "k": labels, "tags": tags}, {"x": ls.Image(), "k": ls.Category(), "tags": ls.MultiLabel()}
    )


def task_of(table, targets="k"):
    task = ls.Task(table.split(valid=0), "x", targets)
    task.prepare()
    return task


def heads_of(task):
    return {name: head_for(column) for name, column in task.targets.items()}


def test_every_class_weighs_the_same(table):
    task = task_of(table)
    weights = balanced_weights(task, heads_of(task))
    labels = np.asarray(table.column_values("k"))
    for label in COUNTS:
        assert float(weights[labels == label].sum()) == pytest.approx(50 / 3)


def test_several_labels_none_and_missing_ones(table):
    task = task_of(table, "tags")
    weights = balanced_weights(task, heads_of(task))[:5]
    # a and b have 20 rows each, no label 10
    expected = np.asarray([1 / 10, 1 / 20, 1 / 20, np.nan, 1 / 20])
    expected[3] = np.nanmean(expected)
    np.testing.assert_allclose(weights, expected / expected.mean())


def test_an_epoch_has_each_row_as_often_as_its_weight_says():
    weights = torch.tensor([0.25, 0.25, 0.5, 3.0])
    rows = torch.tensor([10, 20, 30, 40])
    drawn = torch.cat([draw_by_weight(rows, weights, epoch, 7) for epoch in range(400)])
    counts = torch.bincount(drawn, minlength=41)[rows] / 400
    torch.testing.assert_close(counts, weights, rtol=0.12, atol=0)
    assert all((draw_by_weight(rows, weights, epoch, 7) == 40).sum() == 3 for epoch in range(20))
    assert draw_by_weight(rows, weights, 3, 7).equal(draw_by_weight(rows, weights, 3, 7))
    assert not all(draw_by_weight(rows, weights, 3, 7).equal(draw_by_weight(rows, weights, e, 7)) for e in range(4, 9))


def test_equal_weights_draw_every_row_once():
    rows = torch.arange(100)
    assert draw_by_weight(rows, torch.ones(100), 0, 0).sort().values.equal(rows)


def test_repeats_are_augmented_anew_and_the_first_as_ever():
    numbers = draw_numbers(torch.tensor([5, 3, 5, 5, 3]))
    assert numbers[:2].tolist() == [5, 3]
    assert len(set(numbers.tolist())) == 5


def test_a_balanced_training_is_reproducible_and_another_one(table):
    def trained(**options):
        config = ls.TrainConfig(batch_size=10, augment=ls.Augment(shift=0.1), **options)
        return ls.Learner(task_of(table), "lenet5", config=config, progress=False).fit(2)

    one, two, plain = trained(sampling="balanced"), trained(sampling="balanced"), trained()
    weights = [list(each.network.state_dict().values()) for each in (one, two)]
    assert all(a.equal(b) for a, b in zip(*weights, strict=True))
    assert one.history[0]["train_loss"] != plain.history[0]["train_loss"]


def test_balanced_needs_classes(table):
    numbers = table.with_column("n", ls.Number(), [float(i) for i in range(50)])
    task = ls.Task(numbers.split(valid=0), "x", "n")
    with pytest.raises(ConfigError, match="needs a target that is a class"):
        ls.Learner(task, "lenet5", config=ls.TrainConfig(sampling="balanced"), progress=False).fit(1)
    with pytest.raises(ls.LongspanError, match="balanced"):
        ls.TrainConfig(sampling="balance")  # type: ignore[arg-type]


def test_a_learner_counts_the_training_rows(table):
    learner = ls.Learner(task_of(table), "lenet5", heads={"k": ls.Classify(class_weights="balanced")}, progress=False)
    head = learner.heads["k"]
    assert isinstance(head, ls.Classify)
    assert head.class_weights == pytest.approx([50 / (3 * count) for count in COUNTS.values()], rel=1e-5)


def test_batches_by_class_need_one_category():
    table = ls.Table.from_arrays(
        {"image": np.zeros((8, 16, 16), np.uint8), "age": list(range(8))}, {"image": ls.Image(), "age": ls.Number()}
    )
    task = ls.Task(table.split(valid=2), inputs="image", targets="age", allow_leaks=True)
    learner = ls.Learner(task, "lenet5", config=ls.TrainConfig(batch_size=4, sampling="by_class"), progress=False)
    with pytest.raises(ConfigError, match=r"exactly one target that is a category; there is age \(number\)"):
        learner.fit(1)

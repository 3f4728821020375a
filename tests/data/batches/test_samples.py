import numpy as np
import pytest
import torch

from longspan.columns import Category, Image, Number
from longspan.data import Table, encode_rows
from longspan.data.batches.samples import epoch_augment_params, split_evenly
from longspan.errors import ConfigError
from longspan.vision import Augment


def samples_of(pixels, **targets):
    table = Table.from_arrays({"image": pixels, **targets}, {"image": Image(), **{name: Number() for name in targets}})
    rows = np.arange(len(pixels))
    inputs = {"image": Image(size_px=pixels.shape[1:3], channels=1)}
    return encode_rows(table, rows, inputs, {name: Number() for name in targets})


PIXELS = np.arange(7 * 2 * 3, dtype=np.uint8).reshape(7, 2, 3)


@pytest.mark.parametrize(
    ("rows", "batch_size", "sizes"),
    [(7, 3, [3, 2, 2]), (7, 7, [7]), (7, 100, [7]), (9, 4, [3, 3, 3]), (1, 4, [1]), (8, 4, [4, 4]), (0, 4, [0])],
)
def test_batches_differ_by_one_row_at_most_and_are_as_few_as_can_be(rows, batch_size, sizes):
    parts = split_evenly(torch.arange(rows), batch_size)
    assert [len(part) for part in parts] == sizes
    assert torch.cat(parts).tolist() == list(range(rows))


def test_batches_follow_the_order_of_the_rows():
    samples = samples_of(PIXELS, age=[0, 1, None, 3, 4, 5, 6])
    order = torch.tensor([6, 2, 0, 5, 1])
    batches = list(samples.batches(order, 2))
    assert [batch.rows.tolist() for batch in batches] == [[6, 2], [0, 5], [1]]
    assert batches[0].targets["age"].tolist() == [6, 0]
    assert batches[0].present["age"].tolist() == [True, False]
    assert np.array_equal(batches[1].inputs["image"][..., 0], PIXELS[[0, 5]])
    assert [len(batch) for batch in batches] == [2, 2, 1]


def test_batches_from_the_middle_are_those_of_the_whole_epoch_draws_included():
    samples = samples_of(PIXELS, age=list(range(7)))
    order = torch.tensor([6, 2, 0, 5, 1, 3, 4])
    augment_params = Augment(rotate_deg=30).draw(order, 3, 0, (2, 3))
    whole = list(samples.batches(order, 3, augment_params=augment_params))
    for first in range(4):
        later = list(samples.batches(order, 3, augment_params=augment_params, first=first))
        assert [batch.rows.tolist() for batch in later] == [batch.rows.tolist() for batch in whole[first:]]
        for one, other in zip(later, whole[first:], strict=True):
            assert torch.equal(one.augment_params.matrix, other.augment_params.matrix)
            assert torch.equal(one.inputs["image"], other.inputs["image"])


def test_draws_follow_the_row_and_not_its_place():
    inputs = {"image": Image(size_px=(2, 3), channels=1)}
    order = torch.tensor([6, 2, 0])
    augment_params = epoch_augment_params(Augment(rotate_deg=30), inputs, order, 1, 0)
    turned = epoch_augment_params(Augment(rotate_deg=30), inputs, order.flip(0), 1, 0)
    assert torch.equal(augment_params.matrix, turned.matrix.flip(0))
    assert not torch.equal(
        augment_params.matrix, epoch_augment_params(Augment(rotate_deg=30), inputs, order, 2, 0).matrix
    )


def test_nothing_is_drawn_without_augmentation_or_images():
    rows = torch.arange(3)
    assert epoch_augment_params(Augment(), {"image": Image(size_px=(2, 3), channels=1)}, rows, 0, 0) is None
    assert epoch_augment_params(Augment(flip=True), {"age": Number()}, rows, 0, 0) is None


def test_images_of_two_sizes_cannot_be_drawn_alike():
    inputs = {"a": Image(size_px=(2, 3), channels=1), "b": Image(size_px=(3, 3), channels=1)}
    with pytest.raises(ConfigError, match=r"one size: Task\(size_px=\)"):
        epoch_augment_params(Augment(flip=True), inputs, torch.arange(3), 0, 0)


def test_a_missing_input_is_a_fault_and_a_missing_target_is_none():
    table = Table.from_arrays({"a": ["x", None, "y"], "age": [None, 1, 2]}, {"a": Category(), "age": Number()})
    samples = encode_rows(table, np.arange(3), {"a": Category(vocab=("x", "y"))}, {"age": Number()})
    assert {row: repr(fault) for row, fault in samples.faults().items()} == {
        1: "arrays, row 1, column 'a': the input is missing"
    }


def test_all_faults_of_a_row_are_named():
    table = Table.from_arrays({"a": ["z", "x"], "age": ["old", "3"]}, {"a": Category(), "age": Number()})
    faults = encode_rows(table, np.arange(2), {"a": Category(vocab=("x", "y"))}, {"age": Number()}).faults()
    assert list(faults) == [0]
    assert "'z' does not occur" in repr(faults[0])
    assert "column 'age': 'old' is no number" in repr(faults[0])


def test_a_batch_stays_where_it_is_on_the_cpu():
    batch = next(samples_of(PIXELS, age=list(range(7))).batches(torch.arange(3), 3))
    assert batch.to(torch.device("cpu")) is batch


def test_a_batch_moves_as_bytes_with_its_draws():
    order = torch.arange(3)
    augment_params = Augment(flip=True).draw(order, 0, 0, (2, 3))
    batch = next(samples_of(PIXELS, age=list(range(7))).batches(order, 3, augment_params=augment_params)).to(
        torch.device("meta")
    )
    assert batch.inputs["image"].device.type == batch.augment_params.matrix.device.type == "meta"
    assert batch.inputs["image"].dtype == torch.uint8
    assert batch.present["age"].device.type == "meta"
    assert batch.rows.device.type == "cpu"

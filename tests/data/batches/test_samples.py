import json

import numpy as np
import pytest
import torch

from longspan.columns import Category, Image, Mask, Number
from longspan.data import Table, encode_rows
from longspan.data.batches.augmentation import (
    augment_from_json,
    augment_to_json,
    augmentation_by_input,
    epoch_augment_params,
)
from longspan.data.batches.order import split_evenly
from longspan.errors import ConfigError, UnknownNameError
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
    augment_params = {"image": Augment(rotate_deg=30).draw(order, 3, 0, (2, 3))}
    whole = list(samples.batches(order, 3, augment_params=augment_params))
    for first in range(4):
        later = list(samples.batches(order, 3, augment_params=augment_params, first=first))
        assert [batch.rows.tolist() for batch in later] == [batch.rows.tolist() for batch in whole[first:]]
        for one, other in zip(later, whole[first:], strict=True):
            assert torch.equal(one.params("image").matrix, other.params("image").matrix)
            assert torch.equal(one.inputs["image"], other.inputs["image"])


def test_draws_follow_the_row_and_not_its_place():
    inputs = {"image": Image(size_px=(2, 3), channels=1)}
    order = torch.tensor([6, 2, 0])
    augment_params = epoch_augment_params(Augment(rotate_deg=30), inputs, order, 1, 0)["image"]
    turned = epoch_augment_params(Augment(rotate_deg=30), inputs, order.flip(0), 1, 0)["image"]
    assert torch.equal(augment_params.matrix, turned.matrix.flip(0))
    assert not torch.equal(
        augment_params.matrix, epoch_augment_params(Augment(rotate_deg=30), inputs, order, 2, 0)["image"].matrix
    )


def test_nothing_is_drawn_without_augmentation_or_images():
    rows = torch.arange(3)
    assert epoch_augment_params(Augment(), {"image": Image(size_px=(2, 3), channels=1)}, rows, 0, 0) == {}
    assert epoch_augment_params(Augment(flip=True), {"age": Number()}, rows, 0, 0) == {}


def test_images_of_two_sizes_are_changed_alike_each_in_its_own_pixels():
    inputs = {"a": Image(size_px=(20, 30), channels=1), "b": Image(size_px=(40, 60), channels=1)}
    drawn = epoch_augment_params(Augment(shift=0.5, flip=True), inputs, torch.arange(5), 0, 0)
    half, whole = drawn["a"].matrix, drawn["b"].matrix
    assert torch.equal(half[:, :, :2], whole[:, :, :2])
    # The centres of the corner pixels lie half a pixel inside: x = 2 (x' + 1/2) - 1/2.
    mirrored = half[:, 0, 0] < 0
    torch.testing.assert_close(whole[~mirrored, :, 2], 2 * half[~mirrored, :, 2])


def test_each_input_has_a_config_of_its_own_kind():
    inputs = {"a": Image(size_px=(4, 4), channels=1), "b": Image(size_px=(4, 4), channels=1), "age": Number()}
    mild, strong = Augment(flip=True), Augment(rotate_deg=90)
    assert augmentation_by_input(mild, inputs) == {"a": mild, "b": mild}
    assert augmentation_by_input({"a": mild, "b": strong}, inputs) == {"a": mild, "b": strong}
    assert augmentation_by_input({"a": mild, "b": Augment()}, inputs) == {"a": mild}
    with pytest.raises(UnknownNameError, match=r"input to augment 'c'"):
        augmentation_by_input({"c": mild}, inputs)
    with pytest.raises(ConfigError, match=r"augment\['age'\] is Augment, but a column of kind number cannot be"):
        augmentation_by_input({"age": mild}, inputs)


def test_augmentation_comes_back_from_a_file():
    inputs = {"a": Image(size_px=(4, 4), channels=1), "b": Image(size_px=(4, 4), channels=1)}
    for augment in (Augment(flip=True), {"a": Augment(flip=True), "b": Augment(crop=0.5)}):
        fields = json.loads(json.dumps(augment_to_json(augment, inputs)))
        assert augment_from_json(fields, inputs) == augment
    with pytest.raises(ConfigError, match="no input 'c'"):
        augment_from_json({"inputs": {"c": {}}}, inputs)


def test_what_lies_in_an_input_follows_its_augmentation_and_no_other():
    image, mask = Image(size_px=(4, 4), channels=1), Mask(vocab=("a", "b"))
    table = Table.from_arrays(
        {
            **{name: np.zeros((3, 4, 4), np.uint8) for name in ("first", "second")},
            "mask": np.ones((3, 4, 4), np.uint8),
            "age": [1, 2, 3],
        },
        {"first": image, "second": image, "mask": mask, "age": Number()},
    )
    inputs = {"first": image, "second": image}
    targets = {"mask": mask.bind(image), "age": Number()}
    samples = encode_rows(table, np.arange(3), inputs, targets)
    rows = torch.arange(3)
    drawn = epoch_augment_params({"first": Augment(flip=True), "second": Augment(rotate_deg=9)}, inputs, rows, 0, 0)
    batch = next(samples.batches(rows, 3, augment_params=drawn)).take(slice(1, 3))
    assert batch.params("mask") is batch.params("first")
    assert batch.params("second") is not batch.params("first")
    assert torch.equal(batch.params("mask").matrix, drawn["first"].matrix[1:])
    assert batch.params("age") is None


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
    assert "column 'age': 'old' is not a number" in repr(faults[0])


def test_a_batch_stays_where_it_is_on_the_cpu():
    batch = next(samples_of(PIXELS, age=list(range(7))).batches(torch.arange(3), 3))
    assert batch.to(torch.device("cpu")) is batch


def test_a_batch_moves_as_bytes_with_its_draws():
    order = torch.arange(3)
    augment_params = {"image": Augment(flip=True).draw(order, 0, 0, (2, 3))}
    batch = next(samples_of(PIXELS, age=list(range(7))).batches(order, 3, augment_params=augment_params)).to(
        torch.device("meta")
    )
    assert batch.inputs["image"].device.type == batch.params("image").matrix.device.type == "meta"
    assert batch.inputs["image"].dtype == torch.uint8
    assert batch.present["age"].device.type == "meta"
    assert batch.rows.device.type == "cpu"

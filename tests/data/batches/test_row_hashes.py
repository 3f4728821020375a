import numpy as np
import pytest

import longspan as ls
from longspan.data.batches.row_hashes import hash_rows, hashes_from_json, hashes_to_json, known_rows
from longspan.errors import ModelFileError


def table_of(images, labels):
    return ls.Table.from_arrays({"x": images, "k": labels}, {"x": ls.Image(), "k": ls.Category()})


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)


def test_a_row_has_the_same_hash_in_another_table_and_place(images):
    one = ls.Task(table_of(images, [0, 1] * 20).split(), "x", "k")
    rows = np.random.default_rng(1).permutation(40)
    other = ls.Task(table_of(images[rows], [1, 1] + [0] * 38).split(), "x", "k")
    every = one.train.new_tensor(range(40))
    np.testing.assert_array_equal(hash_rows(one.samples, every)[rows], hash_rows(other.samples, every))
    assert len(set(hash_rows(one.samples, every).tolist())) == 40


def test_one_grey_level_makes_another_row(images):
    changed = images.copy()
    changed[7, 3, 3] ^= 1
    hashes = [
        hash_rows(task.samples, task.train.new_tensor(range(40)))
        for task in (ls.Task(table_of(each, [0, 1] * 20).split(), "x", "k") for each in (images, changed))
    ]
    assert np.flatnonzero(hashes[0] != hashes[1]).tolist() == [7]


def test_hashes_survive_as_text_and_damaged_text_is_refused():
    hashes = {"train": np.asarray([7, 2**32 - 1, 3], np.uint32), "test": np.empty(0, np.uint32)}
    again = hashes_from_json(hashes_to_json(hashes))
    assert again["train"].tolist() == [3, 7, 2**32 - 1]
    assert not len(again["test"])
    for text in ("?", "AAA=", 5):
        with pytest.raises(ModelFileError, match="damaged"):
            hashes_from_json({"train": text})


def test_rows_by_part():
    known = {"train": np.asarray([1, 2], np.uint32), "test": np.asarray([2, 9], np.uint32)}
    found = known_rows(np.asarray([9, 5, 2, 1, 1], np.uint32), known)
    assert {part: rows.tolist() for part, rows in found.items()} == {"train": [2, 3, 4], "test": [0]}

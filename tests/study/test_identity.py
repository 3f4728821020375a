"""Fingerprints change with every value that matters, and with nothing else."""

import numpy as np
import pytest
from PIL import Image as PILImage

import longspan as ls
from longspan.study.identity import column_digests, describe_strategy, rows_digest, shared_rows, task_identity

ROWS = np.arange(6)


def make_table(**changes):
    pixels = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
    cells = {"image": pixels, "digit": [0, 1, 0, 1, 0, 1], "boxes": [[1.5, 2], None, [], [3, 4], [5], [6]], **changes}
    return ls.Table.from_arrays(cells, {"image": ls.Image(), "digit": ls.Category(), "boxes": ls.Raw()})


def test_every_cell_counts_and_so_does_the_order_of_rows():
    names = ["image", "digit", "boxes"]
    before = column_digests(make_table(), ROWS, names)
    assert before == column_digests(make_table(), ROWS, names)
    pixels = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
    pixels[3, 2, 1] += 1
    for name, value in (
        ("image", pixels),
        ("digit", [0, 1, 0, 1, 1, 1]),
        ("boxes", [[1.5, 2], None, [], [3, 4], [5], [7]]),
    ):
        after = column_digests(make_table(**{name: value}), ROWS, names)
        assert [n for n in names if before[n] != after[n]] == [name]
    assert rows_digest(make_table(), ROWS, names) != rows_digest(make_table(), ROWS[::-1], names)


def test_image_files_count_by_content_and_not_by_place(tmp_path):
    digests = []
    for folder, level in (("here", 10), ("there", 10), ("changed", 11)):
        (tmp_path / folder).mkdir()
        for i in range(2):
            PILImage.fromarray(np.full((8, 8), level + i, np.uint8)).save(tmp_path / folder / f"cat_{i}.png")
        table = ls.Table.from_files(tmp_path / folder, r"(?P<pet>cat)_\d\.png")
        digests.append(column_digests(table, np.arange(2), ["image"]))
    assert digests[0] == digests[1] != digests[2]


def test_a_task_is_known_by_its_columns_its_split_and_its_cells():
    def identity(table, valid=(4, 5)):
        task = ls.Task(table.split(valid=2, seed=0, stratify=None), "image", "digit", allow_leaks=True)
        task.prepare()
        return task_identity(task, np.array(valid))

    first = identity(make_table())
    assert first["rows"] == {"train": 4, "evaluated": 2}
    assert first["columns"]["digit"]["vocab"] == [0, 1]
    assert identity(make_table()) == first
    assert identity(make_table(), (5, 4))["split"] != first["split"]
    assert identity(make_table(boxes=[[9]] * 6))["cells"]["boxes"] != first["cells"]["boxes"]


def test_rows_of_another_table_are_found_again_by_their_cells():
    table = make_table()
    other = table.take(np.array([5, 0, 0]))
    assert shared_rows(table, np.array([0, 1]), other, np.arange(3), ["image"]) == 2
    assert shared_rows(table, np.array([1, 2]), other, np.arange(3), ["image"]) == 0
    assert shared_rows(table, np.array([0]), other.select("digit"), np.arange(3), ["image"]) == 0


class Raw:
    def __init__(self, width, inner=None):
        self.width, self.inner = width, inner


def test_a_strategy_is_known_by_its_json_else_by_its_attributes_and_never_by_its_address():
    assert describe_strategy(Raw(3, Raw(4))) == describe_strategy(Raw(3, Raw(4)))
    assert describe_strategy(Raw(3)) != describe_strategy(Raw(4))
    assert describe_strategy(Raw(3, Raw(4))) != describe_strategy(Raw(3, Raw(5)))
    assert "0x" not in describe_strategy(Raw(describe_strategy))
    one, two = ls.Recipe("resnet20", epochs=3), ls.Recipe("resnet20", epochs=4)
    assert describe_strategy(one) == describe_strategy(ls.Recipe("resnet20", epochs=3)) != describe_strategy(two)


@pytest.mark.parametrize("name", ["image", "digit"])
def test_a_missing_value_is_not_an_empty_one(name):
    table = make_table()
    empty = table.with_column("digit", ls.Category(), [0, None, 0, 1, 0, 1])
    assert column_digests(table, ROWS, ["digit"]) != column_digests(empty, ROWS, ["digit"])
    assert column_digests(table, ROWS[:1], [name]) != column_digests(table, ROWS[1:2], [name])

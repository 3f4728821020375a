import json

import pytest
from PIL import Image

import longspan as ls
from longspan.data.readers.open_path import open_path
from longspan.errors import DataError


def write(path, *lines):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cat").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (9, 9)).save(tmp_path / "cat" / f"{name}.png")
    return tmp_path


def test_objects_are_rows_and_lists_stay_lists(folder):
    path = write(
        folder / "metadata.jsonl",
        {"file_name": "cat/a.png", "label": "007", "tags": ["x", "y"], "n": 1},
        "",
        {"file_name": "cat/b.png", "label": "8", "n": 2.5},
    )
    table = ls.Table.read(path)
    assert table.columns["file_name"].kind == "image"
    assert (table["label"], table["tags"], table["n"]) == (["007", "8"], [["x", "y"], None], [1, 2.5])
    assert table.row_name(1) == "line 3"
    assert table.take([1]).row_name(0) == "line 3"


def test_lines_that_are_no_objects_are_all_named(folder):
    with pytest.raises(DataError) as caught:
        ls.Table.read(write(folder / "bad.jsonl", {"a": 1}, "", '{"a":', "[1]"))
    assert [fault.where.rpartition(", ")[2] for fault in caught.value.faults] == ["line 3", "line 4"]


def test_a_table_in_a_folder_of_classes_is_not_read_and_that_is_said(folder):
    write(folder / "metadata.csv", "file_name,label", "cat/a.png,pet")
    write(folder / "notes.csv", "who,when", "me,now")
    told = []
    open_path(folder, tell=told.append)
    assert [sentence for sentence in told if "metadata.csv" in sentence] == [
        f"labels from the folders alone; to read metadata.csv instead, name it: {folder / 'metadata.csv'}"
    ]
    assert "notes.csv" not in "".join(told)


def test_a_key_that_comes_twice_is_named_and_the_last_value_not_taken(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"k": 1}\n{"k": 1, "k": 2}\n')
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: the key 'k' occurs twice"):
        ls.Table.read(tmp_path / "a.jsonl")

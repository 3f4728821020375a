"""Images and recordings found by a pattern."""

import sys

import pytest

from longspan.columns import Category, Image
from longspan.data import Table
from longspan.errors import ConfigError, DataError


def touched(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_groups_become_columns_and_folders_are_part_of_the_path(tmp_path):
    touched(tmp_path, "b/cat_1.jpg", "a/dog_2.jpg", "a/notes.txt")
    table = Table.from_files(tmp_path, r"(?P<set>\w)/(?P<animal>\w+)_\d+\.jpg")
    assert [row["image"] for row in table] == [str(tmp_path / "a/dog_2.jpg"), str(tmp_path / "b/cat_1.jpg")]
    assert table.column_values("set") == ["a", "b"]
    assert table.column_values("animal") == ["dog", "cat"]
    assert {name: type(column) for name, column in table.columns.items()} == {
        "image": Image,
        "set": Category,
        "animal": Category,
    }


def test_a_group_that_takes_no_part_is_missing(tmp_path):
    touched(tmp_path, "1.jpg", "2_cat.jpg")
    assert Table.from_files(tmp_path, r"\d(_(?P<label>.+))?\.jpg").column_values("label") == [None, "cat"]


def test_hidden_files_and_folders_are_left_out(tmp_path):
    touched(tmp_path, "a.jpg", ".b.jpg", ".cache/c.jpg")
    assert len(Table.from_files(tmp_path, ".*jpg")) == 1


def test_the_image_column_can_have_another_name(tmp_path):
    touched(tmp_path, "a.jpg")
    assert list(Table.from_files(tmp_path, r"(?P<image>.).jpg", image="photo").columns) == ["photo", "image"]
    with pytest.raises(ConfigError, match="group 'image' has the name of the image column"):
        Table.from_files(tmp_path, r"(?P<image>.).jpg")


def test_a_pattern_that_matches_nothing_shows_what_is_there(tmp_path):
    touched(tmp_path, "cats/1.jpg", "cats/2.jpg")
    with pytest.raises(DataError) as caught:
        Table.from_files(tmp_path, r"(?P<n>\d)\.png")
    assert "none of the 2 files" in str(caught.value)
    assert "'cats/1.jpg', 'cats/2.jpg'" in str(caught.value)
    with pytest.raises(DataError, match=r"a part of 'cats/1.jpg'; it must match the whole path"):
        Table.from_files(tmp_path, r"(?P<n>\d)\.jpg")


def test_folders_and_patterns_that_cannot_be(tmp_path):
    touched(tmp_path, "a.jpg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="gone does not exist"):
        Table.from_files(tmp_path / "gone", ".*")
    with pytest.raises(DataError, match=r"a.jpg is a file; pass the folder"):
        Table.from_files(tmp_path / "a.jpg", ".*")
    with pytest.raises(DataError, match="empty holds no files"):
        Table.from_files(tmp_path / "empty", ".*")
    with pytest.raises(ConfigError, match="not a regular expression: missing"):
        Table.from_files(tmp_path, "(")


def test_images_that_a_pattern_leaves_out_are_counted(tmp_path):
    touched(tmp_path, "cat_1.jpg", "cat_2.JPG", "dog_3.jpeg", "notes.txt")
    with pytest.warns(UserWarning, match=r"leaves out 2 of the 3 images below .*'cat_2.JPG', 'dog_3.jpeg'"):
        assert len(Table.from_files(tmp_path, r"(?P<k>.+)_\d\.jpg")) == 1
    assert len(Table.from_files(tmp_path, r"(?P<k>.+)_\d(?i:\.jpe?g)")) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow only Unicode names")
def test_names_that_are_not_utf8_are_refused(tmp_path):
    touched(tmp_path, b"caf\xe9.jpg".decode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=r"caf\\xe9.jpg: the name is not UTF-8"):
        Table.from_files(tmp_path, r".*\.jpg")

import warnings

import numpy as np
import pytest
from PIL import Image

import longspan as ls
from longspan.errors import ConfigError, DataError


@pytest.fixture
def tree(tmp_path):
    """Writes images below a folder, by their relative paths; gives the folder."""

    def write(*paths):
        for path in paths:
            file = tmp_path / "data" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(file)
        return tmp_path / "data"

    return write


def test_a_folder_for_each_class(tree):
    root = tree("cat/a.png", "cat/deep/b.JPG", "dog/a.png", ".hidden/c.png")
    with pytest.warns(UserWarning, match=r"1 image, such as 'cat/deep/b\.JPG', lies in folders below the folder of a"):
        table = ls.Table.from_folder(root)
    assert table["label"] == ["cat", "cat", "dog"]
    assert table["image"] == [str(root / path) for path in ("cat/a.png", "cat/deep/b.JPG", "dog/a.png")]
    assert [type(column) for column in table.columns.values()] == [ls.Image, ls.Category]


@pytest.mark.parametrize("valid", ["valid", "val", "Validation"])
def test_folders_of_parts_above_the_classes_are_the_split(tree, valid):
    root = tree("train/cat/a.png", "train/dog/a.png", f"{valid}/cat/b.png", "test/dog/c.png")
    table = ls.Table.from_folder(root)
    rows = {(row["image"].removeprefix(f"{root}/"), row["label"], row["split"]) for row in table}
    assert rows == {
        ("train/cat/a.png", "cat", "train"), ("train/dog/a.png", "dog", "train"),
        (f"{valid}/cat/b.png", "cat", "valid"), ("test/dog/c.png", "dog", "test"),
    }  # fmt: skip
    split = table.split(column="split")
    assert (len(split.train), len(split.valid), len(split.vault)) == (2, 1, 1)


def test_folders_in_folders_are_a_column_for_each_level(tree):
    table = ls.Table.from_folder(tree("Latin/a1/x.png", "Latin/a2/x.png", "Greek/a1/x.png"))
    assert list(table.columns) == ["image", "folder1", "folder2", "folders"]
    assert table["folder1"] == ["Greek", "Latin", "Latin"]
    assert table["folder2"] == ["a1", "a1", "a2"]
    assert table["folders"] == ["Greek/a1", "Latin/a1", "Latin/a2"]


def test_a_folder_around_all_classes_or_below_each_is_no_class(tree):
    table = ls.Table.from_folder(tree("pack/cat/images/a.png", "pack/dog/images/a.png"))
    assert (list(table.columns), table["label"]) == (["image", "label"], ["cat", "dog"])


def test_a_folder_around_the_parts(tree):
    table = ls.Table.from_folder(tree("pack/train/cat/a.png", "pack/train/dog/a.png", "pack/val/cat/a.png"))
    assert (table["label"], table["split"]) == (["cat", "dog", "cat"], ["train", "train", "valid"])


def test_a_class_may_be_called_like_a_part(tree):
    table = ls.Table.from_folder(tree("test/a.png", "control/a.png"))
    assert sorted(set(table["label"])) == ["control", "test"]
    assert "split" not in table.columns


def test_images_in_no_folder_have_no_class(tree):
    assert list(ls.Table.from_folder(tree("a.png", "b.png")).columns) == ["image"]


def test_what_is_left_out_is_said(tree):
    root = tree("train/cat/a.png", "valid/cat/b.png", "more/cat/c.png", "train/loose.png")
    (root / "train/bird").mkdir()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = ls.Table.from_folder(root)
    assert len(table) == 2
    text = "\n".join(str(each.message) for each in caught)
    assert "1 image left out, such as 'more/cat/c.png': they are in none of the folders train, valid" in text
    assert "1 image left out, such as 'train/loose.png': they are not in the folder of a class" in text
    assert "'train/bird' holds no image, so there is no such class" in text


def test_a_whole_folder_warns_of_nothing(tree):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ls.Table.from_folder(tree("train/cat/a.png", "valid/cat/b.png"))


def test_names_of_columns(tree):
    root = tree("train/cat/a.png", "valid/cat/b.png")
    assert list(ls.Table.from_folder(root, image="photo", label="animal", split="part").columns) == [
        "photo", "animal", "part",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="three names"):
        ls.Table.from_folder(root, image="label")


def test_a_folder_that_is_not_there_or_empty(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        ls.Table.from_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"holds no image: no file ends in \.bmp"):
        ls.Table.from_folder(tmp_path)

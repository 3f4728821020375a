import numpy as np
import pytest
from PIL import Image

import longspan as ls
from longspan.errors import DataError

BOX, POLYGON = "0 0.5 0.5 0.5 0.5", "1 0 0 1 0 1 1"


def write(root, files):
    """Images by their path, text files with what they hold."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
        else:
            path.write_text(content)
    return root


ULTRALYTICS = {
    "data.yaml": "path: .\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n",
    "images/train/a.jpg": None, "labels/train/a.txt": BOX,
    "images/train/b.jpg": None, "labels/train/b.txt": "",
    "images/val/c.jpg": None, "labels/val/c.txt": f"{BOX}\n{BOX.replace('0', '1', 1)}",
}  # fmt: skip
ROBOFLOW = {
    "data.yaml": "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\nnames: ['cat', 'dog']\n",
    "train/images/a.jpg": None, "train/labels/a.txt": BOX,
    "valid/images/b.jpg": None, "valid/labels/b.txt": BOX,
    "test/images/c.jpg": None, "test/labels/c.txt": BOX,
}  # fmt: skip


def test_the_layout_of_ultralytics(tmp_path):
    table = ls.Table.from_yolo_project(write(tmp_path, ULTRALYTICS) / "data.yaml")
    assert table["split"] == ["train", "train", "valid"]
    assert [[each["label"] for each in row] for row in table["boxes"]] == [["cat"], [], ["cat", "dog"]]
    assert table["boxes"][0][0]["box"] == [2, 2, 6, 6]
    assert len(table.split(column="split").valid) == 1


def test_the_layout_of_roboflow(tmp_path):
    table = ls.Table.from_yolo_project(write(tmp_path, ROBOFLOW) / "data.yaml", split="part")
    assert table["part"] == ["train", "valid", "test"]
    assert all(len(row) == 1 for row in table["boxes"])


def test_a_folder_named_for_two_parts_is_read_once(tmp_path):
    files = {**ULTRALYTICS, "data.yaml": "train: images/train\nval: images/train\nnames: [cat, dog]\n"}
    with pytest.warns(UserWarning, match="'val' names the folder that 'train' names"):
        table = ls.Table.from_yolo_project(write(tmp_path, files) / "data.yaml")
    assert table["split"] == ["train", "train"]
    assert len(table.split(column="split", valid=1).valid) == 1


def test_several_folders_and_lists_of_images(tmp_path):
    files = {
        **ULTRALYTICS,
        "data.yaml": "train: [images/train, images/val]\nval: val.txt\nnames: [cat, dog]\n",
        "val.txt": "more/images/d.jpg\n", "more/images/d.jpg": None, "more/labels/d.txt": BOX,
    }  # fmt: skip
    assert ls.Table.from_yolo_project(write(tmp_path, files) / "data.yaml")["split"] == ["train"] * 3 + ["valid"]


def test_a_part_without_objects_has_no_instances_among_polygons(tmp_path):
    files = {**ULTRALYTICS, "labels/train/a.txt": POLYGON, "labels/val/c.txt": ""}
    table = ls.Table.from_yolo_project(write(tmp_path, files) / "data.yaml")
    assert [len(row) for row in table["instances"]] == [1, 0, 0]
    with pytest.raises(DataError, match="another part of the data set holds polygons"):
        ls.Table.from_yolo_project(write(tmp_path, {"labels/val/c.txt": BOX}) / "data.yaml")
    assert "instances" not in ls.Table.from_yolo_project(tmp_path / "data.yaml", instances=False).columns


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("names: [cat]\n", "names no images"),
        ("train: images/nowhere\nnames: [cat]\n", r"images of 'train' are not there: looked for .*nowhere"),
        ("train: {a: b}\nnames: [cat]\n", "line 1: train should be a folder of images"),
        ("train: lone/empty\nnames: [cat]\n", "no text files with the objects of 'train'"),
    ],
)
def test_what_is_missing_is_named(tmp_path, yaml, message):
    write(tmp_path, {**ULTRALYTICS, "data.yaml": yaml, "lone/empty/x.jpg": None})
    with pytest.raises(DataError, match=message):
        ls.Table.from_yolo_project(tmp_path / "data.yaml")

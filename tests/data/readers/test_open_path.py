import json

import numpy as np
import pytest
from PIL import Image

import longspan as ls
from longspan.data.readers.open_path import open_path
from longspan.errors import ConfigError, DataError


def draw(path, level=60):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30, 3), level, np.uint8)).save(path)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_folder_per_class_in_train_and_valid_folders(tmp_path):
    for part in ("train", "valid"):
        for label in ("cat", "dog"):
            draw(tmp_path / "pets" / part / label / f"{part}.png")
    table = ls.Table.read(tmp_path / "pets")
    assert table.columns["label"].kind == "category"
    rows = sorted((str(row["image"]).split("/")[-3], row["label"], row["split"]) for row in table)
    assert rows == [
        ("train", "cat", "train"),
        ("train", "dog", "train"),
        ("valid", "cat", "valid"),
        ("valid", "dog", "valid"),
    ]


def test_boxes_of_pascal_voc_beside_their_images(tmp_path):
    draw(tmp_path / "cells" / "JPEGImages" / "a.png")
    write(
        tmp_path / "cells" / "Annotations" / "a.xml",
        "<annotation><filename>a.png</filename><size><width>30</width><height>20</height><depth>3</depth></size>"
        "<object><name>red</name><bndbox><xmin>3</xmin><ymin>5</ymin><xmax>12</xmax><ymax>16</ymax></bndbox></object>"
        "</annotation>",
    )
    table = ls.Table.read(tmp_path / "cells")
    (row,) = list(table)
    (box,) = row["boxes"]
    assert (box["label"], list(box["box"])) == ("red", [2, 4, 12, 16]), "VOC counts from 1, and its ends belong to it"


def test_masks_beside_their_images(tmp_path):
    for name in ("a", "b"):
        draw(tmp_path / "cells" / "images" / f"{name}.png")
        mask = np.zeros((20, 30), np.uint8)
        mask[5:10] = 255
        (tmp_path / "cells" / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "cells" / "masks" / f"{name}.png")
    table = ls.Table.read(tmp_path / "cells")
    assert table.columns["mask"].kind == "mask"
    assert len(table) == 2


def test_coco_json_with_its_images_beside_it(tmp_path):
    draw(tmp_path / "birds" / "images" / "a.png")
    content = {
        "images": [{"id": 7, "file_name": "a.png", "width": 30, "height": 20}],
        "categories": [{"id": 3, "name": "gull"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 10, 8], "area": 80, "iscrowd": 0}],
    }
    path = write(tmp_path / "birds" / "labels.json", json.dumps(content))
    (row,) = list(ls.Table.read(path))
    assert (row["boxes"][0]["label"], list(row["boxes"][0]["box"])) == ("gull", [1, 2, 11, 10])
    with pytest.raises(DataError, match="not COCO's JSON"):
        ls.Table.read(write(tmp_path / "other.json", "[1, 2]"))


def test_a_table_of_ids_finds_the_folder_and_the_ending_of_its_images(tmp_path):
    for number in (1, 2):
        draw(tmp_path / "train_images" / f"00{number}.png")
    path = write(tmp_path / "train.csv", "id,grade\n001,3\n002,4\n")
    table = ls.Table.read(path)
    assert [str(row["id"]) for row in table] == [str(tmp_path / "train_images" / f"00{n}.png") for n in (1, 2)]
    assert table["grade"] == [3, 4]


def test_ids_that_fit_two_folders_are_refused_with_both(tmp_path):
    for folder in ("raw", "resized"):
        draw(tmp_path / folder / "a.png")
    path = write(tmp_path / "rows.csv", "id,grade\na,3\n")
    with pytest.raises(ConfigError, match=r"(?s)raw.*resized|resized.*raw"):
        ls.Table.read(path)
    (row,) = list(ls.Table.read(path, root=tmp_path / "raw", suffix=".png"))
    assert str(row["id"]) == str(tmp_path / "raw" / "a.png")


def test_a_line_per_box_becomes_a_row_per_image(tmp_path):
    for name in ("a", "b"):
        draw(tmp_path / f"{name}.png")
    lines = (
        "filename,xmin,ymin,xmax,ymax,class\na.png,1,2,10,12,raccoon\na.png,4,4,9,9,raccoon\nb.png,0,0,5,5,raccoon\n"
    )
    table = ls.Table.read(write(tmp_path / "boxes.csv", lines))
    assert [len(row["boxes"]) for row in table] == [2, 1]
    assert list(table[0]["boxes"][0]["box"]) == [1, 2, 10, 12]


def test_images_in_a_folder_beside_that_of_the_table_are_found(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "annotations").mkdir()
    for name in ("a.jpg", "b.jpg"):
        draw(tmp_path / "images" / name)
    lines = "filename,class,xmin,ymin,xmax,ymax\na.jpg,cat,1,2,10,12\nb.jpg,cat,0,0,5,5\n"
    table = ls.Table.read(write(tmp_path / "annotations" / "boxes.csv", lines))
    assert table[0]["filename"] == str((tmp_path / "images" / "a.jpg").resolve())
    ids = write(tmp_path / "annotations" / "ids.csv", "id,kind\na,x\nb,y\n")
    assert "image" not in {column.kind for column in ls.Table.read(ids).columns.values()}  # ids may mean anything


def test_boxes_counted_from_one_are_hinted_at_and_read_when_said(tmp_path):
    for name in ("a.png", "b.png"):
        draw(tmp_path / name)
    with Image.open(tmp_path / "a.png") as opened:
        width, height = opened.size
    path = write(
        tmp_path / "voc.csv",
        "filename,width,height,class,xmin,ymin,xmax,ymax\n"
        f"a.png,{width},{height},cat,1,2,{width},{height}\nb.png,{width},{height},cat,3,4,5,6\n",
    )
    told = []
    parts = open_path(path, tell=told.append)
    assert any("--corners pixels" in sentence for sentence in told)
    assert list(parts.frame["boxes"][0][0]["box"]) == [1, 2, width, height]
    table = ls.Table.read(path, corners="pixels")
    assert list(table[0]["boxes"][0]["box"]) == [0, 1, width, height]
    assert list(table[1]["boxes"][0]["box"]) == [2, 3, 5, 6]
    told.clear()
    open_path(write(path, path.read_text().replace("b.png,", "b.png,").replace(",3,4,", ",0,4,")), tell=told.append)
    assert not any("--corners" in sentence for sentence in told)
    with pytest.raises(ConfigError, match="must be 'edges', 'pixels', 'xywh', 'cxcywh', got 'inches'"):
        ls.Table.read(path, corners="inches")


def test_workbooks_and_archives_say_what_to_do(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04\x14")
    with pytest.raises(
        DataError, match=r"a\.xlsx is a zip archive, as Excel's workbooks are too; .* save the sheet as CSV"
    ):
        ls.Table.read(tmp_path / "a.xlsx")


def test_what_is_not_there_or_no_table_says_so(tmp_path):
    with pytest.raises(DataError, match="no file or folder"):
        ls.Table.read(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"ends in '\.exe'"):
        ls.Table.read(write(tmp_path / "a.exe", "x"))


def test_boxes_of_images_whose_size_is_not_the_one_in_the_table_are_refused(tmp_path):
    draw(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as opened:
        width, height = opened.size
    head = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    assert len(ls.Table.read(write(tmp_path / "b.csv", f"{head}a.png,{width},{height},cat,1,2,5,6\n"))) == 1
    assert len(ls.Table.read(write(tmp_path / "b.csv", f"{head}a.png,4,3,cat,1,2,5,5\n"))) == 1  # sizes of the boxes
    with pytest.raises(DataError, match=f"the image is {width} x {height} px, but the table says {2 * width} x"):
        ls.Table.read(write(tmp_path / "b.csv", f"{head}a.png,{2 * width},{2 * height},cat,1,2,5,6\n"))


def test_equal_boxes_are_read_once_and_columns_that_differ_are_named(tmp_path):
    draw(tmp_path / "a.png")
    lines = "filename,class,xmin,ymin,xmax,ymax,split,who\n" + "".join(
        f"a.png,cat,1,2,5,6,{part},me\n" for part in ("train", "test")
    )
    with (
        pytest.warns(UserWarning, match="1 object with the same box and class"),
        pytest.warns(UserWarning, match="left out 'split', which differs between the boxes of one image"),
    ):
        table = ls.Table.read(write(tmp_path / "b.csv", lines))
    assert (len(table[0]["boxes"]), sorted(table.columns)) == (1, ["boxes", "filename", "who"])


def test_images_that_a_table_does_not_list_are_counted(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        draw(tmp_path / name)
    told = []
    open_path(write(tmp_path / "b.csv", "file,kind\na.png,x\n"), tell=told.append)
    assert "2 images beside those of the table are not in it and left out" in told


def test_equal_lines_of_yolo_are_read_once(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    draw(tmp_path / "images" / "a.png")
    write(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2\n1 0.5 0.5 0.2 0.2\n")
    with pytest.warns(UserWarning, match="1 object with the same box and class"):
        table = ls.Table.read(tmp_path)
    assert [box["label"] for box in table[0]["boxes"]] == [0, 1]


def test_folders_of_archives_are_no_classes_and_unread_endings_are_said(tmp_path):
    for name in ("cat/a.png", "dog/b.png", "__MACOSX/cat/a.png", "cat/.ipynb_checkpoints/a.png", "cat/c.jfif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        draw(tmp_path / name.replace(".jfif", ".jpg"))
    (tmp_path / "cat" / "c.jpg").rename(tmp_path / "cat" / "c.jfif")
    write(tmp_path / "dog" / "phone.HEIC", "x")
    with pytest.warns(UserWarning, match=r"1 image left out, such as 'dog/phone.HEIC': longspan does not read .HEIC"):
        table = ls.Table.read(tmp_path)
    assert sorted(zip((p.rpartition("/")[2] for p in table["image"]), table["label"], strict=True)) == [
        ("a.png", "cat"),
        ("b.png", "dog"),
        ("c.jfif", "cat"),
    ]


def test_images_that_exif_mirrors_without_changing_their_size_are_said_where_masks_lie_in_them(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    exif = Image.Exif()
    exif[274] = 3
    for name in ("a", "b"):
        Image.new("RGB", (12, 10), (90, 10, 10)).save(tmp_path / "images" / f"{name}.jpg", exif=exif.tobytes())
        Image.fromarray(np.eye(10, 12, dtype=np.uint8)).save(tmp_path / "masks" / f"{name}.png")
    with pytest.warns(UserWarning, match="an EXIF note turns or mirrors images, such as 'a.jpg', without changing"):
        ls.Table.read(tmp_path)


ANNOTATIONS = {
    "labelme": {"shapes": [{"label": "cat", "points": [[1, 1], [9, 9]]}], "imagePath": "a.png", "imageData": None},
    "the VGG Image Annotator": {"a.png1": {"filename": "a.png", "regions": [{"shape_attributes": {"name": "rect"}}]}},
    "Label Studio": [{"annotations": [{"result": [{"from_name": "label", "to_name": "image"}]}]}],
    "Supervisely": {"objects": [{"classTitle": "cat", "points": {}}]},
}


@pytest.mark.parametrize("tool", ANNOTATIONS)
def test_annotations_of_tools_that_are_not_read_are_named(tmp_path, tool):
    draw(tmp_path / "images" / "a.png")
    write(tmp_path / "images" / "a.json", json.dumps(ANNOTATIONS[tool]))
    with pytest.raises(DataError, match=f"a.json is {tool}'s annotation, which longspan does not read; export COCO"):
        ls.Table.read(tmp_path / "images")
    with pytest.raises(DataError, match=r"is not COCO's JSON.*export COCO there"):
        ls.Table.read(tmp_path / "images" / "a.json")
    draw(tmp_path / "images" / "cat" / "b.png")
    (tmp_path / "images" / "a.png").unlink()
    with pytest.warns(UserWarning, match="The classes are those of the folders"):
        assert ls.Table.read(tmp_path / "images")["label"] == ["cat"]


def test_a_data_frame_with_a_name_twice_is_refused(tmp_path):
    import pandas as pd

    with pytest.raises(DataError, match="several columns called 'x'"):
        ls.Table.from_frame(pd.DataFrame([[1, 2], [3, 4]], columns=["x", "x"]))


def test_recordings_in_a_folder_for_each_class_are_read_and_transcripts_are_pointed_at(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    for part, label in (("train", "yes"), ("train", "no"), ("valid", "yes"), ("valid", "no")):
        path = tmp_path / "words" / part / label / "1.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, np.sin(np.arange(800) * 0.1), 8000)
    (tmp_path / "words" / "validation_list.txt").write_text("yes/1.wav\n")
    said = []
    table = ls.Table.of(open_path(tmp_path / "words", tell=said.append))
    assert said == ["recordings in a folder for each class"]
    assert isinstance(table.columns["audio"], ls.Audio)
    assert (table["label"], table["split"]) == (["no", "yes"] * 2, ["train"] * 2 + ["valid"] * 2)
    (tmp_path / "words" / "metadata.csv").write_text("1|yes\n")
    with pytest.raises(DataError, match=r"what is said in them. Read both with --transcripts"):
        ls.Table.read(tmp_path / "words")


@pytest.mark.parametrize(
    ("ending", "said"),
    [("{}.jpg", "JPEG blurs the numbers of classes"), ("x{}x.png", "--mask-name '{stem}_mask.png'")],
)
def test_masks_that_are_not_understood_are_not_read_as_a_class_of_images(tmp_path, ending, said):
    for number in range(3):
        draw(tmp_path / "cells" / "images" / f"{number}.png", 60 + number)
        draw(tmp_path / "cells" / "masks" / ending.format(number), number)
    with pytest.raises(DataError, match=said):
        ls.Table.read(tmp_path / "cells")

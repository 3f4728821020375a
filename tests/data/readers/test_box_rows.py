import unicodedata
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

import longspan as ls
from longspan.data.readers.box_columns import box_columns
from longspan.data.readers.open_path import open_path
from longspan.errors import ConfigError, DataError

WIDTH, HEIGHT = 100, 80
HEAD = "image,x,y,width,height,label\n"


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / f"{number}.png")
    return tmp_path


def read(folder, text, **options):
    """Boxes and labels of each image, and what was said."""
    (folder / "a.csv").write_text(text, encoding="utf-8")
    told = []
    parts = open_path(folder / "a.csv", tell=told.append, **options)
    rows = [[(entry["box"], entry["label"]) for entry in row] for row in parts.frame["boxes"].to_list()]
    return rows, " ".join(told)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["xmin", "ymin", "xmax", "ymax"], "edges"),
        (["XMin", "YMin", "XMax", "YMax", "width", "height"], "edges"),
        (["x", "y", "width", "height"], "xywh"),
        (["xmin", "ymin", "w", "h"], "xywh"),
        (["bbox_x", "bbox_y", "bbox_width", "bbox_height", "width", "height"], "xywh"),
        (["x_center", "y_center", "width", "height"], "cxcywh"),
        (["image_id", "width", "height", "bbox"], "list"),
        (["x", "y", "age"], None),
    ],
)
def test_names_of_columns_say_what_their_numbers_are(names, found):
    columns = box_columns(["id", *names])
    assert (columns and columns.form) == found
    if found == "xywh":
        assert columns.names == tuple(names[:4])


def test_corner_and_size(folder):
    rows, told = read(folder, f"{HEAD}0.png,10,20,30,40,cat\n./0.png,5,5,5,5,dog\n1.png,0,0,9.5,10,cat\n2.png,,,,,\n")
    assert rows == [[([10, 20, 40, 60], "cat"), ([5, 5, 10, 10], "dog")], [([0, 0, 9.5, 10], "cat")], []]
    assert "x and y are taken as the upper left corner" in told


def test_centres_that_would_reach_beyond_their_images_as_corners_are_refused_until_somebody_says_what_they_are(folder):
    text = f"{HEAD}0.png,90,70,20,20,cat\n1.png,5,5,10,10,dog\n"
    with pytest.raises(ConfigError, match="Say which they are: --corners cxcywh"):
        read(folder, text)
    assert read(folder, text, corners="cxcywh")[0] == [[([80, 60, 100, 80], "cat")], [([0, 0, 10, 10], "dog")]]


def test_width_and_height_of_the_images_beside_points_are_not_boxes(folder):
    lines = "".join(f"{n}.png,{10 + n},20,{WIDTH},{HEIGHT},cat\n" for n in range(3))
    (folder / "a.csv").write_text(HEAD + lines, encoding="utf-8")
    assert "boxes" not in open_path(folder / "a.csv").frame.columns


@pytest.mark.parametrize(
    ("second", "expected"),
    [("[30, 25, 10, 10]", [30, 25, 40, 35]), ("(30 25 90 50)", [30, 25, 90, 50])],
)
def test_lists_of_four_numbers_are_what_fits_into_the_images(folder, second, expected):
    rows, _ = read(folder, f'image,bbox,label\n0.png,"[10, 20, 30, 40]",cat\n1.png,"{second}",dog\n')
    first = [10, 20, 40, 60] if second[0] == "[" else [10, 20, 30, 40]
    assert rows == [[(first, "cat")], [(expected, "dog")]]


def test_lists_that_fit_in_both_ways_are_refused_until_somebody_says_what_they_are(folder):
    text = 'image,bbox,label\n0.png,"[10, 20, 30, 40]",cat\n'
    with pytest.raises(ConfigError, match=r"both fit\. Say which: --corners edges, or --corners xywh"):
        read(folder, text)
    assert read(folder, text, corners="xywh")[0] == [[([10, 20, 40, 60], "cat")]]
    assert read(folder, text, corners="edges")[0] == [[([10, 20, 30, 40], "cat")]]
    with pytest.raises(
        DataError, match=r"line 2 \(0.png\): column 'bbox': '\[1, 2, 3\]' is not a list of four numbers"
    ):
        read(folder, 'image,bbox,label\n0.png,"[1, 2, 3]",cat\n')


def test_fractions_become_pixels_and_it_is_said(folder):
    rows, told = read(folder, "ImageID,XMin,XMax,YMin,YMax,LabelName\n0,0.1,0.5,0.25,0.75,cat\n1,0,1,0,1,dog\n")
    assert rows == [[([10, 20, 50, 60], "cat")], [([0, 0, WIDTH, HEIGHT], "dog")]]
    assert "are fractions of width and height" in told
    rows, _ = read(folder, "image,x_center,y_center,width,height,label\n0.png,.5,.5,.2,.5,cat\n")
    assert rows == [[([40, 20, 60, 60], "cat")]]


def test_faults_name_the_line_as_an_editor_counts_it_and_the_column(folder):
    text = (
        'note,image,xmin,ymin,xmax,ymax,label\n"two\nlines",0.png,30,2,20,20,cat\n\n,1.png,a,2,20,20,cat\n'
        ",2.png,,2,20,20,cat\n,2.png,1,2,20,20,\n"
    )
    with pytest.raises(DataError) as caught:
        read(folder, text)
    assert [repr(fault).removeprefix(f"{folder}/a.csv, ") for fault in caught.value.faults] == [
        "line 2 (0.png): the box 30, 2, 20, 20 has no area: xmax must be above xmin",
        "line 5 (1.png): column 'xmin': 'a' is not a number",
        "line 6 (2.png): column 'xmin' is empty",
        "line 7 (2.png): column 'label' is empty",
    ]


def test_options_that_contradict_the_names_of_the_columns_are_refused(folder):
    with pytest.raises(ConfigError, match="does not fit the columns xmin, ymin, xmax, ymax"):
        read(folder, "image,xmin,ymin,xmax,ymax,label\n0.png,1,2,20,20,cat\n", corners="xywh")


def test_boxes_without_a_column_of_classes_are_said_to_be_objects(folder):
    rows, told = read(folder, "image,xmin,ymin,xmax,ymax,sort\n0.png,1,2,20,20,cat\n")
    assert rows == [[([1, 2, 20, 20], "object")]]
    assert "call it label" in told


def test_lines_are_named_after_filtering_and_taking_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('note,n\n"a\nb",1\n\n"c",2\n"d\n\n",3\nlast,4\n', encoding="utf-8")
    table = ls.Table.read(path)
    assert [table.row_name(row) for row in range(4)] == ["line 2", "line 5", "line 6", "line 9"]
    assert table.filter(pl.col("n") > 2).where(1, "n") == f"{path}, line 9, column 'n'"
    assert table.take([3, 1])[1:].row_name(0) == "line 5"
    assert ls.Table.from_frame(table.frame).row_name(3) == "row 3"


def test_names_composed_in_another_way_are_found_and_said_once(tmp_path):
    nfd, nfc = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFD", "NFC"))
    for number, (file, named) in enumerate(((nfd, nfc), (nfc, nfd))):
        root = tmp_path / str(number)
        (root / "im").mkdir(parents=True)
        for end in "12":
            Image.new("RGB", (9, 9)).save(root / "im" / f"{file}{end}.JPG", format="JPEG")
        (root / "a.csv").write_text(f"file,label\n{named}1.jpg,x\n{named}2.jpg,y\n", encoding="utf-8")
        told = []
        parts = open_path(root / "a.csv", tell=told.append)
        assert parts.frame["file"].to_list() == [f"{file}1.JPG", f"{file}2.JPG"]
        assert all(Path(parts.root, cell).is_file() for cell in parts.frame["file"])
        assert sum("spelled in another way" in sentence for sentence in told) == 1


def test_names_that_two_files_may_have_are_refused_by_line(tmp_path):
    for name in ("a.JPG", "a.Jpg", "b.jpg"):
        Image.new("RGB", (9, 9)).save(tmp_path / name, format="JPEG")
    (tmp_path / "t.csv").write_text("file,label\nb.jpg,x\na.jpg,y\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 3, column 'file': 'a.jpg' may be 'a.JPG' or 'a.Jpg'"):
        ls.Table.read(tmp_path / "t.csv")


def test_true_and_false_in_several_spellings_are_two_classes_and_said(tmp_path):
    (tmp_path / "t.csv").write_text("n,ok\n1,yes\n2,Yes\n3,TRUE\n4,1\n5,no\n6,0\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="'yes', 'Yes', 'TRUE', '1' are read as true and 'no', '0' as false"):
        table = ls.Table.read(tmp_path / "t.csv")
    assert table["ok"] == [True, True, True, True, False, False]
    (tmp_path / "t.csv").write_text("n,ok\n1,yes\n2,no\n3,yes\n", encoding="utf-8")
    assert ls.Table.read(tmp_path / "t.csv")["ok"] == ["yes", "no", "yes"]


def test_boxes_that_may_be_percentages_are_told(folder):
    for number in range(2):
        Image.new("RGB", (400, 300)).save(folder / f"large{number}.png")
    rows = "large0.png,10,20,30,40,cat\nlarge1.png,50,60,50,40,cat\n"
    with pytest.warns(UserWarning, match="If x, y, width, height are percentages, as Label Studio's are"):
        boxes, _ = read(folder, HEAD + rows)
    assert boxes[1] == [([50.0, 60.0, 100.0, 100.0], "cat")]
    for others in (rows.replace("50,60,50,40", "50,60,60,40"), rows.replace("50,60,50,40", "10,60,20,40")):
        read(folder, HEAD + others)
    read(folder, HEAD + "0.png,0,0,100,80,cat\n")

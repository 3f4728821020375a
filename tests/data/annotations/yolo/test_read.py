import pytest

from longspan.data import Table
from longspan.errors import ConfigError, DataError


@pytest.fixture
def write(tmp_path, image):
    image("a.png")

    def write(text, name="a.txt"):
        path = tmp_path / "labels" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path.parents[name.count("/")], tmp_path / "images"

    return write


def faults(*places, **options):
    with pytest.raises(DataError) as caught:
        Table.from_yolo(*places, **options)
    return [repr(fault) for fault in caught.value.faults]


def test_fractions_become_pixels_of_the_image(write):
    table = Table.from_yolo(*write("1 0.5 0.5 0.2 0.4\n\n0 0.05 0.9 0.1 0.2\n"), ["cat", "dog"])
    boxes = table[0]["boxes"]
    assert boxes[0]["box"] == pytest.approx([12, 6, 18, 14])
    assert boxes[1]["box"] == pytest.approx([0, 16, 3, 20])
    assert [box["label"] for box in boxes] == ["dog", "cat"]
    assert table.columns["boxes"].vocab == ("cat", "dog")
    assert list(table.columns) == ["image", "boxes"]


def test_without_names_the_numbers_are_the_labels(write):
    table = Table.from_yolo(*write("7 0.5 0.5 0.2 0.4\n"))
    assert table[0]["boxes"][0]["label"] == 7
    assert table.columns["boxes"].vocab == ()


def test_polygons_give_instances_and_their_boxes(write):
    table = Table.from_yolo(*write("0 0.1 0.1 0.5 0.1 0.5 0.5\n0 0 0 1 0 1 1 0 1\n"), ["cat"])
    assert table[0]["instances"][0]["polygons"] == [pytest.approx([3, 2, 15, 2, 15, 10])]
    assert [box["box"] for box in table[0]["boxes"]] == [pytest.approx([3, 2, 15, 10]), [0, 0, 30, 20]]
    assert table.columns["instances"].vocab == ("cat",)
    assert table.columns["instances"].check(table[0]["instances"]) is None


def test_empty_files_are_empty_and_missing_files_as_asked(write, image):
    image("b.png")
    places = write("")
    assert Table.from_yolo(*places).column_values("boxes") == [[], []]
    assert Table.from_yolo(*places, no_file="missing").column_values("boxes") == [[], None]


def test_an_image_with_bad_lines_alone_is_not_an_empty_one(write, image):
    image("b.png")
    write("0 0.5 0.5 0.2 0.4\n0 0.5 0.5 -0.2 0.4\n", "b.txt")
    places = write("0 0.5 0.5 -0.2 0.4\n")
    with pytest.warns(UserWarning, match="2 faults"):
        none, one = Table.from_yolo(*places, ["cat"], on_error="skip").column_values("boxes")
    assert none is None
    assert len(one) == 1


def test_an_image_without_outlines_is_not_one_without_instances(write, image):
    image("b.png")
    write("0 0.1 0.1 0.5 0.1 0.5 0.5\n", "b.txt")
    with pytest.warns(UserWarning, match="while other lines are polygons"):
        table = Table.from_yolo(*write("0 0.5 0.5 0.2 0.4\n"), ["cat"], on_error="skip")
    assert [None if each is None else len(each) for each in table.column_values("boxes")] == [1, 1]
    assert [None if each is None else len(each) for each in table.column_values("instances")] == [None, 1]


def test_folders_below_belong_together_and_names_beside_labels_are_no_labels(write, image):
    image("s/a.png", (10, 10))
    write("cat\ndog\n", "classes.txt")
    write("1 0.5 0.5 1 1\n", "s/a.txt")
    labels, images = write("0 0.5 0.5 1 1\n")
    table = Table.from_yolo(labels, images, labels / "classes.txt")
    assert [row["boxes"][0]["label"] for row in table] == ["cat", "dog"]
    assert table[1]["boxes"][0]["box"] == [0, 0, 10, 10]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 0.5 0.5 0 0.4", "has no area"),
        ("0 0.5 0.5 -0.1 0.4", "cannot be below 0"),
        ("0 0.9 0.5 0.5 0.4", "px out of the image"),
        ("0 15 10 3 4", "should be fractions of width and height, 0 to 1; these look like pixels"),
        ("0 1 1 20 1 20 9", "these look like pixels"),
        ("2 0.5 0.5 0.2 0.4", "there is no class 2: the list has 2, 0 to 1"),
        ("0.5 0.5 0.5 0.2 0.4", "the class '0.5' is not a whole number"),
        ("-1 0.5 0.5 0.2 0.4", "the class '-1' is not a whole number"),
        ("cat 0.5 0.5 0.2 0.4", "'cat' is not a finite number"),
        ("100000000000000000000 0.5 0.5 0.2 0.4", "the class '100000000000000000000' is not a whole number"),
        ("0 0.5 nan 0.2 0.4", "'nan' is not a finite number"),
        ("0 0.5 0.5 0.2 0.4 0.99", "is the last one a score"),
        ("0 0.5 0.5 0.2", "3 numbers after the class"),
        ("0 0.5 0.5", "2 numbers after the class"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3", "all points lie on one line"),
    ],
)
def test_bad_lines_are_named_and_left_out(write, line, words):
    places = write(f"1 0.5 0.5 0.2 0.4\n{line}\n")
    (fault,) = faults(*places, names=["cat", "dog"])
    assert fault.startswith("a.txt, line 2 (a.png): ")
    assert words in fault
    with pytest.warns(UserWarning, match="1 fault"):
        table = Table.from_yolo(*places, names=["cat", "dog"], on_error="skip")
    assert [box["label"] for box in table[0]["boxes"]] == ["dog"]


def test_boxes_among_polygons_have_no_mask(write):
    places = write("0 0.5 0.5 0.2 0.4\n0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    assert faults(*places) == [
        "a.txt, line 1 (a.png): it is a box, while other lines are polygons. "
        "Make it one, or read the boxes of all lines: instances=False (--target boxes)."
    ]
    with pytest.warns(UserWarning, match="1 fault"):
        table = Table.from_yolo(*places, on_error="skip")
    assert (len(table[0]["boxes"]), len(table[0]["instances"])) == (2, 1)


def test_files_without_an_image_or_with_two(write, image):
    image("b.png")
    image("b.jpg")
    write("0 0.5 0.5 1 1\n", "b.txt")
    found = faults(*write("0 0.5 0.5 1 1\n", "c.txt"))
    assert "b.txt: may be about b.jpg or b.png. Keep one of them." in found
    assert any("c.txt: there is no image c.* in" in fault for fault in found)


def test_files_and_images_that_cannot_be_read_are_missing(write, tmp_path):
    labels, images = write("0 0.5 0.5 1 1\n")
    (labels / "a.txt").write_bytes(b"\xff")
    assert "a.txt (a.png): line 1: byte 0xff is not UTF-8" in faults(labels, images)[0]
    with pytest.warns(UserWarning, match="1 fault"):
        assert Table.from_yolo(labels, images, on_error="skip").column_values("boxes") == [None]
    write("0 0.5 0.5 1 1\n")
    (images / "a.png").write_bytes(b"no image")
    assert "a.txt (a.png): this is not an image" in faults(labels, images)[0]


def test_what_cannot_be(write, tmp_path):
    labels, images = write("")
    with pytest.raises(ConfigError, match="no_file"):
        Table.from_yolo(labels, images, no_file="none")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no text file with labels"):
        Table.from_yolo(images, images)
    with pytest.raises(DataError, match="the folder that holds the text files"):
        Table.from_yolo(tmp_path / "gone", images)


def test_boxes_of_all_lines_when_boxes_are_wanted(write):
    places = write("0 0.5 0.5 0.2 0.4\n0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    table = Table.from_yolo(*places, instances=False)
    assert [box["box"] for box in table[0]["boxes"]] == [pytest.approx([12, 6, 18, 14]), pytest.approx([3, 2, 15, 10])]
    assert list(table.columns) == ["image", "boxes"]


KEYPOINTS = "0 0.5 0.5 0.4 0.4 0.4 0.6 0.6 0.4\n"
FLAGGED = "0 0.5 0.5 0.4 0.4 0.45 0.4 2 0 0 0\n"


@pytest.mark.parametrize(("lines", "shape"), [(KEYPOINTS, (2, 2)), (FLAGGED, (2, 3))])
def test_key_points_are_left_out_or_refused(write, tmp_path, lines, shape):
    places = write(lines)
    (tmp_path / "data.yaml").write_text(f"kpt_shape: {list(shape)}\nnames: [person]\n")
    for options in ({"names": tmp_path / "data.yaml"}, {"names": ["person"], "kpt_shape": shape}):
        with pytest.warns(UserWarning, match="their 2 key points are left out"):
            table = Table.from_yolo(*places, **options)
        assert table[0]["boxes"][0]["box"] == pytest.approx([9, 6, 21, 14])
        assert list(table.columns) == ["image", "boxes"]
    with pytest.raises(DataError, match=rf"a box followed by key points.*kpt_shape=.*\({shape[0]}, {shape[1]}\)"):
        Table.from_yolo(*places, names=["person"])


def test_polygons_that_look_like_key_points_are_read_when_asked_for(write):
    table = Table.from_yolo(*write(KEYPOINTS), ["person"], kpt_shape=(0, 0))
    assert len(table[0]["instances"][0]["polygons"][0]) == 8


def test_an_oriented_box_is_a_polygon_of_four_points(write):
    table = Table.from_yolo(*write("0 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9\n"), ["person"])
    assert table[0]["boxes"][0]["box"] == pytest.approx([3, 2, 27, 18])


def test_lines_with_too_few_key_points(write):
    (fault,) = faults(*write(KEYPOINTS), names=["person"], kpt_shape=(3, 2))
    assert "8 numbers after the class; a box and 3 key points of 2 have 10" in fault
    with pytest.raises(ConfigError, match="kpt_shape is"):
        Table.from_yolo(*write(KEYPOINTS), kpt_shape=(3, 4))


def test_labels_counted_from_1_are_noticed(write):
    with pytest.warns(UserWarning, match="class 0, 'cat', never occurs, and all others do. If the files count"):
        table = Table.from_yolo(*write("1 0.5 0.5 0.2 0.2\n2 0.2 0.2 0.2 0.2\n"), ["cat", "dog", "cow"])
    assert [box["label"] for box in table[0]["boxes"]] == ["dog", "cow"]
    assert "do the files count classes from 1" in faults(*write("3 0.5 0.5 0.2 0.2\n"), ["cat", "dog", "cow"])[0]
    table = Table.from_yolo(*write("1 0.5 0.5 0.2 0.2\n2 0.2 0.2 0.2 0.2\n"), {1: "cat", 2: "dog"})
    assert [box["label"] for box in table[0]["boxes"]] == ["cat", "dog"]


def test_a_class_list_beside_the_labels_that_says_otherwise_is_noticed(write):
    labels, images = write("0 0.5 0.5 0.2 0.2\n")
    (labels / "classes.txt").write_text("dog\ncat\n")
    with pytest.warns(UserWarning, match="calls class 0 'dog', and the names in use call it 'cat'"):
        Table.from_yolo(labels, images, ["cat", "dog"])
    (labels / "classes.txt").write_text("Cat\ndog\n")
    Table.from_yolo(labels, images, ["cat", "dog"])

from xml.etree import ElementTree

import pytest

from longspan.data import Table
from longspan.errors import ConfigError, DataError


def voc(objects, size=(20, 30), filename="a.png"):
    """objects: (name, xmin, ymin, xmax, ymax, difficult)."""
    height, width = size or (0, 0)
    body = "".join(
        f"<object>\n<name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox><part><name>head</name></part></object>\n"
        for name, x0, y0, x1, y1, difficult in objects
    )
    said = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>" if size else ""
    return f"<annotation>\n<filename>{filename}</filename>\n{said}\n{body}</annotation>"


@pytest.fixture
def write(tmp_path, image):
    image("a.png")

    def write(name, text):
        path = tmp_path / "xmls" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path / "xmls"

    return write


def faults(folder, images, **options):
    with pytest.raises(DataError) as caught:
        Table.from_voc(folder, images, **options)
    return [repr(fault) for fault in caught.value.faults]


def test_pixels_from_one_become_edges_and_difficult_is_ignored(write, tmp_path):
    folder = write("a.xml", voc([("dog", 1, 1, 30, 20, 0), ("cat", 3, 4, 3, 5, 1)]))
    table = Table.from_voc(folder, tmp_path / "images")
    assert table.column_values("boxes") == [
        [
            {"box": [0.0, 0.0, 30.0, 20.0], "label": "dog", "ignore": False},
            {"box": [2.0, 3.0, 3.0, 5.0], "label": "cat", "ignore": True},
        ]
    ]
    edges = Table.from_voc(write("a.xml", voc([("dog", 0, 0, 30, 20, 0)])), tmp_path / "images", corners="edges")
    assert edges[0]["boxes"][0]["box"] == [0.0, 0.0, 30.0, 20.0]


def test_labels_can_be_chosen(write, tmp_path):
    folder = write("a.xml", voc([("dog", 1, 1, 30, 20, 0), ("cat", 3, 4, 5, 5, 1)]))
    table = Table.from_voc(folder, tmp_path / "images", labels=("cat",))
    assert [box["label"] for box in table[0]["boxes"]] == ["cat"]
    assert table.columns["boxes"].vocab == ("cat",)
    assert Table.from_voc(folder, tmp_path / "images").columns["boxes"].vocab == ()


def test_images_without_a_file_are_empty_or_missing(write, tmp_path, image):
    image("b.png")
    folder = write("a.xml", voc([]))
    assert Table.from_voc(folder, tmp_path / "images").column_values("boxes") == [[], []]
    assert Table.from_voc(folder, tmp_path / "images", no_file="missing").column_values("boxes") == [[], None]


def test_files_belong_to_the_image_of_their_name_else_to_the_one_they_name(write, tmp_path, image):
    image("s/b.png")
    write("a.xml", voc([("dog", 1, 1, 3, 3, 0)], filename="/home/me/a.png"))
    folder = write("s/0001.xml", voc([("cat", 1, 1, 3, 3, 0)], filename="b.png"))
    table = Table.from_voc(folder, tmp_path / "images")
    assert [box["label"] for boxes in table.column_values("boxes") for box in boxes] == ["dog", "cat"]


def test_files_that_belong_nowhere_or_to_two_images(write, tmp_path, image):
    for name in ("b.png", "c.png", "c.jpg"):
        image(name)
    for name, filename in (
        ("a.xml", "b.png"),
        ("x.xml", "../../a.png"),
        ("y.xml", "y.png"),
        ("z.xml", ""),
        ("c.xml", ""),
    ):
        folder = write(name, voc([], filename=filename))
    found = faults(folder, tmp_path / "images")
    assert "a.xml: it is named after the image 'a.png', but its <filename> says 'b.png'" in found[0]
    assert "c.xml: it may be about 'c.jpg' or 'c.png'" in found[1]
    assert "x.xml: '../../a.png' leads out" in found[2]
    assert "y.xml: there is no image 'y.png', nor one of the file's own name" in found[3]
    assert "z.xml: there is no image of its name in" in found[4]
    write("c.xml", voc([("dog", 1, 1, 3, 3, 0)], filename="c.jpg"))
    with pytest.warns(UserWarning, match="4 faults"):
        table = Table.from_voc(folder, tmp_path / "images", on_error="skip")
    assert [len(boxes) for boxes in table.column_values("boxes")] == [0, 0, 1, 0]


def test_an_image_with_bad_objects_alone_is_not_an_empty_one(write, tmp_path):
    folder = write("a.xml", voc([("dog", 5, 1, 3, 3, 0)]))
    with pytest.warns(UserWarning, match="1 fault"):
        table = Table.from_voc(folder, tmp_path / "images", on_error="skip")
    assert table.column_values("boxes")[0] is None


def test_two_files_for_one_image(write, tmp_path):
    write("a.xml", voc([]))
    folder = write("b.xml", voc([], filename="a.png"))
    assert "b.xml: the image 'a.png' has an XML file already, 'a.xml'" in faults(folder, tmp_path / "images")[0]


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([("dog", 5, 1, 3, 9, 0)], "x1 < x0"),
        ([("dog", 5, 1, 4, 9, 0)], "has no area"),
        ([("dog", 5, 1, 40, 9, 0)], "reaches 10 px out"),
        ([("dog", "five", 1, 40, 9, 0)], "<xmin>: 'five' is not a finite number"),
        ([("dog", "", 1, 40, 9, 0)], "its <bndbox> has no <xmin>"),
        ([("", 1, 1, 4, 9, 0)], "it has no <name>"),
    ],
)
def test_bad_objects_are_named_with_their_line_and_left_out(write, tmp_path, objects, words):
    folder = write("a.xml", voc([("cat", 1, 1, 3, 3, 0), *objects]))
    (fault,) = faults(folder, tmp_path / "images")
    assert fault.startswith("a.xml, line 6, object 2")
    assert words in fault
    with pytest.warns(UserWarning, match="1 fault"):
        table = Table.from_voc(folder, tmp_path / "images", on_error="skip")
    assert [box["label"] for box in table[0]["boxes"]] == ["cat"]


def test_an_object_without_a_box(write, tmp_path):
    folder = write("a.xml", "<annotation><object><name>dog</name></object></annotation>")
    assert "line 1, object 1 ('dog'): it has no <bndbox>" in faults(folder, tmp_path / "images")[0]


def test_images_of_another_size_have_missing_boxes(write, tmp_path):
    folder = write("a.xml", voc([("dog", 1, 1, 3, 3, 0)], size=(40, 60)))
    assert (
        "a.xml, line 3 (a.png): the image is 30 x 20 px, but the file says 60 x 40"
        in faults(folder, tmp_path / "images")[0]
    )
    with pytest.warns(UserWarning, match="1 fault"):
        table = Table.from_voc(folder, tmp_path / "images", on_error="skip")
    assert table.column_values("boxes") == [None]
    for unsaid in ((0, 0), None):  # some tools do not look
        table = Table.from_voc(write("a.xml", voc([("dog", 1, 1, 3, 3, 0)], size=unsaid)), tmp_path / "images")
        assert len(table[0]["boxes"]) == 1


def test_broken_files_are_named_with_their_line_and_give_missing_values(write, tmp_path, image):
    image("b.png")
    write("a.xml", "<annotation>\n<object>\n</annotation>")
    folder = write("b.xml", '<!DOCTYPE a [<!ENTITY x "y">]><annotation/>')
    found = faults(folder, tmp_path / "images")
    assert "a.xml: line 3: this is not XML (mismatched tag). Fix the file" in found[0]
    assert "b.xml: line 1: it declares a document type" in found[1]
    with pytest.warns(UserWarning, match="2 faults"):
        table = Table.from_voc(folder, tmp_path / "images", on_error="skip")
    assert table.column_values("boxes") == [None, None]


def test_a_list_chooses_images_and_their_order(write, tmp_path, image):
    image("b.png")
    image("c.png")
    write("a.xml", voc([("dog", 1, 1, 3, 3, 0)]))
    folder = write("c.xml", "broken, but not on the list")
    (tmp_path / "train.txt").write_text("b\na -1\n")
    table = Table.from_voc(folder, tmp_path / "images", only=tmp_path / "train.txt")
    assert [len(row["boxes"]) for row in table] == [0, 1]
    assert [row["image"][-5:] for row in table] == ["b.png", "a.png"]


def test_options_and_folders_that_cannot_be(write, tmp_path):
    folder = write("a.xml", voc([]))
    with pytest.raises(ConfigError, match="no_file"):
        Table.from_voc(folder, tmp_path / "images", no_file="none")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="corners"):
        Table.from_voc(folder, tmp_path / "images", corners="centre")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="holds no XML file"):
        Table.from_voc(tmp_path / "images", tmp_path / "images")
    with pytest.raises(DataError, match="the folder that holds the XML files"):
        Table.from_voc(tmp_path / "gone", tmp_path / "images")


def test_objects_of_real_files_are_those_that_a_plain_parser_finds(data_folder):
    from longspan.datasets import fetch

    folder = fetch("pets-small") / "oxford-iiit-pet"
    xmls = sorted((folder / "annotations" / "xmls").glob("*.xml"))[:40]
    names = [xml.stem for xml in xmls]
    table = Table.from_voc(folder / "annotations" / "xmls", folder / "images", only=names)
    for xml, row in zip(xmls, table, strict=True):
        theirs = [
            [float(each.find("bndbox").findtext(name)) for name in ("xmin", "ymin", "xmax", "ymax")]
            for each in ElementTree.parse(xml).iter("object")
        ]
        assert [box["box"] for box in row["boxes"]] == [[x0 - 1, y0 - 1, x1, y1] for x0, y0, x1, y1 in theirs]


def test_boxes_that_cvat_has_turned_are_refused(write, tmp_path):
    attributes = "<attributes><attribute><name>rotation</name><value>{}</value></attribute></attributes></object>"
    text = voc([("dog", 1, 1, 9, 5, 0)])
    (fault,) = faults(write("a.xml", text.replace("</object>", attributes.format("30.5"))), tmp_path / "images")
    assert "its box is turned by 30.5 degrees" in fault
    folder = write("a.xml", text.replace("</object>", attributes.format("0.0")))
    assert len(Table.from_voc(folder, tmp_path / "images")[0]["boxes"]) == 1


def test_cvats_own_xml_is_named(write, tmp_path):
    (fault,) = faults(
        write("annotations.xml", "<annotations><version>1.1</version></annotations>"), tmp_path / "images"
    )
    assert "this is CVAT's own XML: export the task as COCO or Pascal VOC" in fault

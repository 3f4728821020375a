import pytest

from longspan.data import Table
from longspan.data.annotations import write_voc
from longspan.errors import ConfigError, DataError

BOXES = [
    [
        {"box": [1.0, 2.0, 4.0, 6.0], "label": "a < b & c", "ignore": False},
        {"box": [0.25, 0.0, 30.0, 20.0], "label": "dog", "ignore": True},
    ],
    [],
    None,
]


@pytest.fixture
def images(image):
    return [str(image(name)) for name in ("a.png", "s/b.png", "c.png")]


def test_boxes_come_back(tmp_path, images):
    files = write_voc(tmp_path / "xmls", images, BOXES, images=tmp_path / "images")
    assert files == [tmp_path / "xmls" / "a.xml", tmp_path / "xmls" / "s" / "b.xml"]
    table = Table.from_voc(tmp_path / "xmls", tmp_path / "images", no_file="missing")
    assert table.column_values("boxes") == [BOXES[0], None, []]
    assert "<xmin>2</xmin><ymin>3</ymin><xmax>4</xmax><ymax>6</ymax>" in files[0].read_text()


def test_another_reader_finds_the_same(tmp_path, images):
    from torchvision.datasets import VOCDetection

    text = write_voc(tmp_path / "xmls", images, BOXES, images=tmp_path / "images")[0]
    from xml.etree import ElementTree

    theirs = VOCDetection.parse_voc_xml(ElementTree.parse(text).getroot())["annotation"]
    assert theirs["size"] == {"width": "30", "height": "20", "depth": "3"}
    assert [thing["name"] for thing in theirs["object"]] == ["a < b & c", "dog"]
    assert [thing["difficult"] for thing in theirs["object"]] == ["0", "1"]
    assert theirs["object"][0]["bndbox"] == {"xmin": "2", "ymin": "3", "xmax": "4", "ymax": "6"}


def test_scores_stand_beside(tmp_path, images):
    (file,) = write_voc(tmp_path / "x", images[:1], [[{"box": [1, 2, 3, 4], "label": "cat", "score": 0.875}]])
    assert "<score>0.875</score>" in file.read_text()
    assert len(Table.from_voc(tmp_path / "x", tmp_path / "images", only=["a"])[0]["boxes"]) == 1


def test_what_cannot_be_written(tmp_path, images):
    folder = tmp_path / "xmls"
    with pytest.raises(ConfigError, match="3 images and 1 values"):
        write_voc(folder, images, [[]])
    with pytest.raises(DataError, match=r"Nothing was written(?s:.*)'\\x00' cannot be written as XML"):
        write_voc(folder, images[:1], [[{"box": [1, 2, 3, 4], "label": "\0"}]])
    with pytest.raises(DataError, match="an object has no 'box'"):
        write_voc(folder, images[:1], [[{"label": "cat"}]])
    with pytest.raises(ConfigError, match="differ in their ending only"):
        write_voc(folder, [images[0], images[0].replace(".png", ".jpg")], [[], []])
    assert not folder.exists()
    write_voc(folder, images, BOXES)
    with pytest.raises(DataError, match=r"a.xml and 1 more would be overwritten"):
        write_voc(folder, images, BOXES)
    write_voc(folder, images, BOXES, overwrite=True)

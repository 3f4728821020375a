import pytest

from longspan.data import Table
from longspan.data.annotations import write_yolo
from longspan.errors import ConfigError, DataError

BOXES = [
    [{"box": [1.0, 2.0, 4.0, 6.0], "label": "cat"}, {"box": [0, 0, 30, 20], "label": "dog", "ignore": True}],
    [],
    None,
]


@pytest.fixture
def images(image):
    return [str(image(name)) for name in ("a.png", "s/b.png", "c.png")]


def test_boxes_come_back_without_what_is_ignored(tmp_path, images):
    folder = tmp_path / "labels"
    files = write_yolo(folder, images, BOXES, images=tmp_path / "images", labels=("dog", "cat"))
    assert files == [folder / "a.txt", folder / "s" / "b.txt", folder / "classes.txt"]
    assert (folder / "a.txt").read_text() == "1 0.083333333 0.2 0.1 0.2\n"
    table = Table.from_yolo(folder, tmp_path / "images", folder / "classes.txt", no_file="missing")
    assert table[0]["boxes"][0]["box"] == pytest.approx([1, 2, 4, 6], abs=1e-5)
    assert table[0]["boxes"][0]["label"] == "cat"
    assert table.column_values("boxes")[1:] == [None, []]
    assert table.columns["boxes"].vocab == ("dog", "cat")


def test_polygons_come_back(tmp_path, images):
    polygon = [3.0, 2.0, 9.0, 2.0, 9.0, 8.0]
    write_yolo(tmp_path / "x", images[:1], [[{"label": "cat", "polygons": [polygon], "rle": None}]])
    table = Table.from_yolo(tmp_path / "x", tmp_path / "images")
    assert table[0]["instances"][0]["polygons"][0] == pytest.approx(polygon, abs=1e-5)


def test_what_cannot_be_written(tmp_path, images):
    folder = tmp_path / "labels"
    with pytest.raises(DataError, match="neither box nor polygon; YOLO holds no masks"):
        write_yolo(folder, images[:1], [[{"label": "cat", "rle": {"size": [20, 30], "counts": [600]}}]])
    with pytest.raises(DataError, match="has 2 polygons"):
        write_yolo(folder, images[:1], [[{"label": "cat", "polygons": [[0, 0, 1, 1, 1, 0]] * 2}]])
    with pytest.raises(ConfigError, match="3 images and 1 values"):
        write_yolo(folder, images, [[]])
    assert not folder.exists()
    write_yolo(folder, images, BOXES)
    with pytest.raises(DataError, match="would be overwritten"):
        write_yolo(folder, images, BOXES)

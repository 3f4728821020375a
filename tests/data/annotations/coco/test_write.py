import json
import warnings

import numpy as np
import pytest

from longspan.data import Table
from longspan.data.annotations import write_coco
from longspan.errors import ConfigError, DataError
from longspan.vision.rle import decode_runs, encode_runs, fill_polygons

BOXES = [
    [
        {"box": [1.0, 2.0, 4.5, 6.0], "label": "cat", "ignore": False},
        {"box": [0.0, 0.0, 30.0, 20.0], "label": "dog", "ignore": True},
    ],
    [],
    None,
]


@pytest.fixture
def images(image):
    return [str(image(name)) for name in ("a.png", "s/b.png", "c.png")]


def test_boxes_come_back(tmp_path, images):
    path = write_coco(tmp_path / "out" / "boxes.json", images, BOXES, images=tmp_path / "images")
    table = Table.from_coco(path, tmp_path / "images")
    assert table.column_values("image") == images[:2]  # what nobody has looked at is not in the file
    assert table.column_values("boxes") == BOXES[:2]
    assert table.columns["boxes"].vocab == ("cat", "dog")
    assert [each.name for each in path.parent.iterdir()] == ["boxes.json"]


def test_masks_come_back_with_their_tight_boxes(tmp_path, images):
    mask = np.zeros((20, 30), bool)
    mask[2:5, 3:9] = True
    things = [
        {"label": "cat", "rle": {"size": [20, 30], "counts": encode_runs(mask)}},
        {"label": "cat", "polygons": [[1, 1, 9, 1, 9, 9]], "ignore": True, "rle": None},
    ]
    path = write_coco(tmp_path / "a.json", images[:1], [things], labels=("dog", "cat"))
    table = Table.from_coco(path, tmp_path / "images")
    assert [thing["rle"] for thing in table[0]["instances"]] == [things[0]["rle"], None]
    assert table[0]["instances"][1]["polygons"] == [[1, 1, 9, 1, 9, 9]]
    assert [thing["ignore"] for thing in table[0]["instances"]] == [False, True]
    assert table[0]["boxes"][0]["box"] == [3, 2, 9, 5]
    assert table.columns["boxes"].vocab == ("dog", "cat")


def test_scores_are_kept_and_bare_boxes_are_objects(tmp_path, images):
    answer = [{"box": np.array([1, 2, 3, 4], np.float32), "label": "cat", "score": np.float32(0.5)}, [0, 0, 2, 2]]
    path = write_coco(tmp_path / "a.json", images[:1], [answer])
    written = json.loads(path.read_text())
    assert [each.get("score") for each in written["annotations"]] == [0.5, None]
    assert [each["name"] for each in written["categories"]] == ["cat", "object"]


def test_another_reader_finds_the_same(tmp_path, images):
    library = pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")
    mask = np.random.default_rng(0).random((20, 30)) < 0.5
    polygon = [[3.0, 2.0, 9.0, 2.0, 9.0, 8.0, 3.0, 8.0]]
    things = [
        {"label": "cat", "rle": {"size": [20, 30], "counts": encode_runs(mask)}, "score": 0.9},
        {"label": "dog", "polygons": polygon, "score": 0.8},
        {"label": "dog", "rle": {"size": [20, 30], "counts": encode_runs(~mask)}, "ignore": True, "score": 0.7},
    ]
    path = write_coco(tmp_path / "a.json", images[:1], [things])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = library.COCO(str(path))
        found = theirs.loadAnns(theirs.getAnnIds())
        masks = [theirs.annToMask(each).astype(bool) for each in found]
    assert [theirs.loadCats(each["category_id"])[0]["name"] for each in found] == ["cat", "dog", "dog"]
    assert np.array_equal(masks[0], mask)
    assert np.array_equal(masks[1], fill_polygons(polygon, (20, 30)))
    assert np.array_equal(masks[2], ~mask)
    assert [each["iscrowd"] for each in found] == [0, 0, 1]
    assert [each["area"] for each in found] == [each.sum() for each in masks]
    assert found[1]["bbox"] == [3, 2, 6, 6]
    assert np.array_equal(decode_runs(found[0]["segmentation"]["counts"], (20, 30)), mask)


def test_what_cannot_be_written(tmp_path, images):
    path = tmp_path / "a.json"
    with pytest.raises(ConfigError, match="3 images and 1 values"):
        write_coco(path, images, [[]])
    with pytest.raises(DataError, match="'cat', which labels= does not name"):
        write_coco(path, images, BOXES, labels=("dog",))
    with pytest.raises(DataError, match=r"gone.png: the file does not exist"):
        write_coco(path, [tmp_path / "gone.png"], [[]])
    with pytest.raises(DataError, match="has neither box nor mask"):
        write_coco(path, images[:1], [[{"label": "cat"}]])
    with pytest.raises(DataError, match="no image has a value"):
        write_coco(path, images[:1], [None])
    with pytest.raises(ConfigError, match="does not lie below images="):
        write_coco(path, images[:1], [[]], images=tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"Several images are called 'a.png'"):
        write_coco(path, [images[0], tmp_path / "other" / "a.png"], [[], []])
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(DataError, match=r"a.json would be overwritten; .* overwrite=True"):
        write_coco(path, images, BOXES)
    assert path.read_text() == "mine"
    write_coco(path, images, BOXES, overwrite=True)
    assert json.loads(path.read_text())["images"]

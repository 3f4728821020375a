import json
import re
import warnings

import numpy as np
import pytest
from PIL import Image as PILImage

from longspan.data import Table
from longspan.errors import ConfigError, DataError, UnknownNameError
from longspan.vision.rle import decode_runs

SQUARE = [[2, 3, 8, 3, 8, 9, 2, 9]]


def faults(path, images, **options):
    with pytest.raises(DataError) as caught:
        Table.from_coco(path, images, **options)
    return [repr(fault) for fault in caught.value.faults]


@pytest.fixture
def images(tmp_path, image):
    image("a.png")
    return tmp_path / "images"


def test_boxes_become_corners_and_images_without_annotations_stay(coco, images, image):
    image("b/b.png", (10, 10))
    path = coco(
        [{"bbox": [1, 2, 3, 4]}, {"bbox": [0, 0, 30.4, 20], "category_id": 3, "iscrowd": 1}],
        images=[(1, "a.png", 20, 30), ("x", "b/b.png", 10, 10)],
    )
    table = Table.from_coco(path, images)
    assert list(table.columns) == ["image", "boxes"]
    assert table.column_values("image") == [str(images / "a.png"), str(images / "b/b.png")]
    assert table.column_values("boxes") == [
        [
            {"box": [1.0, 2.0, 4.0, 6.0], "label": "cat", "ignore": False},
            {"box": [0.0, 0.0, 30.0, 20.0], "label": "dog", "ignore": True},
        ],
        [],
    ]
    assert table.columns["boxes"].vocab == ("cat", "dog")


def test_categories_come_in_the_order_of_their_ids_and_can_be_chosen(coco, images):
    path = coco(
        [{"bbox": [1, 2, 3, 4], "category_id": 9}, {"bbox": [1, 2, 3, 4], "category_id": 2, "ignore": 1}],
        categories=[(9, "zebra"), (2, "ant"), (4, "bee")],
    )
    table = Table.from_coco(path, images)
    assert table.columns["boxes"].vocab == ("ant", "bee", "zebra")
    assert [(box["label"], box["ignore"]) for box in table[0]["boxes"]] == [("zebra", False), ("ant", True)]
    some = Table.from_coco(path, images, labels=("zebra", "bee"))
    assert some.columns["boxes"].vocab == ("zebra", "bee")
    assert [box["label"] for box in some[0]["boxes"]] == ["zebra"]
    with pytest.raises(UnknownNameError, match=r"category .* 'zebr'. Did you mean 'zebra'"):
        Table.from_coco(path, images, labels=("zebr",))


def test_masks_of_all_three_kinds_become_instances(coco, images):
    mask = np.zeros((20, 30), bool)
    mask[3:9, 2:8] = True
    runs = [2 * 20 + 3, *[6, 14] * 5, 6, 22 * 20 + 11]
    assert np.array_equal(decode_runs(runs, (20, 30)), mask)
    faster = pytest.importorskip("faster_coco_eval.core.mask", reason="needs faster-coco-eval")
    text = faster.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    text = text.decode() if isinstance(text, bytes) else text
    path = coco(
        [
            {"segmentation": SQUARE, "bbox": [2, 3, 6, 6]},
            {"segmentation": {"size": [20, 30], "counts": runs}},
            {"segmentation": {"size": [20, 30], "counts": text}, "iscrowd": 1},
            {"segmentation": SQUARE},
        ]
    )
    table = Table.from_coco(path, images)
    things = table[0]["instances"]
    assert things[0]["polygons"] == SQUARE
    assert [thing["rle"] and thing["rle"]["counts"] for thing in things] == [None, runs, runs, None]
    assert [box["box"] for box in table[0]["boxes"]] == [[2, 3, 8, 9]] * 4  # from the mask where none is given
    assert [thing["ignore"] for thing in things] == [False, False, True, False]
    assert table.columns["instances"].check(things) is None
    assert list(Table.from_coco(path, images, instances=False).columns) == ["image", "boxes"]


def test_a_file_without_masks_can_still_be_asked_for_instances(coco, images):
    assert "instances" not in Table.from_coco(coco([]), images).columns
    assert Table.from_coco(coco([]), images, instances=True)[0]["instances"] == []


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ({"bbox": [1, 2, 0, 4]}, r"has no area. COCO's boxes are \[x, y, width, height\]"),
        ({"bbox": [1, 2, -3, 4]}, "x1 < x0"),
        ({"bbox": [25, 2, 10, 4]}, "reaches 5 px out of the image, which is 30 x 20 px"),
        ({"bbox": [1, 2, 3]}, "not a list of 4 numbers"),
        ({"bbox": [1, 2, None, 3]}, "None is not a finite number"),
        ({"bbox": [1, 2, 3, 4], "category_id": 2}, r"no category with the id 2\. Known: 1 \(cat\), 3 \(dog\)"),
        ({"bbox": [1, 2, 3, 4], "category_id": [1]}, r"no category with the id \[1\]"),
        ({"bbox": [1, 2, 3, 4], "image_id": 5}, "no image with the id 5"),
        ({"bbox": [1, 2, 3, 4], "image_id": {}}, "no image with the id {}"),
        ({}, "neither bbox nor segmentation"),
        ({"segmentation": [[1, 1, 2, 2]]}, "the polygon has 2 points"),
        ({"segmentation": [1, 1, 2, 2, 3, 3]}, "1 is not a list of numbers"),
        ({"segmentation": "abc"}, "neither a list of polygons nor runs"),
        (
            {"segmentation": {"size": [30, 20], "counts": [600]}},
            r"an image of \[30, 20\] px .* the image has \[20, 30\]",
        ),
        ({"segmentation": {"size": 600, "counts": [600]}}, "an image of 600 px"),
        ({"segmentation": {"size": [20, 30], "counts": [1, 2]}}, "cover 3 pixels, the image has 600"),
        ({"segmentation": {"size": [20, 30], "counts": [600]}}, "its mask is empty"),
        ({"segmentation": {"size": [20, 30], "counts": [700, -100]}}, "not a list of whole numbers"),
        ({"segmentation": {"size": [20, 30], "counts": "\x00"}}, "compressed runs hold"),
        ({"segmentation": {"size": [20, 30], "counts": "o" * 10**6}}, "a number of more than 60 bits"),
    ],
)
def test_bad_annotations_are_named_and_left_out(coco, images, annotation, words):
    path = coco([{"bbox": [1, 2, 3, 4], "segmentation": SQUARE}, annotation])
    (fault,) = faults(path, images)
    assert fault.startswith("instances.json, annotation 1")
    with pytest.warns(UserWarning, match=r"1 fault in .*instances.json") as caught:
        table = Table.from_coco(path, images, on_error="skip")
    assert len(table[0]["boxes"]) == len(table[0]["instances"]) == 1
    for text in (fault, str(caught[0].message)):
        assert re.search(words, text), text


def test_an_image_with_bad_annotations_alone_is_not_an_empty_one(coco, images):
    pictures = [(1, "a.png", 20, 30), (2, "b.png", 20, 30)]
    (images / "b.png").write_bytes((images / "a.png").read_bytes())
    path = coco(
        [{"bbox": [1, 2, 3, 4], "image_id": 2}, {"bbox": [1, 2, 0, 4]}, {"bbox": [1, 2, 3, 4], "segmentation": SQUARE}],
        images=pictures,
    )
    with pytest.warns(UserWarning, match="2 faults"):
        table = Table.from_coco(path, images, on_error="skip")
    assert [len(each) for each in table.column_values("boxes")] == [1, 1]
    assert [each and len(each) for each in table.column_values("instances")] == [1, None]
    with pytest.warns(UserWarning, match="1 fault"):
        table = Table.from_coco(coco([{"bbox": [1, 2, 0, 4]}]), images, on_error="skip")
    assert table.column_values("boxes") == [None]


def test_all_faults_come_at_once(coco, images):
    path = coco([{"bbox": [1, 2, 0, 4]}, {"bbox": [1, 2, 3, 4], "image_id": 7}, "nothing", {"bbox": [9, 9, 90, 9]}])
    found = faults(path, images)
    assert [fault.split(":")[0] for fault in found] == [
        "instances.json, annotation 0 (a.png)",
        "instances.json, annotation 1",
        "instances.json, annotation number 3",
        "instances.json, annotation 3 (a.png)",
    ]


def test_images_that_are_not_there_or_elsewhere_take_their_annotations_with_them(coco, images, tmp_path, image):
    image("secret.png", folder=".")
    (images / "bad.png").write_bytes(b"no image")
    path = coco(
        [{"bbox": [1, 2, 3, 4], "image_id": n} for n in range(1, 5)],
        images=[(1, "a.png", 20, 30), (2, "gone.png", 20, 30), (3, "../secret.png", 20, 30), (4, "bad.png", 20, 30)],
    )
    found = faults(path, images)
    assert len(found) == 3
    assert "image 2: the image 'gone.png' is not in" in found[0]
    assert "image 3: '../secret.png' leads out of the images' folder" in found[1]
    assert "image 4: this is not an image" in found[2]
    with pytest.warns(UserWarning, match="3 faults"):
        table = Table.from_coco(path, images, on_error="skip")
    assert table.column_values("image") == [str(images / "a.png")]


def test_images_of_another_size_are_found_though_all_boxes_fit(coco, images):
    path = coco([{"bbox": [1, 2, 3, 4]}], images=[(1, "a.png", 40, 60)])
    (fault,) = faults(path, images)
    assert "30 x 20 px, but the file says 60 x 40: was it resized?" in fault
    with pytest.warns(UserWarning, match="1 fault"):
        table = Table.from_coco(path, images, on_error="skip")
    assert table.column_values("boxes") == [None]


def test_an_annotation_without_an_image(coco, images):
    path = coco([])
    content = json.loads(path.read_text())
    content["annotations"] = [{"bbox": [1, 2, 3, 4], "category_id": 1}]
    path.write_text(json.dumps(content))
    assert faults(path, images) == [
        "instances.json, annotation number 1: there is no image with the id None. Correct image_id."
    ]


def test_ids_and_names_that_are_there_twice(coco, images):
    found = faults(coco([], images=[(1, "a.png", 20, 30)] * 2, categories=[(1, "cat"), (2, "cat"), (1, "dog")]), images)
    assert "category 2: the name 'cat' occurs twice" in found[0]
    assert "category 1: the id 1 occurs twice" in found[1]
    assert "image 1: this id occurs twice" in found[2]


def test_some_masks_are_missing(coco, images):
    path = coco([{"bbox": [1, 2, 3, 4]}, {"bbox": [2, 3, 6, 6], "segmentation": SQUARE}])
    (fault,) = faults(path, images)
    assert "annotation 0 (a.png): it has no segmentation, though others have" in fault
    with pytest.warns(UserWarning, match="no segmentation"):
        table = Table.from_coco(path, images, on_error="skip")
    assert (len(table[0]["boxes"]), len(table[0]["instances"])) == (2, 1)
    assert len(Table.from_coco(path, images, instances=False)[0]["boxes"]) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n"images": [],\n}', r"line [23], column \d+: this is not JSON"),
        ("", "line 1, column 1: this is not JSON"),
        ("[" * 100_000, "more than 64 deep within each other"),
        ("[]", "is a list, as files of results are"),
        ("3", "it lacks 'images', 'annotations', 'categories' and has 3"),
        ('{"images": [], "annotations": []}', "it lacks 'categories' and has 'images', 'annotations'"),
        ('{"images": {}, "annotations": [], "categories": []}', "'images' should be a list"),
        ('{"images": [], "annotations": [], "categories": []}', "lists no image"),
        ('{"images": [' + "9" * 5000 + "]}", "instances.json"),
    ],
)
def test_files_that_are_no_coco_files(tmp_path, images, text, words):
    (tmp_path / "instances.json").write_text(text)
    with pytest.raises(DataError, match=words):
        Table.from_coco(tmp_path / "instances.json", images)


def test_what_is_not_there(tmp_path, coco, images):
    with pytest.raises(DataError, match=r"gone.json: the file does not exist"):
        Table.from_coco(tmp_path / "gone.json", images)
    with pytest.raises(DataError, match="gone does not exist; pass the folder that holds the images"):
        Table.from_coco(coco([]), tmp_path / "gone")
    with pytest.raises(ConfigError, match="on_error"):
        Table.from_coco(coco([]), images, on_error="never")  # type: ignore[arg-type]


def test_boxes_and_masks_are_those_of_faster_coco_eval(coco, images, tmp_path):
    library = pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")
    rng = np.random.default_rng(0)
    annotations = []
    for _ in range(20):
        x, y = rng.integers(0, 15, 2)
        w, h = rng.integers(2, 5, 2)
        mask = np.zeros((20, 30), bool)
        mask[y : y + h, x : x + w] = True
        mask[y, x + w - 1] = False
        changes = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=False)).tolist()
        counts = np.diff([0, *changes, 600]).tolist()
        annotations.append({"bbox": [int(x), int(y), int(w), int(h)], "area": int(mask.sum()), "iscrowd": 0})
        annotations[-1]["segmentation"] = {"size": [20, 30], "counts": counts}
    path = coco(annotations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = library.COCO(str(path))
    table = Table.from_coco(path, images)
    for number, (box, thing) in enumerate(zip(table[0]["boxes"], table[0]["instances"], strict=True)):
        annotation = theirs.loadAnns([number])[0]
        x, y, w, h = annotation["bbox"]
        assert box["box"] == [x, y, x + w, y + h]
        assert np.array_equal(decode_runs(thing["rle"]["counts"], (20, 30)), theirs.annToMask(annotation).astype(bool))


def test_the_real_file_reads_fast_and_whole(data_folder, tmp_path):
    import time

    from longspan.datasets import fetch

    folder = fetch("coco128") / "coco128"
    path = folder / "annotations" / "instances_train2017.json"
    start = time.perf_counter()
    table = Table.from_coco(path, folder / "images" / "train2017")
    assert time.perf_counter() - start < 5  # a quarter of a second on a free machine
    written = json.loads(path.read_text())
    assert len(table) == len(written["images"]) == 100
    assert sum(map(len, table.column_values("boxes"))) == len(written["annotations"]) == 746


@pytest.mark.parametrize(
    ("word", "ignored"),
    [(0, False), ("0", False), ("false", False), (None, False), (1, True), ("1", True), (True, True)],
)
def test_marks_are_read_by_their_meaning(coco, images, word, ignored):
    table = Table.from_coco(coco([{"bbox": [1, 2, 3, 4], "iscrowd": word}]), images)
    assert table[0]["boxes"][0]["ignore"] is ignored


@pytest.mark.parametrize("word", ["maybe", 2, [1]])
def test_marks_that_mean_nothing_are_refused(coco, images, word):
    with pytest.raises(DataError, match=r"iscrowd: .* should be 0 or 1"):
        Table.from_coco(coco([{"bbox": [1, 2, 3, 4], "iscrowd": word}]), images)


def test_a_file_listed_twice_is_refused_or_becomes_one_row(coco, images):
    path = coco(
        [{"bbox": [1, 2, 3, 4]}, {"bbox": [5, 6, 7, 8], "image_id": 2}],
        images=((1, "a.png", 20, 30), (2, "./a.png", 20, 30)),
    )
    with pytest.raises(DataError, match=r"image 2: the file 'a.png' is image 1 already"):
        Table.from_coco(path, images)
    with pytest.warns(UserWarning, match="is image 1 already"):
        table = Table.from_coco(path, images, on_error="skip")
    assert [box["box"] for box in table[0]["boxes"]] == [[1, 2, 4, 6], [5, 6, 12, 14]]
    assert len(table) == 1


def test_an_annotation_id_that_is_there_twice(coco, images):
    path = coco([{"id": 5, "bbox": [1, 2, 3, 4]}, {"id": 5, "bbox": [1, 2, 3, 4]}, {"id": 5, "bbox": [9, 9, 3, 4]}])
    with pytest.raises(DataError) as caught:
        Table.from_coco(path, images)
    assert ["repeats an annotation" in f.what for f in caught.value.faults] == [True, False]
    with pytest.warns(UserWarning, match="2 faults"):
        table = Table.from_coco(path, images, on_error="skip")
    assert [box["box"][0] for box in table[0]["boxes"]] == [1, 9]


def test_boxes_in_fractions_are_refused(coco, images):
    with pytest.raises(DataError, match=r"look like fractions of width and height.*Multiply x by 30 and y by 20"):
        Table.from_coco(coco([{"bbox": [0.25, 0.5, 0.5, 0.25]}]), images)
    assert Table.from_coco(coco([{"bbox": [0, 0, 1, 1]}]), images)[0]["boxes"][0]["box"] == [0, 0, 1, 1]


def test_a_box_beside_its_own_outline_is_a_fault(tmp_path):
    PILImage.new("RGB", (100, 80)).save(tmp_path / "a.png")
    outline = [[60, 60, 90, 60, 90, 78, 60, 78]]
    annotations = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [58, 58, 33, 21], "segmentation": outline},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [1, 1, 50, 40], "segmentation": outline},
    ]
    path = tmp_path / "a.json"
    images = [{"id": 1, "file_name": "a.png", "width": 100, "height": 80}]
    content = {"images": images, "categories": [{"id": 1, "name": "cat"}], "annotations": annotations}
    path.write_text(json.dumps(content))
    with pytest.raises(
        DataError, match=r"annotation 2 \(a.png\): its bbox and its segmentation do not overlap"
    ) as caught:
        Table.from_coco(path, tmp_path)
    assert len(caught.value.faults) == 1


def test_boxes_that_cvat_has_turned_are_refused_and_their_polygons_read(coco, images):
    turned = {"bbox": [1, 2, 8, 4], "attributes": {"occluded": False, "rotation": 45.0}}
    (fault,) = faults(coco([turned, {"bbox": [1, 2, 8, 4], "attributes": {"rotation": 360.0}}]), images)
    assert "its box is turned by 45 degrees" in fault
    outlined = {**turned, "segmentation": [[1, 4, 5, 2, 9, 4, 5, 6]]}
    assert Table.from_coco(coco([outlined]), images)[0]["boxes"][0]["box"] == [1.0, 2.0, 9.0, 6.0]

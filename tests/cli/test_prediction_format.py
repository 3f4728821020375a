"""Answers in words, drawn, and in the formats of other programs: from answers made by hand, then from networks."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from longspan.cli.prediction_format import answer_words
from longspan.cli.prediction_writer import AnswerFiles
from longspan.columns import Boxes, Instances, Mask
from longspan.data import Table
from longspan.errors import ConfigError, LongspanError, UnknownNameError
from longspan.heads import TargetPrediction
from longspan.inference import Prediction
from longspan.vision.rle import encode_runs

BOXES = Boxes(vocab=("car", "person"), max_boxes=4, size_px=(12, 16))
MASK = Mask(vocab=("road", "sky"), values=(3, 7), colours=((200, 0, 0), (0, 0, 200)), size_px=(12, 16))
THINGS = Instances(vocab=("car", "person"), max_instances=4, size_px=(12, 16))
FOUND = [
    {"box": [1.0, 2.0, 6.0, 9.0], "label": "person", "score": 0.9},
    {"box": [3.5, 0.0, 15.0, 11.5], "label": "person", "score": 0.7},
    {"box": [8.0, 4.0, 12.0, 8.0], "label": "car", "score": 0.6},
]


@pytest.fixture
def photos(tmp_path) -> list[str]:
    """Two grey images, 12 px high and 16 px wide."""
    (tmp_path / "photos").mkdir()
    files = [str(tmp_path / "photos" / f"{name}.jpg") for name in ("a", "b")]
    for file in files:
        PILImage.fromarray(np.full((12, 16, 3), 128, np.uint8)).save(file)
    return files


def said(photos, column, values, name="where"):
    """Predictions of the photos, as a network gives them, and the columns of what lies in them."""
    located = {name: column}
    answers = [{name: TargetPrediction(value)} for value in values]
    return [Prediction(each, file, located) for each, file in zip(answers, photos, strict=True)], located


def masked() -> list[np.ndarray]:
    """All road but a strip of sky; the same with a corner that was not looked at."""
    classes = np.zeros((12, 16), np.uint8)
    classes[:3] = 1
    other = classes.copy()
    other[9:, :8] = 255
    return [classes, other]


def outlined() -> list[dict]:
    mask = np.zeros((12, 16), bool)
    mask[2:9, 1:6] = True
    runs = {"size": [12, 16], "counts": encode_runs(mask)}
    return [{"box": [1.0, 2.0, 6.0, 9.0], "label": "person", "score": 0.9, "rle": runs}]


# --- words -----------------------------------------------------------------------------------------------------------


def test_things_are_counted_by_label_and_areas_told_in_percent(photos):
    boxes, _ = said(photos, BOXES, [FOUND, []])
    assert [answer_words(each) for each in boxes] == ["where=2 person, 1 car", "where=nothing"]
    masks, _ = said(photos, MASK, masked())
    assert [answer_words(each) for each in masks] == [
        "where=road 75 %, sky 25 %",
        "where=road 62 %, sky 25 %, not looked at 12 %",
    ]
    several = Prediction(
        {"breed": TargetPrediction("pug", 0.875), "where": TargetPrediction(FOUND[:1])}, photos[0], {"where": BOXES}
    )
    assert answer_words(several) == "breed=pug  0.88  where=1 person"


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "out", "read"),
    [
        ("coco", "answers.json", lambda path, folder: Table.from_coco(path, folder)),
        ("voc", "answers", lambda path, folder: Table.from_voc(path, folder)),
        ("yolo", "answers", lambda path, folder: Table.from_yolo(path, folder, path / "classes.txt")),
    ],
)
@pytest.mark.parametrize("column", [BOXES, THINGS])
def test_boxes_come_back_from_every_format(photos, tmp_path, name, out, read, column):
    values = [FOUND, []] if column is BOXES else [outlined(), []]
    predictions, located = said(photos, column, values)
    places = AnswerFiles(images=tuple(photos), out=str(tmp_path / out), format=name)
    places.check(located)
    assert places.write(predictions, located) == [f"2 predictions in {tmp_path / out}"]
    table = read(tmp_path / out, tmp_path / "photos")
    for number, value in enumerate(values):
        there = table.value(number, "boxes")
        assert [thing["label"] for thing in there] == [thing["label"] for thing in value]
        for thing, wanted in zip(there, value, strict=True):
            assert thing["box"] == pytest.approx(wanted["box"], abs=1e-3)
    if column is THINGS and name == "coco":
        assert table.value(0, "instances")[0]["rle"]["counts"] == outlined()[0]["rle"]["counts"]


def test_classes_that_were_not_found_are_in_the_files_too(photos, tmp_path):
    predictions, located = said(photos, BOXES, [FOUND[:2], []])
    for name, out in (("coco", "a.json"), ("yolo", "a")):
        AnswerFiles(images=tuple(photos), out=str(tmp_path / out), format=name).write(predictions, located)
    categories = json.loads((tmp_path / "a.json").read_text())["categories"]
    assert [each["name"] for each in categories] == ["car", "person"]
    assert (tmp_path / "a" / "classes.txt").read_text() == "car\nperson\n"


def test_masks_come_back_as_the_numbers_of_the_training_files(photos, tmp_path):
    predictions, located = said(photos, MASK, masked())
    AnswerFiles(images=tuple(photos), out=str(tmp_path / "m"), format="masks").write(predictions, located)
    stored = np.asarray(PILImage.open(tmp_path / "m" / "b.png"))
    assert (stored == np.choose(np.minimum(masked()[1], 2), [3, 7, 255])).all()
    table = Table.from_masks(tmp_path / "photos", tmp_path / "m", codes={3: "road", 7: "sky"})
    assert (replace(MASK, size_px=None).classes(table.value(1, "mask")) == masked()[1]).all()


def test_csv_holds_everything_as_text(photos, tmp_path):
    predictions, located = said(photos, BOXES, [FOUND, []])
    AnswerFiles(images=tuple(photos), out=str(tmp_path / "a.csv")).write(predictions, located)
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [row["file"] for row in rows] == photos
    assert json.loads(rows[0]["where"])[2] == {"label": "car", "score": 0.6, "box": [8.0, 4.0, 12.0, 8.0]}


@pytest.mark.parametrize(
    ("column", "values"), [(BOXES, [FOUND, []]), (MASK, masked()), (THINGS, [outlined(), []])], ids=["b", "m", "i"]
)
def test_drawn_images_show_the_answer_and_images_stay_as_they_are(photos, tmp_path, column, values):
    before = [Path(file).read_bytes() for file in photos]
    predictions, located = said(photos, column, values)
    places = AnswerFiles(images=tuple(photos), draw=str(tmp_path / "new" / "drawn"))
    places.check(located)
    assert places.write(predictions, located) == [f"2 images drawn in {tmp_path / 'new' / 'drawn'}"]
    assert sorted(path.name for path in (tmp_path / "new" / "drawn").iterdir()) == ["a.png", "b.png"]
    plain = np.asarray(PILImage.open(photos[0]))
    drawn = np.asarray(PILImage.open(tmp_path / "new" / "drawn" / "a.png"))
    assert (drawn == column.draw(plain, values[0])).all()
    assert (drawn != plain).any()
    assert [Path(file).read_bytes() for file in photos] == before


# --- what is refused -------------------------------------------------------------------------------------------------


def test_nothing_that_exists_is_lost(photos, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "b.png").write_text("precious")
    images = tuple(photos)
    with pytest.raises(ConfigError, match=r"b\.png exists already.*--force"):
        AnswerFiles(images=images, draw=str(tmp_path / "d"))
    with pytest.raises(ConfigError, match=r"b\.png exists already.*--force"):
        AnswerFiles(images=images, out=str(tmp_path / "d"), format="masks")
    (tmp_path / "a.json").write_text("precious")
    with pytest.raises(ConfigError, match=r"a\.json exists already.*--force"):
        AnswerFiles(images=images, out=str(tmp_path / "a.json"), format="coco")
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "classes.txt").write_text("precious")
    with pytest.raises(ConfigError, match=r"classes\.txt exists already.*--force"):
        AnswerFiles(images=images, out=str(tmp_path / "y"), format="yolo")

    predictions, located = said(photos, BOXES, [FOUND, []])
    forced = {"draw": str(tmp_path / "d"), "out": str(tmp_path / "y"), "format": "yolo", "force": True}
    AnswerFiles(images=images, **forced).write(predictions, located)
    assert (tmp_path / "y" / "classes.txt").read_text() == "car\nperson\n"
    with PILImage.open(tmp_path / "d" / "b.png") as drawn:
        assert drawn.size == (16, 12)


def test_the_images_themselves_are_never_replaced(photos, tmp_path):
    png = tmp_path / "photos" / "c.png"
    PILImage.fromarray(np.zeros((4, 4), np.uint8)).save(png)
    for said in ({"draw": str(tmp_path / "photos")}, {"out": str(tmp_path / "photos"), "format": "masks"}):
        with pytest.raises(ConfigError, match="is one of the images themselves"):
            AnswerFiles(images=(str(png),), force=True, **said)


def test_two_images_with_one_name_are_refused(tmp_path):
    images = ("x/cat.jpg", "y/cat.png")
    with pytest.raises(ConfigError, match=r"x/cat\.jpg and y/cat\.png would both be .*cat\.png"):
        AnswerFiles(images=images, draw=str(tmp_path / "d"))
    with pytest.raises(ConfigError, match=r"would both be .*cat\.xml"):
        AnswerFiles(images=images, out=str(tmp_path / "d"), format="voc")
    with pytest.raises(ConfigError, match=r"several are called cat\.jpg"):
        AnswerFiles(images=("x/cat.jpg", "y/cat.jpg"), out=str(tmp_path / "a.json"), format="coco")
    with pytest.raises(ConfigError, match=r"classes\.txt and x/classes\.jpg would both be"):
        AnswerFiles(images=("x/classes.jpg",), out=str(tmp_path / "d"), format="yolo")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"format": "voc"}, "say where with --out DIR"),
        ({"format": "coco"}, "say where with --out FILE.json"),
        ({"format": "jsonl", "out": "x"}, "There is no --format called 'jsonl'"),
        ({"target": "where"}, "csv holds everything"),
        ({"draw": "FILE"}, "is a file. Name a folder"),
        ({"draw": "FILE/below"}, "is a file, not a folder"),
    ],
)
def test_wrong_places(photos, tmp_path, words, message):
    words = {key: value.replace("FILE", photos[0]) for key, value in words.items()}
    with pytest.raises(LongspanError) as error:
        AnswerFiles(images=tuple(photos), **words)
    assert message in str(error.value)


def test_what_a_format_cannot_hold(photos, tmp_path):
    out = str(tmp_path / "x")
    with pytest.raises(ConfigError, match=r"writes mask; this model predicts where \(boxes\)"):
        AnswerFiles(images=tuple(photos), out=out, format="masks").check({"where": BOXES})
    with pytest.raises(ConfigError, match="this model predicts nothing in the image"):
        AnswerFiles(images=tuple(photos), out=out, format="voc").check({})
    with pytest.raises(ConfigError, match="nothing that this model predicts lies in the image"):
        AnswerFiles(images=tuple(photos), draw=out).check({})
    both = {"boxes": BOXES, "things": THINGS, "mask": MASK}
    with pytest.raises(ConfigError, match="--target with one of boxes, things"):
        AnswerFiles(images=tuple(photos), out=out, format="coco").check(both)
    AnswerFiles(images=tuple(photos), out=out, format="coco", target="things").check(both)
    AnswerFiles(images=tuple(photos), out=out, format="masks").check(both)
    with pytest.raises(UnknownNameError, match="Did you mean 'things'"):
        AnswerFiles(images=tuple(photos), out=out, format="coco", target="thing").check(both)


def test_a_full_disk_leaves_whole_files_only(photos, tmp_path, monkeypatch):
    predictions, located = said(photos, BOXES, [FOUND, []])
    save = PILImage.Image.save

    def full(self, path, *rest, **more):
        if "b.png" in str(path):
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        save(self, path, *rest, **more)

    monkeypatch.setattr(PILImage.Image, "save", full)
    with pytest.raises(ConfigError, match=r"b\.png could not be written: No space left on device"):
        AnswerFiles(images=tuple(photos), draw=str(tmp_path / "d")).write(predictions, located)
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["a.png"]


# --- networks --------------------------------------------------------------------------------------------------------


def test_a_network_finds_boxes(longspan, finders, scenes, tmp_path):
    files = sorted((scenes / "images").iterdir())[:3]
    told = ("predict", finders["boxes"], *files)
    answer = longspan(
        *told, "--score", "0.1", "--draw", tmp_path / "d", "--out", tmp_path / "a.json", "--format", "coco"
    )
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"3 images drawn in {tmp_path / 'd'}\n3 predictions in {tmp_path / 'a.json'}\n"
    written = json.loads((tmp_path / "a.json").read_text())["annotations"]
    assert len({each["image_id"] for each in written}) == 3
    assert min(each["score"] for each in written) >= 0.1
    assert len(list((tmp_path / "d").iterdir())) == 3

    sure = json.loads(longspan(*told, "--json").out)
    assert all(thing["score"] >= 0.5 for each in sure for thing in each["boxes"])
    some = json.loads(longspan(*told, "--json", "--score", "0.1").out)
    assert sum(len(each["boxes"]) for each in some) == len(written)
    lines = longspan(*told, "--score", "0.1").out.splitlines()
    assert [line.split()[0] for line in lines] == [str(file) for file in files]
    assert all(word in "rectangle disc triangle" for line in lines for word in line.replace(",", "").split()[2::2])


def test_a_network_segments(longspan, finders, scenes, tmp_path):
    files = sorted((scenes / "images").iterdir())[:2]
    told = ("predict", finders["mask"], *files)
    answer = longspan(*told, "--draw", tmp_path / "d")
    assert (answer.code, answer.err) == (0, "")
    first, second, drawn = answer.out.splitlines()
    assert first.startswith(f"{files[0]}  mask=")
    assert " %" in second
    assert drawn == f"2 images drawn in {tmp_path / 'd'}"
    assert longspan(*told, "--out", tmp_path / "m", "--format", "masks").code == 0
    fractions = json.loads(longspan("predict", finders["mask"], files[0], "--json").out)["mask"]["share"]
    stored = np.asarray(PILImage.open(tmp_path / "m" / files[0].name))
    assert stored.shape == (32, 40)
    for number, label in enumerate(("ground", "rectangle", "disc", "triangle")):
        assert fractions.get(label, 0) == pytest.approx((stored == number).mean(), abs=1e-4)
    assert longspan(*told, "--out", tmp_path / "m", "--format", "masks").code == 2, "the files are there"


def test_networks_are_measured_on_annotations(longspan, finders, scenes):
    masks = ("--format", "masks", "--annotations", scenes / "masks", "--mask-name", "{stem}_m.png")
    answer = longspan("evaluate", finders["mask"], scenes / "images", *masks, "--classes", scenes / "codes.txt")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"12 rows of {scenes / 'images'}\n")
    assert "mean_iou" in answer.out
    coco = ("--format", "coco", "--annotations", scenes / "coco.json")
    answer = longspan("evaluate", finders["instances"], scenes / "images", *coco, "--json")
    assert (answer.code, answer.err) == (0, "")
    answer = json.loads(answer.out)
    assert answer["rows"] == 12
    assert answer["parts"]["train"].keys() >= {"rows", "mask_ap50", "ap50"}
    wrong = longspan("evaluate", finders["mask"], scenes / "images", *coco)
    assert (wrong.code, "There is no column 'mask'" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--score", "1.5"), "--score must be at least 0 and at most 1, got 1.5"),
        (("--score", "0.4"), "--score is for networks that find boxes or instances; this model predicts breed"),
        (("--draw", "d"), "--draw: nothing that this model predicts lies in the image"),
        (("--format", "voc", "--out", "d"), "--format voc writes boxes or instances"),
        (("--encoding", "latin-1"), "--encoding is for models that read tables or texts"),
        (("--heading", "no"), "--heading is for models that read tables or texts"),
    ],
)
def test_a_model_of_classes_refuses_what_it_has_no_use_for(
    longspan, trained, pets, words, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    answer = longspan("predict", trained, pets / "pug_1.png", *words)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert not (tmp_path / "d").exists()

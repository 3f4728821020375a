"""--format and what goes with it, down to the table; no network is made here."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image as PILImage

from longspan.cli.formats import FORMATS, annotation_format
from longspan.cli.tasks import describe_targets, read_rows
from longspan.cli.train_options import TrainOptions
from longspan.columns import Boxes, Instances, Mask
from longspan.errors import ConfigError, DataError, UnknownNameError


def rows(scenes, name, path, **said):
    """What `longspan train` makes of SOURCE and options."""
    options = TrainOptions(source=str(scenes / "images"), format=name, annotations=str(scenes / path), **said)
    told = []
    return *read_rows(options, told.append), told


@pytest.mark.parametrize(
    ("name", "path", "said", "columns"),
    [
        ("coco", "coco.json", {"target": ("instances",)}, {"instances": Instances, "boxes": Boxes}),
        ("coco", "coco.json", {"target": ("boxes",)}, {"boxes": Boxes}),
        ("voc", "voc", {}, {"boxes": Boxes}),
        ("yolo", "yolo", {"classes": "yolo/classes.txt"}, {"boxes": Boxes}),
        ("masks", "masks", {"mask_name": "{stem}_m.png", "classes": "codes.txt"}, {"mask": Mask}),
        (
            "instance-masks",
            "masks",
            {"mask_name": "{stem}_m.png", "target": ("boxes",)},
            {"boxes": Boxes, "instances": Instances},
        ),
    ],
)
def test_every_format_becomes_its_columns(scenes, name, path, said, columns):
    if "classes" in said:
        said = {**said, "classes": str(scenes / said["classes"])}
    table, image, options, told = rows(scenes, name, path, **said)
    assert (image, len(table), told) == ("image", 12, [])
    assert {name: type(column) for name, column in table.columns.items() if name != "image"} == columns
    assert options.target == (next(iter(columns)),), "the only column, or the one that was asked for"
    words = {"yolo": "rectangle", "voc": "rectangle", "coco": "rectangle", "masks": "(ground, rectangle, disc, tri"}
    assert words.get(name, "object") in describe_targets(table, options.target)


def test_faces_are_read_from_a_list(scenes, tmp_path):
    (tmp_path / "faces.txt").write_text("scene_03.png\n1\n5 6 7 8 0 0 0 0 0 0\n")
    table, _, options, _ = rows(scenes, "wider", tmp_path / "faces.txt", image="photo")
    assert options.target == ("boxes",)
    assert table.value(0, "boxes") == [{"box": [5.0, 6.0, 12.0, 14.0], "label": "face", "ignore": False}]
    assert table.value(0, "photo").endswith("scene_03.png")


@pytest.mark.parametrize(
    ("target", "model", "kind"),
    [
        ("mask", "unet:resnet18", "mask"),
        ("boxes", "faster_rcnn:resnet18", "boxes"),
        ("instances", "mask_rcnn:resnet18", "instances"),
    ],
)
def test_defaults_suit_what_lies_in_the_image(scenes, target, model, kind):
    if kind == "mask":
        table, image, options, _ = rows(scenes, "masks", "masks", mask_name="{stem}_m.png")
    else:
        table, image, options, _ = rows(scenes, "coco", "coco.json", target=(target,))
    assert options.model == model
    assert (options.batch_size, options.epochs, options.freeze_epochs, options.resize) == (8, 20, 1, "pad")
    assert (options.size, options.weights) == (None, "none"), "images of 40 pixels stay as they are"
    assert table.columns[image].resize == "pad"


def test_large_images_get_a_side_and_are_padded_unless_told_otherwise(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for number in range(2):
        PILImage.fromarray(np.zeros((70, 100, 3), np.uint8)).save(tmp_path / "images" / f"{number}.png")
        PILImage.fromarray(np.zeros((70, 100), np.uint8)).save(tmp_path / "masks" / f"{number}.png")
    *_, options, _ = rows(tmp_path, "masks", "masks")
    assert (options.size_px, options.resize, options.weights) == ((224, 224), "pad", None)
    table, image, options, _ = rows(
        tmp_path,
        "masks",
        "masks",
        size="35x50",
        resize="stretch",
        batch_size=3,
        epochs=2,
        freeze_epochs=4,
        model="segnet",
    )
    assert (options.size_px, table.columns[image].resize) == ((35, 50), "stretch")
    assert (options.batch_size, options.epochs, options.freeze_epochs, options.model) == (3, 2, 4, "segnet")


def test_classes_of_images_keep_their_defaults(pets):
    options = TrainOptions(source=str(pets), pattern=r"(?P<breed>.+)_\d+\.png")
    table, image, options = read_rows(options, print)
    assert (options.model, options.batch_size, options.epochs, options.freeze_epochs) == ("resnet20", 64, None, 5)
    assert (options.resize, table.columns[image].resize) == (None, "auto")


@pytest.mark.parametrize(("words", "size"), [("224", (224, 224)), ("180x240", (180, 240)), (" 8 X 9 ", (8, 9))])
def test_sizes(words, size):
    assert TrainOptions(source="", size=words).size_px == size


@pytest.mark.parametrize("words", ["0", "0x8", "224,224", "x", "-3", "2x3x4", "1.5"])
def test_sizes_that_are_none(words):
    with pytest.raises(ConfigError, match="--size"):
        TrainOptions(source="", size=words)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (("coko", "x"), "Did you mean 'coco'"),
        (("coco", None), "needs --annotations PATH: the JSON file"),
        (("yolo", None), "needs --annotations PATH: the folder of text files"),
        (("coco", "x", "classes.txt"), "--classes is for --format yolo and masks"),
        (("voc", "x", None, "{stem}.png"), "--mask-name is for --format masks and instance-masks"),
        (("yolo", "x", None, None, ("3",)), "--ignored is for --format masks and instance-masks"),
        (("masks", "x", None, None, ("sky",)), "--ignored sky is a name: say with --classes"),
        (("instance-masks", "x", None, None, ("sky",)), "have numbers, not names"),
        ((None, "x"), "--annotations says more about --format, which is not given"),
        ((None, None, "codes.txt"), "--classes says more about --format"),
    ],
)
def test_options_that_do_not_belong_together(said, message):
    with pytest.raises((ConfigError, UnknownNameError)) as error:
        annotation_format(*said)
    assert message in str(error.value)


def test_a_format_is_for_a_folder_of_images(scenes):
    with pytest.raises(ConfigError, match="--pattern does not go with --format coco"):
        rows(scenes, "coco", "coco.json", pattern=".*")
    options = {"format": "coco", "annotations": str(scenes / "coco.json")}
    with pytest.raises(DataError, match=r"coco\.json is not a folder"):
        read_rows(TrainOptions(source=str(scenes / "coco.json"), **options), print)
    with pytest.raises(DataError, match="There is no file or folder nowhere"):
        read_rows(TrainOptions(source="nowhere", **options), print)
    with pytest.raises(ConfigError, match="leave --format out"):
        read_rows(TrainOptions(source="digits", **options), print)


def test_groups_of_a_pattern_become_columns_beside_the_masks(scenes):
    table, *_ = rows(
        scenes,
        "masks",
        "masks",
        mask_name="{stem}_m.png",
        pattern=r"(?P<stem>(?P<world>\w+)_\d+)\.png",
        target=("mask",),
    )
    assert (len(table), table.value(0, "world")) == (12, "scene")


def test_colours_and_ignored_classes_of_masks(scenes, tmp_path):
    (tmp_path / "codes.csv").write_text("name,r,g,b\nground,0,0,0\nrectangle,9,0,0\ndisc,0,9,0\ntriangle,0,0,9\n")
    said = {"mask_name": "{stem}_m.png", "classes": str(tmp_path / "codes.csv"), "ignored": ("triangle", "77")}
    table, *_ = rows(scenes, "masks", "masks", **said)
    column = table.columns["mask"]
    assert isinstance(column, Mask)
    assert column.vocab == ("ground", "rectangle", "disc")
    assert column.ignored == (3, 77)
    assert column.palette == ((0, 0, 0), (9, 0, 0), (0, 9, 0))
    with pytest.raises(UnknownNameError, match="Did you mean 'triangle'"):
        rows(scenes, "masks", "masks", **said | {"ignored": ("triangel",)})


def test_bad_annotations_are_refused_by_name_or_left_out_and_told(scenes, tmp_path):
    content = json.loads((scenes / "coco.json").read_text())
    content["annotations"][0]["category_id"] = 77
    (tmp_path / "bad.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="77"):
        rows(scenes, "coco", tmp_path / "bad.json", target=("boxes",))
    table, _, _, told = rows(scenes, "coco", tmp_path / "bad.json", target=("boxes",), on_error="skip")
    assert len(table) == 12
    assert len(told) == 1
    assert told[0].startswith("what has 1 fault in ")
    assert "\n  " in told[0]


def test_masks_that_are_not_predicted_need_not_be_there(scenes, tmp_path):
    content = json.loads((scenes / "coco.json").read_text())
    del content["annotations"][0]["segmentation"]
    (tmp_path / "some.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"it has no segmentation, though others have.*--target boxes"):
        rows(scenes, "coco", tmp_path / "some.json", target=("instances",))
    table = rows(scenes, "coco", tmp_path / "some.json", target=("boxes",))[0]
    assert list(table.columns) == ["image", "boxes"]


def test_empty_and_unannotated_images_are_counted(scenes, tmp_path):
    folder = tmp_path / "voc"
    shutil.copytree(scenes / "voc", folder)
    xml = sorted(folder.iterdir())
    for file in xml[:3]:
        file.write_text("<annotation></annotation>")
    table, *_, options, _ = rows(scenes, "voc", folder)
    empty = sum(not value for value in table.column_values("boxes"))
    assert f", {empty} images with none" in describe_targets(table, options.target)


def test_options_are_kept_for_resume_with_paths_that_hold_from_anywhere(scenes, tmp_path, monkeypatch):
    from longspan.cli.train_options import read_options

    monkeypatch.chdir(scenes)
    said = {"format": "masks", "annotations": "masks", "classes": "codes.txt", "ignored": ("disc",), "size": "8x9"}
    TrainOptions(source="images", **said).save(tmp_path)
    monkeypatch.chdir(tmp_path)
    again = read_options(tmp_path, {})
    assert (again.annotations, again.classes) == (str(scenes / "masks"), str(scenes / "codes.txt"))
    assert (again.ignored, again.size_px, again.format) == (("disc",), (8, 9), "masks")
    assert again.annotation_format == annotation_format("masks", again.annotations, again.classes, None, ("disc",))


def test_the_help_names_every_format(longspan):
    for command in ("train", "study", "evaluate"):
        assert "|".join(FORMATS) in longspan(command, "--help").out

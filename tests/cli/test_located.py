"""`longspan train` and `longspan study` on masks, boxes and instances; designs by name."""

import json
import os
import sys

import numpy as np
import pytest
from PIL import Image as PILImage

import longspan as ls
from longspan.cli.known_names import stored_names
from longspan.cli.studying import _model_and_weights
from longspan.errors import UnknownNameError

MASKS = ("SCENES/images", "--format", "masks", "--annotations", "SCENES/masks", "--mask-name", "{stem}_m.png")
COCO = ("SCENES/images", "--format", "coco", "--annotations", "SCENES/coco.json")


@pytest.fixture
def run(longspan, scenes, tmp_path, monkeypatch):
    """`run("train", ...)` in an empty folder; SCENES stands for the folder of scenes."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        return longspan(*(str(word).replace("SCENES", str(scenes)) for word in words))

    return run


def test_masks_are_learnt_and_the_model_is_used(run, tmp_path):
    told = ("train", *MASKS, "--classes", "SCENES/codes.txt", "--model", "unet:resnet20", "--epochs", "1")
    answer = run(*told, "--size", "32x48", "--dropout", "0.1", "--out", "m.safetensors")
    assert (answer.code, answer.err) == (0, "")
    for words in (
        "mask: mask of 4 classes (ground, rectangle, disc, triangle)",
        "unet:resnet20, 323,2",
        "from scratch",
        "one-cycle: 1 epoch of all layers",
        "batches of 8",
        "result    mean_iou ",
        "longspan predict m.safetensors ",
        " --draw drawn",
    ):
        assert words in answer.out, words
    model = ls.load(tmp_path / "m.safetensors")
    assert (model.inputs["image"].size_px, model.inputs["image"].resize) == ((32, 48), "pad")  # pyright: ignore
    assert model.heads["mask"].dropout == 0.1  # pyright: ignore


def test_boxes_are_learnt(run, tmp_path):
    answer = run(
        "train",
        *COCO,
        "--target",
        "boxes",
        "--model",
        "faster_rcnn:resnet20",
        "--epochs",
        "1",
        "--batch-size",
        "5",
        "--valid",
        "5",
    )
    assert (answer.code, answer.err) == (0, "")
    assert "boxes: boxes of 3 classes (" in answer.out
    assert "images with none" in answer.out
    assert "result    map 0." in answer.out
    assert "faster_rcnn:resnet20" in answer.out
    assert "batches of 5" in answer.out
    assert ls.load(tmp_path / "model.safetensors").heads["boxes"].design == "faster_rcnn"  # pyright: ignore


def test_key_points_are_learnt_and_written_as_coco_writes_them(run, tmp_path, scenes):
    from longspan.data.annotations import write_coco_keypoints

    table = ls.Table.from_coco(scenes / "coco.json", scenes / "images", instances=False)
    corners = [
        {"left top": boxes[0]["box"][:2], "right bottom": boxes[0]["box"][2:]} if boxes else None
        for boxes in table.column_values("boxes")
    ]
    write_coco_keypoints(tmp_path / "points.json", table.column_values("image"), corners, images=scenes / "images")
    format = ("--format", "coco-keypoints", "--annotations", "points.json")
    answer = run("train", "SCENES/images", *format, "--model", "heat_maps:resnet20", "--epochs", "1", "--valid", "3")
    assert (answer.code, answer.err) == (0, "")
    assert "points: keypoints" in answer.out
    assert "result    nme " in answer.out
    image = table.value(0, "image")
    answer = run("predict", "model.safetensors", image, "--format", "coco", "--out", "found.json", "--draw", "drawn")
    assert (answer.code, answer.err) == (0, "")
    found = ls.Table.from_coco_keypoints("found.json", scenes / "images")
    assert set(found.value(0, "points")) == {"left top", "right bottom"}
    assert len(os.listdir("drawn")) == 1


def test_boxes_and_masks_are_read_from_a_table(run, tmp_path, scenes):
    table = ls.Table.from_coco(scenes / "coco.json", scenes / "images")
    rows = ["photo;boxes;mask".replace(";", ",")]
    for row in range(len(table)):
        photo = table.value(row, "image")
        boxes = json.dumps(table.value(row, "boxes")).replace('"', '""')
        rows.append(f'{photo},"{boxes}",{scenes}/masks/scene_{row:02}_m.png')
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    told = ("train", "rows.csv", "--image", "photo", "--target", "boxes", "--target", "mask", "--epochs", "1")
    kinds = ("--column", "boxes=boxes", "--column", "mask=mask")
    answer = run(*told, *kinds, "--model", "faster_rcnn:resnet20", "--size", "32", "--out", "m.safetensors")
    assert (answer.code, answer.err) == (0, "")
    assert "boxes of 3 classes" in answer.out
    answer = run("evaluate", "m.safetensors", "rows.csv", "--json")
    assert (answer.code, answer.err) == (0, "")
    parts = json.loads(answer.out)["parts"]
    assert {"boxes.map", "mask.mean_iou", "rows"} <= parts["train"].keys()
    answer = run(*told, "--model", "faster_rcnn:resnet20")
    assert "If one holds boxes, say so: --column boxes=boxes" in answer.err


def test_an_interrupted_training_goes_on_by_its_folder_alone(run, tmp_path, monkeypatch):
    from longspan.train.checkpoints.checkpoint import CheckpointWriter

    write = CheckpointWriter._write

    def write_and_stop(self, state):
        write(self, state)
        raise KeyboardInterrupt

    told = (
        "train",
        *MASKS,
        "--model",
        "unet:resnet20",
        "--epochs",
        "2",
        "--checkpoints",
        "ck",
        "--out",
        "m.safetensors",
    )
    with monkeypatch.context() as patched:
        patched.setattr(CheckpointWriter, "_write", write_and_stop)
        assert run(*told).code == 130
    answer = run("train", "--resume", "ck")
    assert (answer.code, answer.err) == (0, "")
    assert (tmp_path / "m.safetensors").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (COCO, "--target instances  instances"),
        ((*COCO, "--target", "boxs"), "Did you mean 'boxes'"),
        ((*COCO, "--target", "boxes", "--model", "unet"), "unet predicts mask columns, but 'boxes' is of kind boxes"),
        ((*COCO, "--target", "boxes", "--model", "faster_rcn"), "Did you mean 'faster_rcnn'"),
        ((*COCO, "--target", "boxes", "--model", "resnet43"), "Did you mean 'resnet"),
        ((*COCO, "--target", "boxes", "--model", "retinanet:resnet81"), "Did you mean 'resnet"),
        ((*COCO, "--target", "boxes", "--model", "resnet18:imagnet"), "Did you mean 'imagenet'"),
        ((*MASKS, "--model", "segnet:resnet18"), "segnet has a backbone of its own"),
        ((*MASKS, "--label-smoothing", "0.1"), "--label-smoothing is for classes"),
        ((*COCO, "--target", "boxes", "--dropout", "0.1"), "--dropout is for classes, numbers, texts and masks"),
        ((*MASKS, "--resize", "fill"), "Valid: crop, pad, stretch"),
        ((*MASKS, "--size", "32,32"), "--size 32,32: write a side such as 224, or height and width such as 180x240"),
        ((*MASKS, "--batch-size", "0"), "batch_size must be a whole number of at least 1"),
        ((*MASKS, "--freeze-epochs", "0"), "--freeze-epochs must be at least 1"),
        ((*MASKS, "--classes", "nowhere.txt"), "nowhere.txt"),
        (("SCENES/images", "--format", "coco"), "--format coco needs --annotations PATH: the JSON file"),
        (("SCENES/images", "--format", "coco", "--annotations", "SCENES/gone.json"), "gone.json"),
        (("SCENES/images",), "For masks and boxes in files of their own: --format"),
    ],
)
def test_bad_input_is_told_in_words_and_leaves_nothing(run, tmp_path, words, message):
    answer = run("train", *words, "--epochs", "1")
    assert answer.code == 2, answer
    assert answer.err.startswith("longspan: error: ")
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert os.listdir(tmp_path) == []


def test_vectors_of_people_are_learnt_on_others_than_they_are_measured_on(run, tmp_path):
    rng = np.random.default_rng(0)
    for person in range(8):
        (tmp_path / "faces" / f"person {person}").mkdir(parents=True)
        for number in range(4):
            pixels = (rng.integers(0, 40, (16, 16)) + 25 * person).astype(np.uint8)
            PILImage.fromarray(pixels).save(tmp_path / "faces" / f"person {person}" / f"{number}.png")
    told = ("train", "faces", "--model", "triplet:lenet5", "--epochs", "1", "--valid", "0.3", "--batch-size", "8")
    answer = run(*told, "--split-by", "group:label", "--sampling", "by_class", "--rows-per-class", "2")
    assert (answer.code, answer.err) == (0, "")
    assert "result    eer 0." in answer.out
    model = ls.load(tmp_path / "model.safetensors")
    assert (model.heads["label"].objective, len(model.heads["label"].absent)) == ("triplet", 2)  # pyright: ignore
    answer = run("predict", "model.safetensors", "faces/person 1/0.png", "--out", "vectors.json")
    assert answer.code == 0
    assert len(json.loads((tmp_path / "vectors.json").read_text())[0]["label"]) > 0
    answer = run("train", "faces", "--model", "triplet:lenet5", "--sampling", "by_class", "--rows-per-class", "1")
    assert (answer.code, "rows_per_class must be a whole number of at least 2" in answer.err) == (2, True)
    answer = run("train", "faces", "--model", "triplet:lenet5", "--epochs", "1", "--force")
    assert (answer.code, "--sampling by_class" in answer.err) == (2, True)


# --- designs ---------------------------------------------------------------------------------------------------------


def test_designs_are_listed_under_the_networks(longspan):
    lines = longspan("models").out.splitlines()
    head = next(place for place, line in enumerate(lines) if line.startswith("design"))
    assert lines[head - 1] == ""
    assert lines[head + 1].split()[:3] == ["unet", "resnet34", "mask"]
    assert len(lines) - head - 1 == len(stored_names()["designs"])
    found = longspan("models", "--filter", "rcnn").out
    assert [line.split()[0] for line in found.splitlines()] == ["design", "faster_rcnn", "mask_rcnn"]
    assert "Did you mean 'faster_rcnn'" in longspan("models", "--filter", "faster_rcn2").err


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("resnet18", ("resnet18", "none")),
        ("resnet18:imagenet", ("resnet18", "imagenet")),
        ("unet", ("unet", "none")),
        ("unet:imagenet", ("unet", "imagenet")),
        ("unet:resnet18", ("unet:resnet18", "none")),
        ("unet:resnet18:imagenet", ("unet:resnet18", "imagenet")),
        ("segnet:none", ("segnet", "none")),
        (f"unet:resnet18:{__file__}", ("unet:resnet18", __file__)),
        (f"unet:{__file__}", ("unet", __file__)),
    ],
)
def test_strategies_of_a_study_are_design_backbone_and_weights(words, parts):
    assert _model_and_weights(words) == parts


@pytest.mark.parametrize(
    ("words", "message"),
    [("unett:resnet18", "Did you mean 'unet'"), ("unet:resnet81", "Did you mean 'resnet18'"), ("lenet6", "'lenet5'")],
)
def test_strategies_that_are_none(words, message):
    with pytest.raises(UnknownNameError, match=message):
        _model_and_weights(words)


def test_a_study_of_designs_is_planned(run, tmp_path, monkeypatch):
    from longspan import study

    planned = []

    class Planned:
        def __init__(self, task, recipes, sizes, seeds, **more):
            planned.append((task, recipes))
            raise KeyboardInterrupt

    monkeypatch.setattr(study, "Study", Planned)
    told = ("study", *MASKS, "--model", "unet:resnet20", "--strategy", "wide=unet", "--freeze-epochs", "2")
    assert run(*told).code == 130
    [(task, recipes)] = planned
    assert {name: recipe.model for name, recipe in recipes.items()} == {
        "unet:resnet20 from scratch": "unet:resnet20",
        "wide": "unet",
    }
    assert {recipe.config.batch_size for recipe in recipes.values()} == {8}
    assert [phase.epochs for phase in recipes["wide"].phases] == [20]
    assert task.inputs["image"].resize == "pad"
    wrong = run("study", *MASKS, "--model", "faster_rcnn:resnet20")
    assert (wrong.code, "faster_rcnn predicts boxes columns" in wrong.err) == (2, True)


def test_a_study_of_masks_runs(run, tmp_path):
    told = ("study", *MASKS, "--model", "unet:resnet20", "--sizes", "6", "--seeds", "1", "--epochs", "1")
    answer = run(*told, "--backend", "inline", "--threads", "1", "--out", "st")
    assert (answer.code, answer.err) == (0, "")
    assert "1 of 1 runs are finished" in answer.out
    assert (tmp_path / "st" / "report.html").is_file()


def test_weights_are_looked_up_for_the_backbone_behind_the_colon(run, tmp_path, monkeypatch):
    wanted = []

    def noted(task, model, *, weights, **more):
        wanted.append((model, weights))
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["longspan.train"], "Learner", noted)
    # Images of at most 64 pixels start from scratch; these are told to be larger.
    monkeypatch.setattr("longspan.cli.tasks._SMALL_PX", 16)
    for model in ("unet:resnet18", "unet:resnet20", "fcn8s"):
        assert run("train", *MASKS, "--model", model, "--size", "32").code == 130
    assert wanted == [("unet:resnet18", "imagenet"), ("unet:resnet20", None), ("fcn8s", "imagenet")]


def test_json_of_a_trained_model_says_what_it_was_made_of(run, tmp_path, scenes, finders):
    image = sorted((scenes / "images").iterdir())[0]
    answer = json.loads(run("predict", finders["instances"], image, "--json", "--score", "0.1").out)
    assert answer["file"] == str(image)
    assert {"label", "score", "box", "rle"} <= answer["instances"][0].keys()

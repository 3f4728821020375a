"""Fourteen jobs that people come with, on made-up look-alikes: two commands at most, the ones that a hand types.

`--epochs`, `--model` and `--size` are there to be quick; the rest is what a new user writes, or reads in a message.
"""

import csv
import json
import shlex

import numpy as np
import pytest
from PIL import Image

import longspan as ls

QUICK = ("--epochs", "1", "--model", "lenet5")
FINDS = ("--epochs", "1", "--model", "faster_rcnn:resnet20", "--size", "64", "--batch-size", "2")
SEGMENTS = ("--epochs", "1", "--model", "unet:resnet20", "--size", "32")


@pytest.fixture(autouse=True)
def work(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "test_01" not in request.node.name:  # one report is enough here: plots take most of the time of these trainings
        monkeypatch.setattr(ls.Learner, "report", lambda _, path: path.write_text(""))
    return tmp_path


def image(path, level, *, size=(28, 28), seed=0):
    """A noisy image, as bright as `level`; noise keeps copies apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([level, seed, sum(map(ord, path.name))])
    pixels = np.clip(level + rng.integers(0, 60, (size[1], size[0], 3)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def trains(longspan, *words):
    """The command ends well; what it printed."""
    answer = longspan("train", *words)
    assert answer.code == 0, answer.err
    assert "saved" in answer.out
    return answer.out


def with_square(path, x, y, *, seed):
    """A dark image of 64 pixels with a bright square of 20 pixels, its corner at x and y."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng([seed, x, y]).integers(0, 60, (64, 64, 3)).astype(np.uint8)
    pixels[y : y + 20, x : x + 20] += 150
    Image.fromarray(pixels).save(path)


def places(count):
    """Corners of squares, no two alike."""
    return [(4 + 3 * (n % 7), 2 + 5 * (n // 7) + n % 5) for n in range(count)]


def test_01_sign_digits_a_folder_per_class(longspan, work):
    for digit in range(4):
        for number in range(6):
            image(work / "signs" / str(digit) / f"{digit}-{number}.png", 50 * digit)
    out = trains(longspan, "signs", *QUICK)
    assert "label: 4 classes (0 6, 1 6, 2 6, 3 6)" in out


def test_02_blood_cells_in_pascal_voc(longspan, work):
    for number, (x, y) in enumerate(places(6)):
        with_square(work / "BCCD" / "JPEGImages" / f"b{number}.jpg", x, y, seed=2)
        (work / "BCCD" / "Annotations").mkdir(exist_ok=True)
        (work / "BCCD" / "Annotations" / f"b{number}.xml").write_text(
            f"<annotation><filename>b{number}.jpg</filename><size><width>64</width><height>64</height></size><object>"
            f"<name>{'RBC' if number % 2 else 'WBC'}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
            f"<xmax>{x + 20}</xmax><ymax>{y + 20}</ymax></bndbox></object></annotation>"
        )
    out = trains(longspan, "BCCD", *FINDS)
    assert "boxes of 2 classes (" in out
    assert list(ls.Table.read("BCCD")[3]["boxes"][0]["box"]) == [*places(6)[3], *(c + 20 for c in places(6)[3])]


def test_03_raccoons_in_a_table_with_a_row_for_each_box(longspan, work):
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for number, (x, y) in enumerate(places(6)):
        with_square(work / "images" / f"raccoon-{number}.png", x, y, seed=3)
        rows.append(f"raccoon-{number}.png,64,64,raccoon,{x},{y},{x + 20},{y + 20}")
    (work / "annotations").mkdir()
    (work / "annotations" / "raccoon_labels.csv").write_text("\n".join(rows) + "\n")
    out = trains(longspan, "annotations/raccoon_labels.csv", *FINDS)
    assert "boxes from columns xmin, ymin, xmax, ymax: 6 lines about 6 images" in out


def test_04_membranes_in_folders_of_images_and_masks(longspan, work):
    for number in range(8):
        image(work / "cells" / "images" / f"{number}.png", 20 * number, size=(32, 32))
        mask = np.zeros((32, 32), np.uint8)
        mask[number : number + 9, 4:20] = 255
        (work / "cells" / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(work / "cells" / "masks" / f"{number}.png")
    with pytest.warns(UserWarning, match="hold 0 and 255 alone"):
        out = trains(longspan, "cells", *SEGMENTS)
    assert "masks in cells/masks ({stem}.png) of the images in cells/images" in out
    assert ls.load("model.safetensors").heads["mask"].column.values == (0, 255)


def test_05_omniglot_folders_in_folders_and_many_classes(longspan, work):
    for alphabet in ("Greek", "Latin"):
        for character in range(4):
            for number in range(4):
                path = work / "omniglot" / alphabet / f"character{character:02}" / f"{character}_{number}.png"
                image(path, 30 * character + (100 if alphabet == "Greek" else 0), seed=number)
    refused = longspan("train", "omniglot", *QUICK)
    assert refused.code == 2
    assert "--target folders" in refused.err
    assert "folders: 8 classes" in trains(longspan, "omniglot", "--target", "folders", *QUICK)


def test_06_chest_x_rays_by_patient(longspan, work):
    rows = ["Image Index,Finding,Patient ID"]
    for number in range(24):
        patient, sick = number // 3, number // 3 % 2
        image(work / "xrays" / "images" / f"{number:08}.png", 40 + 120 * sick, seed=number)
        rows.append(f"{number:08}.png,{'Effusion' if sick else 'No Finding'},{patient}")
    (work / "xrays" / "labels.csv").write_text("\n".join(rows) + "\n")
    out = trains(longspan, "xrays/labels.csv", "--target", "Finding", "--group", "Patient ID", *QUICK)
    assert "Patient ID" in out.partition("split")[2].partition("\n")[0]
    model, table = ls.load("model.safetensors"), ls.Table.read("xrays/labels.csv")
    parts = model.recognise(table.with_column("Image Index", table.columns["Image Index"]))
    patients = {name: {table["Patient ID"][row] for row in rows} for name, rows in parts.items()}
    assert patients["train"]
    assert not patients["train"] & patients["valid"]


def test_07_masks_worn_in_an_export_with_data_yaml(longspan, work):
    for part, first in (("train", 0), ("valid", 6)):
        for number, (x, y) in list(enumerate(places(9)))[first : first + (6 if part == "train" else 3)]:
            with_square(work / "worn" / part / "images" / f"{number}.jpg", x, y, seed=7)
            (work / "worn" / part / "labels").mkdir(exist_ok=True)
            (work / "worn" / part / "labels" / f"{number}.txt").write_text(
                f"{number % 2} {(x + 10) / 64} {(y + 10) / 64} {20 / 64} {20 / 64}\n"
            )
    (work / "worn" / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['mask', 'no-mask']\n"
    )
    out = trains(longspan, "worn/data.yaml", *FINDS)
    assert "6 train, 3 valid" in out


def test_08_counting_cells_a_number_from_a_table(longspan, work):
    rows = ["file,count"]
    for number in range(24):
        image(work / "counts" / f"{number}.png", 6 * number)
        rows.append(f"{number}.png,{number * 3 + 1}")
    (work / "counts" / "counts.csv").write_text("\n".join(rows) + "\n")
    out = trains(longspan, "counts/counts.csv", *QUICK)
    assert "count: number" in out


def test_09_train_and_valid_folders_are_the_split(longspan, work):
    for part, count in (("train", 8), ("valid", 3)):
        for label, level in (("cat", 20), ("dog", 150)):
            for number in range(count):
                image(work / "pets" / part / label / f"{part}{number}.png", level)
    assert "16 train, 6 valid" in trains(longspan, "pets", *QUICK)


def test_10_ids_in_a_file_with_tabs(longspan, work):
    rows = ["id\tbreed\tage"]
    for number in range(16):
        image(work / "train_images" / f"{number:03}.png", 20 + 130 * (number % 2))
        rows.append(f"{number:03}\t{'pug' if number % 2 else 'boxer'}\t{number}")
    (work / "breeds.tsv").write_text("\n".join(rows) + "\n")
    out = trains(longspan, "breeds.tsv", "--target", "breed", "--suffix", ".png", *QUICK)
    assert "images from column 'id'" in out
    assert "with .png added to each" in out


def test_11_several_labels_in_a_cell(longspan, work):
    rows = ["file,tags"]
    for number in range(24):
        image(work / "photos" / f"{number}.png", 8 * number)
        rows.append(f"{number}.png,{('sky', 'sky|sea', 'sea|sand', 'sky|sand')[number % 4]}")
    (work / "photos" / "tags.csv").write_text("\n".join(rows) + "\n")
    hint = longspan("train", "photos/tags.csv", *QUICK)
    assert hint.code == 0
    words = shlex.split(hint.out.partition("To predict each: ")[2].partition("\n")[0])
    assert words == ["--target", "tags:multi_label:|"]
    out = trains(longspan, "photos/tags.csv", *words, *QUICK, "--force")
    assert "tags: multi_label" in out


def test_12_segmentation_with_colours(longspan, work):
    colours = {"ground": (0, 0, 0), "car": (255, 0, 0), "tree": (0, 255, 0)}
    for number in range(8):
        image(work / "street" / "images" / f"{number}.png", 20 * number, size=(32, 32))
        mask = np.zeros((32, 32, 3), np.uint8)
        mask[2:12, number : number + 8] = colours["car"]
        mask[20:30, 10:20] = colours["tree"]
        (work / "street" / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(work / "street" / "masks" / f"{number}.png")
    refused = longspan("train", "street", *SEGMENTS)
    assert refused.code == 2
    assert "--format masks --annotations street/masks --classes FILE" in refused.err.replace("\n", " ")
    (work / "classes.txt").write_text("".join(f"{name} {' '.join(map(str, rgb))}\n" for name, rgb in colours.items()))
    out = trains(
        longspan, "street/images", "--format", "masks", "--annotations", "street/masks", "--classes", "classes.txt",
        *SEGMENTS,
    )  # fmt: skip
    assert "mask of 3 classes (ground, car, tree)" in out


def test_13_a_table_of_numbers(longspan, work):
    rng = np.random.default_rng(0)
    rows = ["area,rooms,city,price"]
    rows += [
        f"{a:.1f},{r},{c},{a * r:.0f}"
        for a, r, c in zip(rng.uniform(20, 200, 60), rng.integers(1, 6, 60), "AB" * 30, strict=True)
    ]
    (work / "houses.csv").write_text("\n".join(rows) + "\n")
    out = trains(longspan, "houses.csv", "--target", "price", "--epochs", "1")
    assert "area: number" in out
    assert "city: category of 2 labels" in out


def test_14_from_a_folder_to_predictions_and_metrics(longspan, trained, work):
    for label, level in (("pug", 20), ("bengal", 150)):
        for number in range(5):
            image(work / "new" / label / f"{number}.png", level, seed=14)
    answer = longspan("predict", trained, "new", "--out", "predictions.csv")
    assert answer.code == 0, answer.err
    with open("predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    (work / "truth.csv").write_text(
        "file,breed\n" + "".join(f"{row['file']},{row['file'].split('/')[-2]}\n" for row in rows)
    )
    measured = longspan("evaluate", trained, "truth.csv", "--json")
    assert measured.code == 0, measured.err
    correct = sum(row["breed"] == row["file"].split("/")[-2] for row in rows)
    assert json.loads(measured.out)["accuracy"] == pytest.approx(correct / 10)

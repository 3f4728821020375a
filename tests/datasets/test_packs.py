"""The copies in the folder of data packs, against the counts on record."""

from collections import Counter

import numpy as np
import pytest

import longspan as ls
from longspan.vision.rle import decode_runs


def counted(table, name):
    """Things in a column, and rows whose value is missing."""
    values = table.column_values(name)
    return sum(len(value) for value in values if value is not None), sum(value is None for value in values)


def parts(table):
    return dict(Counter(table.column_values("part")))


@pytest.fixture(autouse=True)
def _needs_packs(data_folder):
    del data_folder


def test_camvid():
    table = ls.datasets.load("camvid")
    assert parts(table) == {"train": 367, "valid": 101, "test": 233}
    column = table.columns["mask"]
    assert (len(column.vocab), column.values, column.ignored) == (11, tuple(range(11)), (11,))
    assert table.frame["mask"].null_count() == 0
    classes = column.classes(table[0]["mask"])
    assert classes.shape == (360, 480)
    assert set(np.unique(classes)) <= {*range(11), 255}
    assert len(table.split(column="part").vault) == 233


def test_penn_fudan():
    table = ls.datasets.load("penn-fudan")
    assert len(table) == 170
    assert counted(table, "boxes") == counted(table, "instances") == (423, 0)
    row = table[0]
    for box, thing in zip(row["boxes"], row["instances"], strict=True):
        rows, columns = np.nonzero(decode_runs(thing["rle"]["counts"], thing["rle"]["size"]))
        tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.abs(np.subtract(box["box"], tight)).max() <= 1


def test_coco128():
    table = ls.datasets.load("coco128")
    assert parts(table) == {"train": 128, "valid": 64}
    assert counted(table, "boxes") == (929 + 440, 2)
    assert counted(table, "instances") == (746 + 443, 28)
    unlabelled = [row["image"][-16:] for row in table if row["boxes"] is None]
    assert unlabelled == ["000000000250.jpg", "000000000508.jpg"]
    assert len(table.columns["boxes"].vocab) == 80
    assert table.columns["boxes"].vocab == table.columns["instances"].vocab


def test_wider_face_small():
    table = ls.datasets.load("wider-face-small")
    assert parts(table) == {"train": 210, "valid": 60}
    assert counted(table, "boxes") == (671 + 287, 0)
    assert sum(box["ignore"] for boxes in table.column_values("boxes") for box in boxes) == 1


def test_pets_small_has_trimaps_and_head_boxes():
    table = ls.datasets.load("pets-small")
    assert parts(table) == {"train": 692, "test": 335, None: 2}
    assert table.frame["trimap"].null_count() == 1029 - 693
    assert counted(table, "head_box") == (636, 1029 - 636)
    for row in table:
        if row["head_box"] is not None:
            assert row["head_box"][0]["label"] == ("cat" if row["cat"] else "dog")
    row = next(row for row in table if row["trimap"] is not None)
    assert set(np.unique(table.columns["trimap"].classes(row["trimap"]))) == {0, 1, 2}


def test_fsdd():
    table = ls.datasets.load("fsdd")
    assert parts(table) == {"train": 2700, "test": 300}
    assert set(Counter(zip(table["digit"], table["speaker"], strict=True)).values()) == {50}
    assert ls.audio.read_header(table["audio"][0]).rate_hz == 8000
    seconds = sum(ls.audio.read_header(path).seconds for path in table["audio"])
    assert seconds == pytest.approx(1312, abs=1)


def test_speech_commands():
    table = ls.datasets.load("speech-commands-test")
    assert parts(table) == {"train": 3174, "valid": 728, "test": 988}
    assert len(set(table["word"])) == 12
    assert Counter(table["word"])["_unknown_"] == Counter(table["word"])["_silence_"] == 408
    speakers = {p: {row["speaker"] for row in table if row["part"] == p} - {None} for p in ("train", "valid", "test")}
    assert [len(speakers[part]) for part in speakers] == [154, 38, 47]
    assert not speakers["train"] & speakers["valid"]
    assert not speakers["train"] & speakers["test"]


def test_arabic_commands():
    table = ls.datasets.load("arabic-commands-small")
    assert parts(table) == {"train": 360, "valid": 120, "test": 120}
    assert set(Counter(table["word"]).values()) == {60}
    assert len(set(table["speaker"])) == 30


def test_esc10():
    table = ls.datasets.load("esc10")
    assert set(Counter(table["sound"]).values()) == {40}
    assert set(Counter(table["fold"]).values()) == {80}
    assert {ls.audio.read_header(path).rate_hz for path in table["audio"]} == {48_000}


def test_speech_with_texts():
    table = ls.datasets.load("librispeech-small")
    assert parts(table) == {"train": 1618, "valid": 169, "test": 220}
    assert sum(len(text.split()) for text in table["text"]) == 28_184
    assert "".join(sorted(set("".join(table["text"])))) == " 'ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert len(set(table["speaker"])) == 40
    table = ls.datasets.load("yesno")
    assert parts(table) == {"train": 31, "test": 29}
    assert Counter(" ".join(table["text"]).split()) == {"yes": 251, "no": 229}

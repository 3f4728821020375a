"""`longspan turnstile`: the whole way of a person, in and out; faces of the pack where photos are read."""

import json
import os

import numpy as np
import pytest
from PIL import Image as PILImage

from longspan.people.gallery import Gallery
from longspan.people.robust import normalised


@pytest.fixture
def run(longspan, tmp_path, monkeypatch):
    """`run("list", ...)` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: longspan("turnstile", *words)


@pytest.fixture
def gallery(tmp_path):
    rng = np.random.default_rng(0)
    with Gallery.create(tmp_path / "g.sqlite", model="some network", dim=64, threshold=0.5) as gallery:
        for name in ("Ada", "Alan"):
            gallery.enrol(name, normalised(rng.normal(size=64) + rng.normal(0, 0.2, (3, 64))))
    return tmp_path / "g.sqlite"


def test_people_are_listed_and_removed(run, gallery):
    answer = run("list", "--gallery", "g.sqlite")
    assert (answer.code, answer.err) == (0, "")
    assert "Ada" in answer.out
    assert "2 people; known from a similarity of 0.50; vectors of some network" in answer.out
    assert [each["name"] for each in json.loads(run("list", "--gallery", "g.sqlite", "--json").out)] == ["Ada", "Alan"]
    answer = run("remove", "Ada", "--gallery", "g.sqlite")
    assert answer.code == 0
    assert "nothing of them is left in the file" in answer.out
    assert b"Ada" not in gallery.read_bytes()
    log = run("log", "--gallery", "g.sqlite").out
    assert "removed" in log
    assert "Ada" not in log
    assert len(json.loads(run("log", "--gallery", "g.sqlite", "--json").out)) == 4
    assert "1 people; the file is sound" in run("check", "--gallery", "g.sqlite").out


def test_the_threshold_is_changed(run, gallery):
    assert run("threshold", "0.7", "--gallery", "g.sqlite", "--margin", "0.05").code == 0
    assert "0.70" in run("list", "--gallery", "g.sqlite").out
    answer = run("threshold", "7", "--gallery", "g.sqlite")
    assert (answer.code, "threshold is a cosine" in answer.err) == (2, True)


def test_a_key_is_written_once(run, tmp_path):
    pytest.importorskip("cryptography")
    assert run("key", "gate.key").code == 0
    answer = run("key", "gate.key")
    assert (answer.code, "exists already" in answer.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("list", "--gallery", "nowhere.sqlite"), "There is no gallery nowhere.sqlite"),
        (("list",), "--gallery"),
        (("remove", "Adda", "--gallery", "g.sqlite"), "Did you mean 'Ada'"),
        (("list", "--gallery", "g.sqlite", "--key-file", "nowhere"), "key file nowhere cannot be read"),
        (("watch", "--gallery", "g.sqlite"), "Name photos, folders or a video, or --camera N"),
        (
            ("watch", "a.jpg", "--camera", "0", "--gallery", "g.sqlite"),
            "Name photos, folders or a video, or --camera N",
        ),
        (("enrol", "Ada", "nowhere.jpg", "--gallery", "g.sqlite"), "There is no photo nowhere.jpg"),
        (("enrol", "Ada", ".", "--gallery", "g.sqlite"), "holds no photo"),
        (
            ("enrol", "Ada", "g.sqlite", "--threshold", "0.4", "--gallery", "g.sqlite"),
            "--threshold is for a new gallery",
        ),
        (("enroll",), "No such command"),
    ],
)
def test_what_is_wrong_is_told(run, gallery, words, message):
    answer = run(*words)
    assert answer.code == 2
    assert message in answer.err
    assert "Traceback" not in answer.err


def test_help_says_what_a_door_cannot_do(run):
    for answer in (run(), run("--help")):
        assert answer.code == 0
        assert "no liveness detection" in " ".join(answer.out.split())
    assert "--key-file" in run("enrol", "--help").out


def test_enrolled_recognised_removed_refused(run, data_folder, tmp_path):
    from longspan.datasets import unpack

    unpack(data_folder / "lfw_faces_half.tar.gz", tmp_path / "pack")
    people = [
        each for each in sorted((tmp_path / "pack" / "lfw_faces" / "images").iterdir()) if len([*each.iterdir()]) > 3
    ][:2]
    for person, name in zip(people, ("ada", "alan"), strict=True):
        (tmp_path / name).mkdir()
        for number, photo in enumerate(sorted(person.iterdir())[:4]):
            image = PILImage.new("RGB", (260, 240), (120, 125, 130))
            image.paste(PILImage.open(photo), (70, 60))
            image.save(tmp_path / name / f"{number}.png")
    answer = run("enrol", "Ada", "ada/0.png", "ada/1.png", "ada/2.png", "--gallery", "g.sqlite", "--threshold", "0.4")
    assert (answer.code, answer.err) == (0, ""), answer
    assert "enrolled  Ada, " in answer.out
    answer = run("watch", "ada/3.png", "alan/3.png", "--gallery", "g.sqlite")
    assert answer.code == 0
    assert "ada/3.png  open for Ada: similarity" in answer.out
    assert "alan/3.png  closed: nobody enrolled is similar enough" in answer.out
    answer = run("enrol", "Lovelace", "ada/3.png", "--gallery", "g.sqlite")
    assert (answer.code, "the same person under two names" in answer.err) == (2, True)
    assert run("enrol", "Ada", "ada/3.png", "--update", "--gallery", "g.sqlite").code == 0
    assert run("remove", "Ada", "--gallery", "g.sqlite").code == 0
    answer = run("watch", "ada", "--gallery", "g.sqlite", "--json")
    assert [json.loads(line)["open"] for line in answer.out.splitlines()] == [False] * 4
    PILImage.new("RGB", (200, 200)).save(tmp_path / "black.png")
    answer = run("enrol", "Nobody", "black.png", "--gallery", "g.sqlite")
    assert answer.code == 2
    assert "shows no face" in answer.out
    assert "None of the 1 photos of 'Nobody' can be enrolled" in answer.err
    assert "g.sqlite" in os.listdir(tmp_path)

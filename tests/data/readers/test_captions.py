import json

import numpy as np
import pytest
from PIL import Image as PillowImage

import longspan as ls
from longspan.errors import DataError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.jpg"):
        PillowImage.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "photos" / name)
    return tmp_path


def test_lines_as_flickr8k_writes_them(folder):
    text = "a.jpg#0\tA dog runs .\na.jpg#1\tDer Hund läuft\n\nb.jpg#0\tA שלום e\N{COMBINING ACUTE ACCENT} cat\n"
    (folder / "captions.txt").write_text(text, "utf-8")
    table = ls.Table.from_captions(folder / "captions.txt", root=folder / "photos")
    assert table.frame["image"].to_list() == ["a.jpg", "a.jpg", "b.jpg"]
    assert table["caption"][2] == "A שלום e\N{COMBINING ACUTE ACCENT} cat"  # kept exactly
    assert [table.columns[name].kind for name in ("image", "caption")] == ["image", "text"]


def test_annotations_as_coco_writes_them(folder):
    content = {
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 9, "file_name": "b.jpg"}],
        "annotations": [{"image_id": 9, "caption": " A cat."}, {"image_id": 7, "caption": "A dog."}],
    }
    (folder / "photos/captions.json").write_text(json.dumps(content))
    table = ls.Table.from_captions(folder / "photos/captions.json")
    assert table.frame.select("image", "caption").rows() == [("b.jpg", "A cat."), ("a.jpg", "A dog.")]


def test_images_that_are_not_there_are_named_or_left_out(folder):
    (folder / "captions.txt").write_text("a.jpg#0\tA dog.\nlost.jpg#0\tA cat.\n../a.jpg#0\tA cow.\nb.jpg\t \n")
    with pytest.raises(DataError) as error:
        ls.Table.from_captions(folder / "captions.txt", root=folder / "photos")
    for words in ("3 captions cannot be used; 1 of 3 images are not there", "line 2: there is no image", "lost.jpg",
                  "line 3: '../a.jpg' leads out of", "line 4: the caption of b.jpg is empty"):  # fmt: skip
        assert words in str(error.value)
    told = []
    table = ls.Table.from_captions(folder / "captions.txt", root=folder / "photos", on_error="skip", tell=told.append)
    assert table["caption"] == ["A dog."]
    assert "3 of 4 captions were left out" in told[0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("c.txt", b"a.jpg A dog\n", "line 1: no tab between image and caption in 'a.jpg A dog'"),
        ("c.txt", b"a.jpg\tA \xff dog\n", "UTF-8"), ("c.txt", b"\n", "holds no caption"),
        ("c.json", b"[1, 2]", "does not hold captions as COCO writes them"), ("c.json", b"{", "does not hold captions"),
        ("c.json", b'{"images": [], "annotations": [{"image_id": 3, "caption": "x"}]}', "image 3, which the file"),
        ("gone.txt", None, "gone.txt"),
    ],
)  # fmt: skip
def test_files_that_hold_no_captions_are_refused(name, content, words, folder):
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        ls.Table.from_captions(folder / name, root=folder / "photos")

import os
from pathlib import Path

import pytest

from longspan.data.annotations.files import ImageFiles, files_below, inside, read_list, read_text
from longspan.errors import DataError


@pytest.mark.parametrize("name", ["../a.png", "b/../../a.png", "/etc/passwd", "C:\\a.png", "..\\a.png", "c:/a.png"])
def test_paths_that_lead_out_of_the_folder_are_refused(name):
    with pytest.raises(ValueError, match="leads out of the images' folder"):
        inside(name)


@pytest.mark.parametrize("name", [None, 3, "", "  ", "a\0b", ["a.png"]])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match="is not a file name"):
        inside(name)


def test_backslashes_are_slashes():
    assert inside("b\\a.png").as_posix() == "b/a.png"


def test_images_are_found_by_path_and_stem(tmp_path, image):
    for name in ("b/a.png", "a.png", "a.jpg", ".hidden.png", "B.PNG"):
        image(name)
    (tmp_path / "images" / "notes.txt").write_text("x")
    images = ImageFiles(tmp_path / "images")
    assert images.paths == ["B.PNG", "a.jpg", "a.png", "b/a.png"]
    assert images.by_stem["a"] == ["a.jpg", "a.png"]
    assert images.find("b/a.png") == "b/a.png"
    assert images.size_px("b/a.png") == (20, 30)
    with pytest.raises(ValueError, match=r"the image 'c.png' is not in"):
        images.find("c.png")
    with pytest.raises(ValueError, match="is not in"):
        images.find("a" * 5000)


def test_sizes_are_those_of_the_upright_image(tmp_path):
    from PIL import Image as PILImage

    exif = PILImage.Exif()
    exif[0x0112] = 6
    PILImage.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert ImageFiles(tmp_path).size_px("a.jpg") == (30, 20)


def test_a_list_names_images_with_or_without_ending(tmp_path, image):
    for name in ("a.png", "b.png", "c d.png", "e.png", "e.jpg"):
        image(name)
    images = ImageFiles(tmp_path / "images")
    assert images.only(["b", "a.png", "b"]) == ["b.png", "a.png"]
    (tmp_path / "list.txt").write_text("# names\nc d\n\na  1\n")
    assert images.only(tmp_path / "list.txt") == ["c d.png", "a.png"]
    with pytest.raises(DataError, match=r"2 names on the list do not match exactly one image below .*'x', 'e'"):
        images.only(["x", "e"])


def test_text_is_read_without_its_byte_order_mark_and_of_bounded_size(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfcat\n")
    assert read_text(path, limit_bytes=100) == "cat\n"
    with pytest.raises(ValueError, match="has 7 bytes; this cannot be an annotation file, which has at most 5"):
        read_text(path, limit_bytes=5)
    path.write_bytes(b"cat\nM\xfcsli\n")
    with pytest.raises(ValueError, match="line 2: byte 0xfc is not UTF-8"):
        read_text(path, limit_bytes=100)
    with pytest.raises(ValueError, match="does not exist"):
        read_text(tmp_path / "gone.txt", limit_bytes=100)
    with pytest.raises(ValueError, match="this is a folder"):
        read_text(tmp_path, limit_bytes=100)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_no_file_and_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(ValueError, match="does not exist"):
        read_text(tmp_path / "pipe.txt", limit_bytes=100)


def test_folders_that_hold_nothing(tmp_path):
    (tmp_path / "a.txt").write_text("# only a comment\n")
    with pytest.raises(DataError, match="lists no image"):
        read_list(tmp_path / "a.txt")
    with pytest.raises(DataError, match="holds no images"):
        _ = ImageFiles(tmp_path).paths
    with pytest.raises(DataError, match="does not exist; pass the folder that holds the images"):
        ImageFiles(tmp_path / "gone")
    with pytest.raises(DataError, match="is a file"):
        ImageFiles(tmp_path / "a.txt")
    assert files_below(Path(tmp_path), (".txt",)) == ["a.txt"]


def test_links_to_folders_are_followed_but_not_back_to_a_folder_above(tmp_path):
    for name in ("elsewhere/cat/a.png", "data/dog/b.png", "data/.git/c.png", "data/__MACOSX/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "data/cat").symlink_to(tmp_path / "elsewhere/cat")
    (tmp_path / "data/dog/back").symlink_to(tmp_path / "data")
    assert files_below(tmp_path / "data", [".png"]) == ["cat/a.png", "dog/b.png"]

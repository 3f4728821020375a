import pytest

from longspan.errors import DataError
from longspan.storage.file_names import FileFinder, check_file_names, readable_name

LATIN = b"caf\xe9/1.png".decode("utf-8", "surrogateescape")


def test_bytes_that_are_not_utf8_become_readable():
    assert readable_name(LATIN) == "caf\\xe9/1.png"
    assert readable_name("café/猫.png") == "café/猫.png"


def test_such_names_are_refused_all_at_once():
    check_file_names(["café/猫.png"])
    with pytest.raises(DataError, match="2 file names are not UTF-8") as caught:
        check_file_names([LATIN, "a.png", LATIN + "x"])
    assert [fault.where for fault in caught.value.faults] == ["caf\\xe9/1.png", "caf\\xe9/1.pngx"]


def test_a_file_of_just_this_name_goes_before_one_that_is_alike(tmp_path):
    (tmp_path / "S\u00e9rie").mkdir()
    for name in ("a.JPG", "a.jpg"):
        (tmp_path / "S\u00e9rie" / name).touch()
    finder = FileFinder(tmp_path)
    assert finder.find("S\u00e9rie/a.jpg") == "S\u00e9rie/a.jpg"
    assert finder.find("Se\u0301rie\\a.JPG") == "S\u00e9rie/a.JPG"
    assert finder.find("S\u00e9rie/b.jpg") is None
    assert finder.find("nowhere/a.jpg") is None
    assert finder.find(str(tmp_path / "Se\u0301rie" / "a.jpg")) == str(tmp_path / "S\u00e9rie" / "a.jpg")
    with pytest.raises(ValueError, match=r"'a\.JPG' or 'a\.jpg'"):
        finder.find("S\u00e9rie/a.Jpg")

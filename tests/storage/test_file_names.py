import pytest

from longspan.errors import DataError
from longspan.storage.file_names import check_file_names, readable_name

LATIN = b"caf\xe9/1.png".decode("utf-8", "surrogateescape")


def test_bytes_that_are_not_utf8_become_readable():
    assert readable_name(LATIN) == "caf\\xe9/1.png"
    assert readable_name("café/猫.png") == "café/猫.png"


def test_such_names_are_refused_all_at_once():
    check_file_names(["café/猫.png"])
    with pytest.raises(DataError, match="2 file names are not UTF-8") as caught:
        check_file_names([LATIN, "a.png", LATIN + "x"])
    assert [fault.where for fault in caught.value.faults] == ["caf\\xe9/1.png", "caf\\xe9/1.pngx"]

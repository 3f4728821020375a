import gzip
import importlib
import io
import stat
import tarfile
import zipfile
from typing import Any

import pytest

from longspan.datasets import unpack
from longspan.errors import ArchiveError


def _tar(path, members, mode: Any = "w:gz"):
    """`members`: (name, bytes) for files, (name, (type, linkname)) for anything else."""
    with tarfile.open(path, mode) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                tar.addfile(info)
    return path


def _zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return path


def _tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _row_errors(tmp_path, archive, message, **options):
    before = {path for path in tmp_path.rglob("*")}
    with pytest.raises(ArchiveError, match=message):
        unpack(archive, tmp_path / "inner" / "out", **options)
    left = {path for path in tmp_path.rglob("*")} - before - {tmp_path / "inner"}
    assert left == set()


CONTENT = [("a/one.txt", b"1"), ("a/b/two.bin", b"\0" * 3000), ("./three", b"3")]


@pytest.mark.parametrize(
    ("name", "mode"), [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tgz", "w:gz"), ("x.tar.xz", "w:xz")]
)
def test_tar_comes_out_whole(tmp_path, name, mode):
    target = unpack(_tar(tmp_path / name, CONTENT, mode), tmp_path / "out")
    assert _tree(target) == {"a/one.txt": b"1", "a/b/two.bin": b"\0" * 3000, "three": b"3"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", name]


def test_zip_and_gz_come_out_whole_and_other_files_are_copied(tmp_path):
    assert _tree(unpack(_zip(tmp_path / "x.zip", CONTENT[:2]), tmp_path / "z"))["a/one.txt"] == b"1"
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(b"a,b"))
    assert _tree(unpack(tmp_path / "rows.csv.gz", tmp_path / "g")) == {"rows.csv": b"a,b"}
    (tmp_path / "arrays.npz").write_bytes(b"PK as it is")
    assert _tree(unpack(tmp_path / "arrays.npz", tmp_path / "n")) == {"arrays.npz": b"PK as it is"}


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "\\evil", "C:\\evil", "a\\..\\..\\evil"])
def test_paths_that_leave_the_target_are_refused(tmp_path, name):
    for make, suffix in ((_tar, ".tar.gz"), (_zip, ".zip")):
        archive = make(tmp_path / f"x{suffix}", [("good", b"1"), (name, b"evil")])
        _row_errors(tmp_path, archive, r"could write outside")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("to", ["../outside", "/etc/passwd", "a/../../outside", "..", "..\\outside"])
def test_links_that_leave_the_target_are_refused(tmp_path, kind, to):
    (tmp_path / "outside").write_text("secret")
    _row_errors(tmp_path, _tar(tmp_path / "x.tar", [("link", (kind, to))], "w"), "link")


def test_a_folder_link_cannot_be_written_through(tmp_path):
    members = [("dir", (tarfile.SYMTYPE, ".")), ("dir/x", b"1")]
    _row_errors(tmp_path, _tar(tmp_path / "x.tar", members, "w"), "not a file that stands before it")


def test_links_inside_become_copies(tmp_path):
    members = [("a/one", b"1"), ("a/soft", (tarfile.SYMTYPE, "../a/one")), ("hard", (tarfile.LNKTYPE, "a/one"))]
    target = unpack(_tar(tmp_path / "x.tar", members, "w"), tmp_path / "out")
    assert _tree(target) == {"a/one": b"1", "a/soft": b"1", "hard": b"1"}
    assert not (target / "a/soft").is_symlink()
    assert (target / "hard").stat().st_nlink == 1


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_devices_are_refused(tmp_path, kind):
    _row_errors(tmp_path, _tar(tmp_path / "x.tar", [("null", (kind, ""))], "w"), "'null' is a device or pipe")


def test_a_zipped_link_is_refused(tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    _row_errors(tmp_path, _zip(tmp_path / "x.zip", [(info, "/etc/passwd")]), "'link' is a link or device")


def test_bombs_are_stopped_by_what_comes_out(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("longspan.datasets.fetching.unpack"), "_RATIO_FROM", 2_000_000)
    bomb = _zip(tmp_path / "x.zip", [("zeros", b"\0" * 4_000_000)])
    _row_errors(tmp_path, bomb, r"'zeros': unpacks to more than 1,000,000 bytes", max_bytes=1_000_000)
    (tmp_path / "y.gz").write_bytes(gzip.compress(b"\0" * 5_000_000, 1))
    _row_errors(tmp_path, tmp_path / "y.gz", r"unpacks to more than 2,", max_ratio=100)
    many = _tar(tmp_path / "z.tar", [(f"f{i}", b"") for i in range(20)], "w")
    _row_errors(tmp_path, many, "more than 10 files", max_files=10)


def test_a_broken_header_in_the_middle_is_not_taken_for_the_end(tmp_path):
    archive = _tar(tmp_path / "x.tar", [("a", b"1"), ("b", b"2"), ("c", b"3")], "w")
    content = bytearray(archive.read_bytes())
    content[1024:1030] = b"broken"
    archive.write_bytes(content)
    _row_errors(tmp_path, archive, "header is broken")


@pytest.mark.parametrize(("make", "name"), [(_tar, "x.tar.gz"), (_zip, "x.zip")])
def test_an_archive_cut_short_leaves_nothing(tmp_path, make, name):
    whole = make(tmp_path / name, [("a", bytes(range(256)) * 400), ("b", b"1")]).read_bytes()
    for keep in (0, 1, len(whole) // 2, len(whole) - 9):
        (tmp_path / name).write_bytes(whole[:keep])
        _row_errors(tmp_path, tmp_path / name, "damaged or cut short")


def test_what_is_no_archive_is_named(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"<html>not found</html>")
    _row_errors(tmp_path, tmp_path / "x.zip", r"x\.zip is damaged")
    _row_errors(tmp_path, tmp_path / "none.zip", r"none\.zip cannot be read")


def test_a_name_that_is_both_file_and_folder_is_refused(tmp_path):
    _row_errors(tmp_path, _tar(tmp_path / "x.tar", [("a", b"1"), ("a/b", b"2")], "w"), "cannot be unpacked")


def test_a_folder_that_is_there_is_not_touched(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ArchiveError, match="exists already"):
        unpack(_tar(tmp_path / "x.tar", CONTENT, "w"), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_hundreds_of_megabytes_is_refused_before_it_is_read(tmp_path, kind):
    header = tarfile.TarInfo("long")
    header.type, header.size = kind, 200_000_000
    with gzip.open(tmp_path / "x.tar.gz", "wb", compresslevel=1) as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT) + bytes(1_000_000))
    _row_errors(tmp_path, tmp_path / "x.tar.gz", "header of 200,000,256 bytes|header of 200,000,512 bytes|header of")


def test_a_small_archive_of_very_many_files_is_refused_unless_it_is_asked_for(tmp_path):
    archive = _tar(tmp_path / "x.tar.xz", [("same", b"")] * 10_001, "w:xz")
    assert archive.stat().st_size < 80_000
    _row_errors(tmp_path, archive, "more than 10,000 files")
    assert len(list(unpack(archive, tmp_path / "out", max_files=20_000).iterdir())) == 1


def test_a_member_without_a_name_is_refused(tmp_path):
    whole = _zip(tmp_path / "x.zip", [("xx", b"1")]).read_bytes()
    directory = whole.rindex(b"PK\x01\x02")
    nameless = bytearray(whole)
    nameless[directory + 28] = 0  # the length of the name; its two letters become an extra field, which is skipped
    nameless[directory + 30] = 2
    (tmp_path / "x.zip").write_bytes(nameless)
    _row_errors(tmp_path, tmp_path / "x.zip", "member without a name|damaged|cannot be unpacked")
    _row_errors(tmp_path, _tar(tmp_path / "x.tar", [("", b"1")], "w"), "member without a name|damaged")

import dataclasses
import gzip
import hashlib

import pytest

from longspan.datasets import RemoteFile, Source, load
from longspan.datasets.fetching.integrity import check_file, check_layout, contents_digest
from longspan.errors import ChecksumError

CONTENT = bytes(range(256)) * 8192  # two MiB


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file.bin").write_bytes(CONTENT)
    return tmp_path / "file.bin"


def file(**record):
    return RemoteFile(**({"path": "file.bin", "size": len(CONTENT)} | record))


def test_whatever_is_on_record_is_checked(path):
    right = {
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "sha1": hashlib.sha1(CONTENT).hexdigest(),
        "md5": hashlib.md5(CONTENT).hexdigest(),
        "head_md5": hashlib.md5(CONTENT[: 1 << 20]).hexdigest(),
    }
    check_file(file(**right), path, "there")
    words = {"sha256": "SHA-256", "sha1": "SHA-1", "md5": "MD5", "head_md5": "MD5 of its first MiB"}
    for name, word in words.items():
        with pytest.raises(ChecksumError, match=f"^there has the {word} {right[name]}, but 00"):
            check_file(file(**(right | {name: "00"})), path, "there")


def test_the_size_is_checked_unless_it_is_an_estimate(path):
    with pytest.raises(ChecksumError, match="2,097,152 bytes, but 5 are on record"):
        check_file(file(size=5), path, "there")
    check_file(file(size=5, exact=False), path, "there")
    with pytest.raises(ChecksumError, match="cut short"):
        check_file(file(size=1 << 30), path, "there")


def test_a_web_page_is_recognised(path):
    path.write_bytes(b"<!DOCTYPE html><html>Sign in</html>")
    with pytest.raises(ChecksumError, match="a web page"):
        check_file(file(), path, "there")


def test_checksums_of_what_a_gzip_wrapper_holds(path):
    path.write_bytes(gzip.compress(CONTENT, 1))
    packed = file(sha256=hashlib.sha256(CONTENT).hexdigest(), of_content=True)
    check_file(packed, path, "there")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ChecksumError, match="cut short"):
        check_file(packed, path, "there")


def test_what_is_checked_is_told():
    assert file(exact=False).checked_by == ""
    counted = Source(files=(), load=lambda _: load("digits"), layout=(("*/a/*.jpg", 2),))
    assert counted.checked_by == "the number of */a/*.jpg"
    compared = dataclasses.replace(counted, contents=(("*/a/*.jpg", "00"),))
    assert compared.checked_by == "the contents of */a/*.jpg; the number of */a/*.jpg"
    assert file(head_md5="00").checked_by == "size, MD5 of the first MiB"
    assert file(exact=False, sha256="00").checked_by == "SHA-256"


def test_the_number_of_files_is_checked(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").touch()
    source = Source(files=(), load=lambda _: load("digits"), layout=(("images/*.jpg", 2), ("images/*.png", 0)))
    with pytest.raises(ChecksumError, match=r"set\.zip does not hold.*images/\*\.jpg: 1 files, 2 expected"):
        check_layout(source, tmp_path, "set.zip")
    (tmp_path / "images/b.jpg").touch()
    check_layout(source, tmp_path, "set.zip")


def test_what_is_in_the_files_is_checked_whatever_their_archive_is_called(tmp_path):
    for name in ("repo-1.0", "repo-5d8"):
        (tmp_path / name / "b c").mkdir(parents=True)
        (tmp_path / name / "b c" / "2.wav").write_bytes(b"two")
        (tmp_path / name / "b c" / "10.wav").write_bytes(b"ten")
        (tmp_path / name / "README.md").write_text(name)
    # md5sum 'b c/10.wav' 'b c/2.wav' | sha256sum
    digest = "176a49122c6567ef6d5d2bfa7f4fc16ece508b5153b36f86c45503836d8d1f4a"
    assert contents_digest(tmp_path, "repo-1.0/*/*.wav") == contents_digest(tmp_path, "repo-5d8/*/*.wav") == digest
    source = Source(files=(), load=lambda _: load("digits"), contents=(("repo-1.0/*/*.wav", digest),))
    check_layout(source, tmp_path, "set.zip")
    (tmp_path / "repo-1.0" / "b c" / "2.wav").write_bytes(b"to")
    with pytest.raises(
        ChecksumError, match=rf"set\.zip: the files repo-1\.0/\*/\*\.wav have the digest .*, but {digest}"
    ):
        check_layout(source, tmp_path, "set.zip")

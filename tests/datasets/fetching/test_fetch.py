import dataclasses
import gzip
import hashlib
import logging
import threading
from pathlib import Path

import pytest

from longspan import datasets
from longspan.datasets import Source
from longspan.datasets.fetching.fetch import fetch_dataset, where
from longspan.datasets.registry import DATASETS
from longspan.errors import ArchiveError, ChecksumError, FetchError


@pytest.fixture
def archive(places, kit):
    """The archive of the set, in the folder of LONGSPAN_DATA."""
    content = kit.tar_gz({"set/rows.txt": b"1 2 3"})
    (places / "mirror" / "set.tar.gz").write_bytes(content)
    return content


def test_a_mirror_folder_is_read_once_and_never_written(places, archive, kit, monkeypatch):
    data = kit.one_file_set(archive)
    assert where(data) == ("LONGSPAN_DATA", data.sources[0])
    folder = fetch_dataset(data).folder
    assert (folder / "set/rows.txt").read_bytes() == b"1 2 3"
    assert [path.name for path in (places / "mirror").iterdir()] == ["set.tar.gz"]
    monkeypatch.delenv("LONGSPAN_DATA")
    assert fetch_dataset(data).folder == folder
    assert where(data) == ("cache", data.sources[0])
    assert kit.left_in_cache(places) == [folder.name]


def test_no_network_and_no_mirror_lists_what_was_tried(places, kit):
    data = kit.one_file_set(b"x" * 1234567, urls=(kit.NOWHERE + "set.tar.gz",))
    assert where(data) is None
    with pytest.raises(FetchError) as error:
        fetch_dataset(data)
    message = str(error.value)
    assert f"{places / 'mirror' / 'set.tar.gz'}: not there" in message
    assert "http://127.0.0.1:9/set.tar.gz: the connection was refused" in message
    assert "LONGSPAN_DATA: set.tar.gz (1.2 MB)" in message
    assert "https://example.org/set" in message
    assert [name for name in kit.left_in_cache(places) if not name.startswith(".")] == []


def test_without_a_public_address_the_message_says_so(places, kit, monkeypatch):
    monkeypatch.delenv("LONGSPAN_DATA")
    with pytest.raises(FetchError, match=r"LONGSPAN_DATA: not set\n.*there is none for this copy"):
        fetch_dataset(kit.one_file_set(b"x"))


def test_another_file_under_the_name_is_refused(places, archive, kit):
    with pytest.raises(ChecksumError, match=r"set\.tar\.gz has the SHA-256 .* but 00"):
        fetch_dataset(kit.one_file_set(archive, sha256="00" * 32))
    assert kit.left_in_cache(places) == []


def test_a_gzip_wrapper_may_differ_but_not_be_cut_short(places, kit):
    path = places / "mirror" / "x-ubyte.gz"
    path.write_bytes(gzip.compress(b"idx" * 1000, 1, mtime=7))
    sha256 = hashlib.sha256(b"idx" * 1000).hexdigest()
    data = kit.one_file_set(b"", path="x-ubyte.gz", size=99, sha256=sha256, of_content=True)
    folder = fetch_dataset(data).folder
    assert (folder / "x-ubyte.gz").read_bytes() == path.read_bytes()
    path.write_bytes(path.read_bytes()[:-4])
    (folder / "x-ubyte.gz").unlink()
    folder.rmdir()
    with pytest.raises(ChecksumError, match="cut short"):
        fetch_dataset(data)


def test_a_mirror_may_be_an_address(places, archive, kit, server, monkeypatch):
    monkeypatch.setenv("LONGSPAN_DATA", server.url)
    server.files["set.tar.gz"] = archive
    assert (fetch_dataset(kit.one_file_set(archive)).folder / "set/rows.txt").read_bytes() == b"1 2 3"


def test_a_file_in_the_mirror_is_not_downloaded_again(places, archive, kit, server):
    (data,) = (kit.one_file_set(archive, urls=(server.url + "set.tar.gz",)),)
    more = dataclasses.replace(
        data.files[0], path="more.txt", size=3, sha256=hashlib.sha256(b"abc").hexdigest(), urls=(server.url + "more",)
    )
    source = dataclasses.replace(data.sources[0], files=(data.files[0], more))
    server.files["more"] = b"abc"
    folder = fetch_dataset(dataclasses.replace(data, sources=(source,))).folder
    assert (folder / "more.txt").read_bytes() == b"abc"
    assert [path for path, _ in server.requests] == ["more"]


def test_a_server_that_never_stops_sending_is_cut_off(places, kit, server, monkeypatch):
    server.files["long.tar.gz"] = b"\0" * 3_000_000
    monkeypatch.setenv("LONGSPAN_DATA", server.url)
    with pytest.raises(FetchError, match="sends more than twice"):
        fetch_dataset(kit.one_file_set(b"x", path="long.tar.gz", exact=False))


def test_a_cache_that_cannot_be_written_is_named(places, archive, kit, monkeypatch):
    (places / "file").write_text("in the way")
    monkeypatch.setenv("LONGSPAN_CACHE", str(places / "file"))
    with pytest.raises(FetchError, match=r"cannot be written.*LONGSPAN_CACHE"):
        fetch_dataset(kit.one_file_set(archive))


def test_two_threads_fetch_once(places, archive, kit):
    data, folders = kit.one_file_set(archive), []
    threads = [threading.Thread(target=lambda: folders.append(fetch_dataset(data).folder)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(folders)) == 1
    assert len(folders) == 4
    assert kit.left_in_cache(places) == [folders[0].name]


def test_the_lock_file_of_a_dead_process_stops_nobody(places, archive, kit):
    folder = fetch_dataset(kit.one_file_set(archive)).folder
    assert (folder.parent / f".{folder.name}.lock").is_file()
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    folder.rmdir()
    assert fetch_dataset(kit.one_file_set(archive)).folder == folder


def test_archives_of_one_set_may_share_folders_but_not_files(places, kit):
    contents = {
        "a.zip": kit.zipped({"set/images/a.txt": b"a", "__MACOSX/set/._a.txt": b""}),
        "b.tgz": kit.tar_gz({"set/images/b.txt": b"b", "set/c.txt": b"c"}),
    }
    one = kit.one_file_set(b"")
    files = []
    for name, content in contents.items():
        (places / "mirror" / name).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        files.append(dataclasses.replace(one.files[0], path=name, size=len(content), sha256=sha256, into="deep"))
    data = dataclasses.replace(one, sources=(dataclasses.replace(one.sources[0], files=tuple(files)),))
    folder = fetch_dataset(data).folder
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert found == ["deep/set/c.txt", "deep/set/images/a.txt", "deep/set/images/b.txt"]
    twice = dataclasses.replace(one.sources[0], files=(files[0], dataclasses.replace(files[0], into="deep")))
    with pytest.raises(ArchiveError, match=r"a\.txt', which another archive"):
        fetch_dataset(dataclasses.replace(one, sources=(twice,)))


def test_what_is_prepared_is_made_once_and_a_failure_leaves_nothing(places, archive, kit):
    calls = []

    def prepare(folder: Path):
        calls.append(folder)
        (folder / "made.txt").write_text("made")
        if len(calls) == 1:
            raise ArchiveError("not yet")

    data = kit.one_file_set(archive)
    data = dataclasses.replace(data, sources=(dataclasses.replace(data.sources[0], prepare=prepare),))
    with pytest.raises(ArchiveError, match="not yet"):
        fetch_dataset(data)
    assert kit.left_in_cache(places) == []
    assert (fetch_dataset(data).folder / "made.txt").read_text() == "made"
    fetch_dataset(data)
    assert len(calls) == 2


@pytest.fixture
def whole_and_small(places, archive, kit, server):
    """A set at a public address, a smaller one in the folder of LONGSPAN_DATA, and a copy of the whole one in JPEG."""
    copy = dataclasses.replace(kit.one_file_set(archive).sources[0], differs="Stored as JPEG.")
    small = dataclasses.replace(kit.one_file_set(archive, name="set-small"), rows=10)
    content = kit.tar_gz({"set/rows.txt": b"1 2 3 4"})
    server.files["whole.tgz"] = content
    whole = kit.one_file_set(content, path="whole.tgz", urls=(server.url + "whole.tgz",))
    whole = dataclasses.replace(whole, rows=100, small="set-small")
    DATASETS.register()(small)
    yield whole, copy
    DATASETS.unregister("set-small")


def test_the_small_set_stands_in_only_where_that_is_accepted_and_says_so(whole_and_small, kit, server):
    whole, _ = whole_and_small
    told = []
    fetched = fetch_dataset(whole, accept_small=True, tell=told.append)
    assert (fetched.data.name, server.requests) == ("set-small", [])
    assert told[0].startswith("Data set 'set' is not available here: using 'set-small' instead, 10 of 100 rows.")
    assert "longspan datasets set --fetch" in told[0]
    fetched = fetch_dataset(whole, tell=told.append)
    assert (fetched.data.name, len(told), len(server.requests)) == ("set", 1, 1)
    assert fetch_dataset(whole, accept_small=True, tell=told.append).data.name == "set"
    assert len(told) == 1


def test_without_a_network_the_small_set_is_named(whole_and_small, server):
    whole, _ = whole_and_small
    server.files.clear()
    with pytest.raises(FetchError, match=r"Available here is 'set-small', with 10 of its 100 rows\."):
        fetch_dataset(whole)


def test_a_copy_at_hand_comes_before_a_download_and_says_what_differs(whole_and_small, server, caplog):
    whole, copy = whole_and_small
    data = dataclasses.replace(whole, sources=(*whole.sources, copy))
    with caplog.at_level(logging.WARNING, "longspan.datasets"):
        assert fetch_dataset(data).source is copy
        fetch_dataset(data)
    assert [record.message.partition(".")[0] for record in caplog.records] == [
        "Data set 'set': using a copy that differs from the published set"
    ]
    assert server.requests == []
    assert fetch_dataset(data, published_only=True).source is data.sources[0]
    assert fetch_dataset(data).source is data.sources[0]  # now in the cache


def test_a_set_that_needs_no_file_needs_no_cache(places):
    data = datasets.info("digits")
    assert data.sources[0].files == ()
    assert fetch_dataset(data).folder == Path()
    assert not (places / "cache").exists()
    assert isinstance(data.sources[0], Source)

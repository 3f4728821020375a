import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from longspan.datasets.fetching.download import DownloadError, download
from longspan.datasets.fetching.fetch import fetch_dataset
from longspan.datasets.named import RemoteFile
from longspan.errors import ChecksumError, FetchError

CONTENT = os.urandom(300_000)


@pytest.fixture
def file():
    return RemoteFile(path="big.bin", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())


def test_a_file_arrives_whole(server, file, tmp_path):
    server.files["big.bin"] = CONTENT
    download(server.url + "big.bin", tmp_path / "big", file)
    assert (tmp_path / "big").read_bytes() == CONTENT
    assert server.requests == [("big.bin", None)]


def test_a_broken_connection_is_taken_up_where_it_broke(server, file, tmp_path, places):
    server.files["big.bin"] = CONTENT
    server.break_after = [100_000, 50_000]
    download(server.url + "big.bin", tmp_path / "big", file)
    assert (tmp_path / "big").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, "bytes=100000-", "bytes=150000-"]


def test_what_an_earlier_call_brought_is_continued(server, file, tmp_path):
    server.files["big.bin"] = CONTENT
    (tmp_path / "big").write_bytes(CONTENT[:123_456])
    download(server.url + "big.bin", tmp_path / "big", file)
    assert (tmp_path / "big").read_bytes() == CONTENT
    assert server.requests == [("big.bin", "bytes=123456-")]


def test_a_server_without_ranges_sends_all_again(server, file, tmp_path):
    server.files["big.bin"] = CONTENT
    server.ranges = False
    (tmp_path / "big").write_bytes(CONTENT[:1000])
    download(server.url + "big.bin", tmp_path / "big", file)
    assert (tmp_path / "big").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(server, tmp_path, places):
    server.files["big.bin"] = CONTENT
    file = RemoteFile(path="big.bin", size=len(CONTENT), exact=False)
    (tmp_path / "big").write_bytes(b"x" * (len(CONTENT) + 1))
    download(server.url + "big.bin", tmp_path / "big", file)
    assert (tmp_path / "big").read_bytes() == CONTENT


def test_a_complete_part_of_unknown_size_is_kept(server, tmp_path):
    server.files["big.bin"] = CONTENT
    file = RemoteFile(path="big.bin", size=1000, exact=False)
    (tmp_path / "big").write_bytes(CONTENT)
    download(server.url + "big.bin", tmp_path / "big", file)
    assert (tmp_path / "big").read_bytes() == CONTENT


def test_a_server_that_gives_nothing_more_ends_the_attempts(server, file, tmp_path, places):
    server.files["big.bin"] = CONTENT
    server.break_after = [1000, 0, 0, 0, 0, 0]
    with pytest.raises(DownloadError, match="broke after 1,000 of 300,000 bytes"):
        download(server.url + "big.bin", tmp_path / "big", file)
    assert (tmp_path / "big").stat().st_size == 1000


def test_another_size_is_refused_before_anything_is_read(server, file, tmp_path):
    server.files["big.bin"] = CONTENT[:-1]
    with pytest.raises(DownloadError, match="offers 299,999 bytes, but 300,000 are on record"):
        download(server.url + "big.bin", tmp_path / "big", file)


def test_a_web_page_in_place_of_the_file_is_named(server, file, tmp_path):
    server.files["big.bin"] = b"<html>Log in to this network</html>"
    server.content_type = "text/html"
    with pytest.raises(DownloadError, match="a web page"):
        download(server.url + "big.bin", tmp_path / "big", file)


def test_a_missing_file_and_no_server_are_told_apart(server, file, tmp_path, kit):
    with pytest.raises(DownloadError, match="HTTP 404"):
        download(server.url + "nothing.bin", tmp_path / "big", file)
    with pytest.raises(DownloadError, match="refused"):
        download(kit.NOWHERE + "big.bin", tmp_path / "big", file)
    with pytest.raises(DownloadError, match="is there a network"):
        download("http://no-such-host.invalid/big.bin", tmp_path / "big", file)


def test_a_download_that_broke_off_continues_in_the_next_process(places, server, kit):
    content = kit.tar_gz({"set/rows.txt": CONTENT})
    data = kit.one_file_set(content, urls=(server.url + "set.tar.gz",))
    server.files["set.tar.gz"] = content
    server.break_after = [90_000, 0, 0, 0, 0]
    with pytest.raises(FetchError, match=r"set\.tar\.gz: the connection broke after 90,000"):
        fetch_dataset(data)
    assert kit.left_in_cache(places) == [".downloads"]
    server.break_after = []
    server.requests.clear()
    assert (fetch_dataset(data).folder / "set/rows.txt").read_bytes() == CONTENT
    assert server.requests == [("set.tar.gz", "bytes=90000-")]
    assert [name for name in kit.left_in_cache(places) if name.startswith(".")] == []


def test_parts_of_different_files_are_noticed_and_fetched_again(places, server, kit):
    content = kit.tar_gz({"set/rows.txt": CONTENT})
    data = kit.one_file_set(content, urls=(server.url + "set.tar.gz",))
    server.files["set.tar.gz"] = content
    part = places / "cache/datasets/.downloads" / f"set-{data.sources[0].key}" / "set.tar.gz"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)  # of a file that was replaced since
    assert (fetch_dataset(data).folder / "set/rows.txt").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["bytes=1000-", None]


def test_a_wrong_file_at_one_address_leads_to_the_next(places, server, kit):
    content = kit.tar_gz({"set/rows.txt": b"1 2 3"})
    wrong = content[:-1] + b"x"
    server.files |= {"wrong/set.tar.gz": wrong, "set.tar.gz": content}
    urls = (server.url + "wrong/set.tar.gz", server.url + "set.tar.gz")
    assert (fetch_dataset(kit.one_file_set(content, urls=urls)).folder / "set/rows.txt").is_file()
    with pytest.raises(ChecksumError, match=r"wrong/set\.tar\.gz has the SHA-256"):
        fetch_dataset(kit.one_file_set(content, urls=urls[:1], name="other"))


def test_a_full_disk_is_named_before_the_download(places, server, kit, monkeypatch):
    content = kit.tar_gz({"set/rows.txt": CONTENT})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 400_000))
    with pytest.raises(FetchError, match=r"needs about 0\.6 MB \(0\.3 MB to download.*has 0\.4 MB free"):
        fetch_dataset(kit.one_file_set(content, urls=(server.url + "set.tar.gz",)))
    assert server.requests == []


def test_a_disk_that_fills_up_meanwhile_is_named_and_the_part_is_kept(places, server, kit, monkeypatch):
    content = kit.tar_gz({"set/rows.txt": CONTENT})
    server.files["set.tar.gz"] = content
    real = Path.open

    def full(self, mode="r", *args, **kwargs):
        if self.name == "set.tar.gz" and "b" in mode and "r" not in mode:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(FetchError, match=r"is full.*LONGSPAN_CACHE"):
        fetch_dataset(kit.one_file_set(content, urls=(server.url + "set.tar.gz",)))


def test_progress_is_a_line_where_there_is_no_terminal(server, tmp_path, capsys):
    content = b"\0" * 2_000_000
    server.files["big.bin"] = content
    file = RemoteFile(path="big.bin", size=len(content))
    (tmp_path / "big").write_bytes(content[:500_000])
    download(server.url + "big.bin", tmp_path / "big", file)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Downloading big.bin (2.0 MB)"
    assert lines[1] == "Resuming big.bin at 0.5 MB"
    assert lines[2].startswith("Downloaded big.bin: 2.0 MB in ")
    download(server.url + "big.bin", tmp_path / "quiet", file, progress=False)
    assert capsys.readouterr().err == ""

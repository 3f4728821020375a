import gzip
import hashlib
import io
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from longspan import datasets
from longspan.datasets import NamedData, RemoteFile
from longspan.datasets.fetch import fetch_data
from longspan.errors import ChecksumError, FetchError, UnknownNameError

NOWHERE = "http://127.0.0.1:9/"  # the discard port: refused at once


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty cache, and a mirror with one archive."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    with tarfile.open(mirror / "set.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("set/rows.txt")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"1 2 3"))
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LONGSPAN_DATA", str(mirror))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _data(places, *, sha256=None, url=None, path="set.tar.gz", of_content=False):
    content = (places / "mirror" / "set.tar.gz").read_bytes()
    sha256 = sha256 or hashlib.sha256(content).hexdigest()
    file = RemoteFile(path=path, size=len(content), sha256=sha256, url=url, of_content=of_content)
    return NamedData(
        name="set",
        title="",
        rows=1,
        task="",
        licence="",
        home="https://example.org/set",
        files=(file,),
        load=lambda _: datasets.load("digits"),
    )


def _left_in_cache(places):
    folder = places / "cache" / "datasets"
    return [path.name for path in folder.iterdir() if not path.name.endswith(".lock")] if folder.exists() else []


def test_a_mirror_folder_is_read_once_and_never_written(places, monkeypatch):
    before = {path.name: path.read_bytes() for path in (places / "mirror").iterdir()}
    folder = fetch_data(_data(places))
    assert (folder / "set/rows.txt").read_bytes() == b"1 2 3"
    assert {path.name: path.read_bytes() for path in (places / "mirror").iterdir()} == before
    data = _data(places)
    monkeypatch.delenv("LONGSPAN_DATA")
    assert fetch_data(data) == folder
    assert _left_in_cache(places) == [folder.name]


def test_no_network_and_no_mirror_lists_what_was_tried(places, monkeypatch):
    data = _data(places, url=NOWHERE + "set.tar.gz")
    monkeypatch.setenv("LONGSPAN_DATA", str(places / "empty"))
    with pytest.raises(FetchError) as error:
        fetch_data(data)
    message = str(error.value)
    assert f"{places / 'empty' / 'set.tar.gz'}: not there" in message
    assert "http://127.0.0.1:9/set.tar.gz: " in message
    assert "LONGSPAN_DATA" in message
    assert "https://example.org/set" in message
    assert _left_in_cache(places) == []


def test_without_a_public_address_the_message_says_so(places, monkeypatch):
    data = _data(places)
    monkeypatch.delenv("LONGSPAN_DATA")
    with pytest.raises(FetchError, match=r"LONGSPAN_DATA: not set\n.*none on record"):
        fetch_data(data)


def test_another_file_under_the_name_is_refused(places):
    with pytest.raises(ChecksumError, match=r"set\.tar\.gz has sha256 .* but 00"):
        fetch_data(_data(places, sha256="00" * 32))
    assert _left_in_cache(places) == []


def test_a_gzip_wrapper_may_differ_but_not_be_cut_short(places):
    path = places / "mirror" / "x-ubyte.gz"
    path.write_bytes(gzip.compress(b"idx" * 1000, 1, mtime=7))
    data = _data(places, path="x-ubyte.gz", sha256=hashlib.sha256(b"idx" * 1000).hexdigest(), of_content=True)
    folder = fetch_data(data)
    assert (folder / "x-ubyte.gz").read_bytes() == path.read_bytes()
    path.write_bytes(path.read_bytes()[:-4])
    (folder / "x-ubyte.gz").unlink()
    folder.rmdir()
    with pytest.raises(ChecksumError, match="cut short"):
        fetch_data(data)


@pytest.fixture
def server(places):
    class _Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(places / "mirror"))

        def log_message(self, format, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), _Quiet) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_a_mirror_may_be_an_address(places, server, monkeypatch):
    monkeypatch.setenv("LONGSPAN_DATA", server + "/")
    assert (fetch_data(_data(places)) / "set/rows.txt").read_bytes() == b"1 2 3"


def test_the_public_address_comes_last(places, server, monkeypatch):
    data = _data(places, url=f"{server}/set.tar.gz")
    monkeypatch.setenv("LONGSPAN_DATA", str(places / "empty"))
    assert (fetch_data(data) / "set/rows.txt").is_file()


def test_a_server_that_never_stops_sending_is_cut_off(places, server, monkeypatch):
    data = _data(places, path="long.tar.gz")
    (places / "mirror" / "long.tar.gz").write_bytes(b"\0" * 3_000_000)
    monkeypatch.setenv("LONGSPAN_DATA", server)
    with pytest.raises(FetchError, match="sends more than"):
        fetch_data(data)
    assert _left_in_cache(places) == []


def test_a_cache_that_cannot_be_written_is_named(places, monkeypatch):
    (places / "file").write_text("in the way")
    monkeypatch.setenv("LONGSPAN_CACHE", str(places / "file"))
    with pytest.raises(FetchError, match="LONGSPAN_CACHE"):
        fetch_data(_data(places))


def test_two_threads_fetch_once(places):
    data, folders = _data(places), []
    threads = [threading.Thread(target=lambda: folders.append(fetch_data(data))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(folders)) == 1
    assert len(folders) == 4
    assert _left_in_cache(places) == [folders[0].name]


def test_the_lock_file_of_a_dead_process_stops_nobody(places):
    folder = fetch_data(_data(places))
    assert (folder.parent / f".{folder.name}.lock").is_file()
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    folder.rmdir()
    assert fetch_data(_data(places)) == folder


def test_names_and_their_records():
    assert datasets.names() == [
        "digits",
        "mnist",
        "cifar10",
        "oxford-pets",
        "camvid",
        "penn-fudan",
        "coco128",
        "wider-face-subset",
    ]
    assert datasets.info("mnist").size == 11_266_055
    assert "ossy" in datasets.info("cifar10").note
    with pytest.raises(UnknownNameError, match="Did you mean 'mnist'"):
        datasets.load("mnits")


def test_digits_need_no_network_and_no_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path / "none"))
    monkeypatch.delenv("LONGSPAN_DATA", raising=False)
    table = datasets.load("digits")
    assert len(table) == 1797
    assert table[0]["image"].shape == (8, 8)
    assert (table[0]["digit"], table[0]["image"].max()) == (0, 239)  # 15 of 16 grey levels
    assert not (tmp_path / "none").exists()


def test_mnist_is_the_published_one(data_folder: Path, tmp_path, monkeypatch):
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path))
    table = datasets.load("mnist")
    assert len(table) == 70_000
    assert [table[row]["digit"] for row in (0, 1, 59_999, 60_000, 69_999)] == [5, 0, 8, 7, 6]
    # Published mean grey level of the training part: 0.1307.
    assert abs(table.arrays["image"][:60_000].mean() / 255 - 0.1307) < 5e-5
    assert table.frame["part"].to_list() == ["train"] * 60_000 + ["test"] * 10_000


def test_pets_carry_breed_species_and_official_part(data_folder: Path, tmp_path, monkeypatch):
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path))
    table = datasets.load("oxford-pets")
    assert len(table) == 1029
    assert (table.frame["cat"].sum(), table.frame["breed"].n_unique()) == (542, 37)
    assert table.frame["part"].value_counts(sort=True)["count"].to_list() == [692, 335, 2]
    assert Path(table[0]["image"]).is_file()


@pytest.mark.slow
def test_cifar10_has_ten_kinds_of_six_thousand(data_folder: Path, tmp_path, monkeypatch):
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path))
    table = datasets.load("cifar10")
    counts = table.frame.group_by("part", "label").len()
    assert sorted(counts["len"].to_list()) == [1000] * 10 + [5000] * 10

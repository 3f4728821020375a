import dataclasses
import hashlib
import io
import re
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from longspan.datasets import NamedData, RemoteFile, Source, load
from longspan.datasets.fetching import download as download_module

NOWHERE = "http://127.0.0.1:9/"  # the discard port: refused at once


class LocalServer:
    """Serves files from memory, with byte ranges; breaks connections on request."""

    def __init__(self):
        self.files = {}
        self.requests = []  # (path, the Range header)
        self.break_after = []  # bytes after which the next answers stop, one number per answer
        self.ranges = True
        self.content_type = "application/octet-stream"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, format, *args):
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_port}/"
        threading.Thread(target=self.httpd.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, handler):
        asked = handler.headers.get("Range")
        self.requests.append((handler.path.lstrip("/"), asked))
        content = self.files.get(handler.path.lstrip("/"))
        if content is None:
            handler.send_error(404)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.ranges else 0
        if start and start >= len(content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        body = content[start:]
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Type", self.content_type)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        stop = self.break_after.pop(0) if self.break_after else len(body)
        handler.wfile.write(body[:stop])
        handler.close_connection = True


@pytest.fixture
def server():
    """A server on this machine."""
    local = LocalServer()
    yield local
    local.httpd.shutdown()
    local.httpd.server_close()


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty cache and an empty folder that LONGSPAN_DATA names."""
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LONGSPAN_DATA", str(tmp_path / "mirror"))
    monkeypatch.setattr(download_module, "_PAUSES_S", (0.0, 0.0, 0.0))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def tar_gz(members):
    """A packed tar with files by their names."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zipped(members):
    """A zip with files by their names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def left_in_cache(places):
    """What is in the cache of data sets, without lock files."""
    folder = places / "cache" / "datasets"
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock")) if folder.exists() else []


def one_file_set(content, *, urls=(), name="set", **record):
    """A data set of one file with this content; `record` replaces what is on record about it."""
    values = {"path": "set.tar.gz", "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "urls": urls}
    file = RemoteFile(**(values | record))
    return NamedData(
        name=name,
        title="",
        rows=1,
        task="",
        licence="",
        home="https://example.org/set",
        sources=(Source(files=(file,), load=lambda _: load("digits")),),
    )


def published_at(data, server, contents, layout=None, position=0):
    """`data` with one source, whose files are on the server: sizes and checksums are those of `contents`."""
    source = data.sources[position]
    files = []
    for file in source.files:
        server.files[file.path] = contents[file.path]
        digest = hashlib.sha256(contents[file.path]).hexdigest()
        files.append(
            dataclasses.replace(
                file,
                size=len(contents[file.path]),
                exact=True,
                sha256=digest,
                sha1=None,
                md5=None,
                head_md5=None,
                of_content=False,
                urls=(server.url + file.path,),
            )
        )
    assert layout is None or len(layout) == len(source.layout)
    counts = source.layout if layout is None else tuple((p, n) for (p, _), n in zip(source.layout, layout, strict=True))
    source = dataclasses.replace(source, files=tuple(files), layout=counts, contents=())
    return dataclasses.replace(data, sources=(source,), small=None)


@pytest.fixture
def kit():
    """The helpers of this file: tests are imported by path and cannot import from here."""
    return SimpleNamespace(
        NOWHERE=NOWHERE, tar_gz=tar_gz, zipped=zipped, left_in_cache=left_in_cache, one_file_set=one_file_set,
        published_at=published_at,
    )  # fmt: skip

"""Downloads over HTTP that continue where they stopped."""

from __future__ import annotations

import errno
import http.client
import re
import socket
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import IO

from longspan.datasets.fetching.progress import DownloadProgress
from longspan.datasets.named import RemoteFile

__all__ = ["DownloadError", "download", "explain"]

_CHUNK = 256 * 1024
_TIMEOUT_S = 30
_PAUSES_S = (0.5, 2.0, 5.0)
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_FULL = (errno.ENOSPC, errno.EDQUOT) if hasattr(errno, "EDQUOT") else (errno.ENOSPC,)


class DownloadError(OSError):
    """This address did not give the file; another may."""


def download(url: str, path: Path, file: RemoteFile, *, progress: bool = True) -> None:
    """Write the body of `url` to `path`, after the bytes that are already there.

    A broken connection is taken up again, up to three times in a row without a byte gained. What has arrived stays at
    `path` when this fails, so that the next call continues there.

    Raises:
        DownloadError: the address gives something else, or nothing.
        OSError: the disk is full, or `path` cannot be written.
    """
    failures = 0
    with DownloadProgress(Path(file.path).name, file.size, shown=progress) as shown:
        while True:
            before = path.stat().st_size if path.exists() else 0
            try:
                _continue(url, path, file, shown)
                return
            except DownloadError:
                raise
            except (OSError, http.client.HTTPException, ValueError) as error:
                if isinstance(error, OSError) and error.errno in _FULL:
                    raise
                gained = path.exists() and path.stat().st_size > before
                failures = 0 if gained else failures + 1
                # Without a response at all, trying again at once only makes offline machines wait.
                if failures > len(_PAUSES_S) or not (gained or before):
                    raise DownloadError(explain(error)) from error
                time.sleep(_PAUSES_S[max(failures - 1, 0)])


def _continue(url: str, path: Path, file: RemoteFile, shown: DownloadProgress) -> None:
    """One request: the rest of the file, or all of it if the server cannot start in the middle."""
    have = path.stat().st_size if path.exists() else 0
    if file.exact and not file.of_content and have == file.size:
        shown.resume(have)
        return
    headers = {"User-Agent": "longspan", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                if total and int(total[1]) == have:
                    shown.resume(have)
                    return
                path.unlink()  # longer than the file there: not a part of it
                raise ConnectionError("the part on disk is longer than the file; starting again") from error
            raise DownloadError(explain(error)) from error
    with response:
        start, total = _span(response, have)
        if start not in (0, have):
            raise DownloadError(f"asked for bytes from {have:,}, it sends those from {start:,}")
        if file.exact and not file.of_content and total is not None and total != file.size:
            raise DownloadError(f"offers {total:,} bytes{_what(response)}, but {file.size:,} are on record")
        with path.open("ab" if start else "wb") as sink:
            shown.resume(start)
            _copy(response, sink, start, total, file, shown)


def _copy(
    response: http.client.HTTPResponse,
    sink: IO[bytes],
    start: int,
    total: int | None,
    file: RemoteFile,
    shown: DownloadProgress,
) -> None:
    written = start
    most = 2 * file.size + _CHUNK * 4
    while chunk := response.read(_CHUNK):
        written += len(chunk)
        if written > most:
            sink.truncate(0)  # none of it is the file
            raise DownloadError(f"sends more than twice the {file.size:,} bytes on record")
        sink.write(chunk)
        shown.advance(len(chunk))
    if total is not None and written < total:
        raise ConnectionError(f"the connection broke after {written:,} of {total:,} bytes")


def _span(response: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """Where the body starts in the file, and the size of the whole file if the server says it."""
    if have and response.status == HTTPStatus.PARTIAL_CONTENT:
        found = _RANGE.match(response.headers.get("Content-Range", ""))
        if found is None:
            raise DownloadError("sends a part of the file without saying which")
        return int(found[1]), None if found[2] == "*" else int(found[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _what(response: http.client.HTTPResponse) -> str:
    return " (a web page)" if response.headers.get_content_type() == "text/html" else ""


def explain(error: BaseException) -> str:
    """What went wrong, in words."""
    reason = getattr(error, "reason", None)
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(reason, BaseException):
        return explain(reason)
    if isinstance(error, socket.gaierror):
        return f"the host name cannot be resolved; is there a network? ({error.strerror or error})"
    if isinstance(error, TimeoutError):
        return f"no response within {_TIMEOUT_S} s"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    return str(reason or error) or type(error).__name__

"""What happens to every request before and after it is handled: keys, rates, size of bodies, counting."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, final

from longspan.serve.config import ServeConfig
from longspan.serve.keys import is_known
from longspan.serve.measurements import Measurements
from longspan.serve.problem import Problem

__all__ = ["FAILED", "Guard"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_OPEN = ("/", "/healthz", "/readyz", "/page.css", "/page.js", "/favicon.ico")
_MOST_CLIENTS = 10_000
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:"),
    (b"referrer-policy", b"no-referrer"),
]


FAILED = "The server failed at this request; its log says where."
_LOGGER = logging.getLogger("uvicorn.error")  # which the server shows
_LAST = [(b"connection", b"close")]


@final
class Guard:
    """An ASGI application around another one."""

    def __init__(
        self, app: Any, config: ServeConfig, measurements: Measurements, keys: Sequence[bytes], paths: Sequence[str]
    ) -> None:
        """Put it around `app`.

        Args:
            app: What handles requests that are let through.
            config: Limits.
            measurements: Where requests are counted.
            keys: One of which each request has to show; empty: none is asked for.
            paths: That are counted by name; others are "other", or a stranger could make the counters grow.
        """
        self._app = app
        self._config = config
        self._measurements = measurements
        self._keys = tuple(keys)
        self._paths = frozenset(paths)
        self.closing = False
        """Whether each response says that its connection closes: the server is stopping."""
        self._clients: OrderedDict[str, tuple[int, int]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, answered = time.perf_counter(), 500, False
        path = scope["path"]

        async def counted(message: MutableMapping[str, Any]) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
                message = {
                    **message,
                    "headers": [*message.get("headers", []), *_HEADERS, *(_LAST if self.closing else [])],
                }
            await send(message)

        try:
            headers = dict(scope["headers"])
            self._check(path, headers, scope.get("client"))
            await self._app(scope, self._limited(headers, receive), counted)
        except Problem as problem:
            if not answered:
                await send_problem(counted, problem)
        except Exception as error:  # the message may hold what a client sent: only where it happened is written
            frames = traceback.extract_tb(error.__traceback__)
            where = "\n".join(f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
            _LOGGER.error("%s while answering a request, in\n%s", type(error).__name__, where)
            if not answered:
                await send_problem(counted, Problem(500, FAILED))
        finally:
            self._measurements.add(path if path in self._paths else "other", status, time.perf_counter() - started)

    def _check(self, path: str, headers: dict[bytes, bytes], client: Any) -> None:
        """Problem 401, 413 or 429 for a request that its headers rule out."""
        open_path = path in _OPEN or path.startswith("/m/")
        if self._keys and not open_path:
            given = headers.get(b"x-api-key") or headers.get(b"authorization", b"").removeprefix(b"Bearer ")
            if not is_known(given, self._keys):
                raise Problem(401, "Show a key of this server: header Authorization: Bearer KEY.")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 15:
            raise Problem(400, "Content-Length is not a number.")
        if int(length) > self._most_bytes:
            raise self._too_large()
        if self._config.per_minute and not open_path:
            self._count(str(client[0]) if client else "")

    def _count(self, client: str) -> None:
        minute = int(time.monotonic() // 60)
        before, count = self._clients.pop(client, (minute, 0))
        count = count + 1 if before == minute else 1
        self._clients[client] = (minute, count)
        if len(self._clients) > _MOST_CLIENTS:
            self._clients.popitem(last=False)
        if count > self._config.per_minute:
            raise Problem(
                429, f"More than {self._config.per_minute} requests in a minute. Wait a little.", retry_after_s=60
            )

    def _limited(self, headers: dict[bytes, bytes], receive: Receive) -> Receive:
        """The body as it comes, refused as soon as it is too large, whatever its headers promised."""
        del headers
        read = 0

        async def limited() -> MutableMapping[str, Any]:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most_bytes:
                raise self._too_large()
            return message

        return limited

    @property
    def _most_bytes(self) -> int:
        return int(self._config.max_body_mb * 1e6)

    def _too_large(self) -> Problem:
        return Problem(413, f"The body is larger than {self._config.max_body_mb:g} MB. Send a smaller file.")


async def send_problem(send: Send, problem: Problem) -> None:
    """Answer with a problem."""
    body = json.dumps(problem.to_json()).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in problem.headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""A server that loses no request when it is told to stop. It needs uvicorn: import it where `serve` is installed."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections.abc import Callable
from typing import Any, final

import uvicorn

from longspan.allocator import keep_one_arena
from longspan.serve.guard import Guard

__all__ = ["DrainingServer"]

_LAST_REQUESTS_S = 2.0
"""How long open connections may bring a last request, which is answered with `Connection: close`."""


@final
class DrainingServer(uvicorn.Server):
    """uvicorn's server, but for how it stops.

    uvicorn closes idle connections at once; a request that is on its way at that moment would be lost. Here nothing
    new is accepted, every response says that its connection closes, and connections that stay silent are closed last.
    """

    def __init__(self, config: uvicorn.Config, tell_started: Callable[[], Any] = lambda: None) -> None:
        """Make the server; `tell_started` is called once it listens."""
        super().__init__(config)
        self._tell_started = tell_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        keep_one_arena()
        await super().startup(sockets)
        gc.collect()
        gc.freeze()  # modules and models stay: looking through them again and again would hold requests up
        if self.started:
            self._tell_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what comes on open connections, then stop."""
        guard = self._guard()
        if guard is not None:
            guard.closing = True
        await asyncio.sleep(0)  # connections that wait to be accepted are accepted first
        for server in self.servers:
            server.close()
        for each in sockets or []:
            each.close()
        ends = time.monotonic() + _LAST_REQUESTS_S
        while self.server_state.connections and time.monotonic() < ends:
            await asyncio.sleep(0.02)
        await super().shutdown()

    def _guard(self) -> Guard | None:
        app: Any = self.config.loaded_app
        while app is not None and not isinstance(app, Guard):
            app = getattr(app, "app", None)  # uvicorn's own middleware lies around it
        return app

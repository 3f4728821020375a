"""Several server processes that listen on one socket."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import socket
import sys
import threading
from multiprocessing.process import BaseProcess
from typing import Any

__all__ = ["serve_in_processes"]

_LOOK_S = 0.5


def serve_in_processes(options: dict[str, Any], sock: socket.socket, count: int, *, drain_s: float) -> None:
    """Run server processes until told to stop; one that dies is started again, unless it dies while it starts.

    Args:
        options: Of `uvicorn.Config`; the application is made by `server.app_from_environment`.
        sock: Bound; all of them listen on it.
        count: How many.
        drain_s: How long they may take to stop.
    """
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of PyTorch

    def start() -> tuple[BaseProcess, Any]:
        ready = context.Event()
        process = context.Process(target=_serve, args=(options, sock, ready), name="longspan serve")
        process.start()
        return process, ready

    running = [start() for _ in range(count)]
    failed = False
    while not stop.wait(_LOOK_S):
        for place, (process, ready) in enumerate(running):
            if process.is_alive():
                continue
            if not ready.is_set():  # it would fail again
                failed = True
                stop.set()
            else:
                running[place] = start()
    sock.close()
    for process, _ in running:
        if process.is_alive():
            process.terminate()
    for process, _ in running:
        process.join(drain_s)
        if process.is_alive():
            process.kill()
            process.join()
    if failed:
        sys.exit(1)


def _serve(options: dict[str, Any], sock: socket.socket, ready: Any) -> None:
    """One process."""
    import uvicorn

    from longspan.serve.draining import DrainingServer

    config = uvicorn.Config("longspan.serve.server:app_from_environment", factory=True, **options)
    server = DrainingServer(config, ready.set)
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl+C reaches all processes
        server.run(sockets=[sock])
    if not server.started:
        sys.exit(1)

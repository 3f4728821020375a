"""The process, or the processes, that serve: started, stopped, drained."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from longspan.errors import ConfigError
from longspan.serve.processes import SHARES_PORTS, ServedFiles, keep_quiet, serve_in_processes

__all__ = ["check_port", "run_server", "run_servers"]

_DRAIN_S = 30


def check_port(host: str, port: int) -> None:
    """ConfigError if nothing can listen there."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(found[0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[4])
    except OSError as error:
        raise ConfigError(
            f"Nothing can listen on {host}:{port} ({error.strerror or error}). Choose another --port or --host."
        ) from error


def run_server(app: Any, *, host: str, port: int) -> None:
    """Serve from this process until stopped; requests in progress are finished first."""
    import uvicorn

    from longspan.serve.draining import DrainingServer

    keep_quiet()
    server = DrainingServer(uvicorn.Config(app, **_options(host, port)))
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)


def run_servers(
    files: ServedFiles, *, host: str, port: int, processes: int, started: Callable[[list[str]], None]
) -> None:
    """Serve from several processes until stopped, each with one thread for PyTorch.

    Args:
        files: What they serve.
        host: Where they listen.
        port: Where they listen.
        processes: How many.
        started: Called with a line for each model once all listen.

    Raises:
        ConfigError: a model cannot be loaded.
    """
    serve_in_processes(
        files, _options(host, port), partial(_bound, host, port), processes, drain_s=_DRAIN_S + 5, started=started
    )


def _bound(host: str, port: int) -> socket.socket:
    """A socket that is bound, and does not listen yet."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(found[0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if SHARES_PORTS:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # Responses are written in two pieces; without this the second waits for the receipt of the first, 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.bind(found[4])
    return sock


def _options(host: str, port: int) -> dict[str, Any]:
    """Of `uvicorn.Config`."""
    return {
        "host": host, "port": port, "log_level": "warning", "access_log": False, "server_header": False,
        "timeout_graceful_shutdown": _DRAIN_S, "timeout_keep_alive": 20, "h11_max_incomplete_event_size": 1 << 16,
    }  # fmt: skip

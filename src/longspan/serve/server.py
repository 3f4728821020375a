"""The process, or the processes, that serve: started, stopped, drained."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from longspan.errors import ConfigError
from longspan.serve.config import ServeConfig

__all__ = ["app_from_environment", "check_port", "run_server", "split_name"]

_VARIABLE = "LONGSPAN_SERVE"
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


def run_server(
    app: Any,
    models: Sequence[str],
    config: ServeConfig,
    *,
    host: str,
    port: int,
    processes: int,
    keys: Sequence[bytes],
    device: str,
) -> None:
    """Serve until stopped; requests in progress are finished first.

    Args:
        app: Serves the models, for one process.
        models: Files, or NAME=FILE.
        config: Limits.
        host: Where it listens.
        port: Where it listens.
        processes: Each has all models; if there are several, PyTorch uses one thread in each.
        keys: See `make_app`.
        device: Where the models run.
    """
    import uvicorn

    options: dict[str, Any] = {
        "host": host, "port": port, "log_level": "warning", "access_log": False, "server_header": False,
        "timeout_graceful_shutdown": _DRAIN_S, "timeout_keep_alive": 20, "h11_max_incomplete_event_size": 1 << 16,
    }  # fmt: skip
    from longspan.serve.draining import DrainingServer
    from longspan.serve.processes import serve_in_processes

    if processes == 1:
        _keep_quiet()
        server = DrainingServer(uvicorn.Config(app, **options))
        with contextlib.suppress(KeyboardInterrupt):
            server.run()
        if not server.started:
            sys.exit(1)
        return
    settings = {
        "models": list(models), "config": dataclasses.asdict(config), "keys": [key.decode() for key in keys],
        "device": device,
    }  # fmt: skip
    # The processes read this; as an argument it would show in the list of processes.
    os.environ[_VARIABLE] = json.dumps(settings)
    sock = uvicorn.Config(app, **options).bind_socket()
    serve_in_processes(options, sock, processes, drain_s=_DRAIN_S + 5)


def _keep_quiet() -> None:
    """No notes about what clients send, such as images of several pages: they would fill the log."""
    warnings.simplefilter("ignore", UserWarning)


def app_from_environment() -> Any:
    """The application that `run_server` describes, in a process that it started."""
    from longspan.serve.app import make_app
    from longspan.serve.served_model import load_served

    settings = json.loads(os.environ[_VARIABLE])
    os.environ["OMP_NUM_THREADS"] = "1"  # before PyTorch is imported
    models = []
    for each in settings["models"]:
        name, file = split_name(each)
        models.append(load_served(file, name, device=settings["device"]))
    _keep_quiet()
    keys = [key.encode() for key in settings["keys"]]
    return make_app(models, ServeConfig(**settings["config"]), keys=keys)


def split_name(given: str) -> tuple[str | None, str]:
    """`pets=models/a.onnx` as name and file; no name where none is given."""
    name, equals, file = given.partition("=")
    return (name, file) if equals and name.replace("-", "").replace("_", "").isalnum() else (None, given)

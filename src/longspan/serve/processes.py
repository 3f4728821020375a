"""Several server processes that listen on one port."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, final

from longspan.errors import ConfigError
from longspan.serve.config import ServeConfig

__all__ = ["SHARES_PORTS", "ServedFiles", "keep_quiet", "serve_in_processes"]

SHARES_PORTS = sys.platform == "linux"
"""Whether several sockets may listen on one port, and the system shares connections out among them."""

_LOOK_S = 0.5
_PRELOADED = ("uvicorn", "longspan.serve.app", "longspan.serve.draining", "longspan.serve.served_model")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ServedFiles:
    """What every process loads and serves."""

    models: tuple[str, ...]
    """Files, or NAME=FILE."""
    config: ServeConfig
    """Limits."""
    keys: tuple[bytes, ...] = ()
    """See `make_app`."""
    device: str = "auto"
    """Where the models run."""
    cores: int = 1
    """Of each process."""


def serve_in_processes(
    files: ServedFiles,
    options: dict[str, Any],
    bind: Callable[[], socket.socket],
    count: int,
    *,
    drain_s: float,
    started: Callable[[list[str]], None],
) -> None:
    """Run server processes until told to stop; one that dies is started again, unless it dies while it starts.

    This process imports neither PyTorch nor a model: one other does so once, and the servers are its forks.

    Args:
        files: What they serve.
        options: Of `uvicorn.Config`.
        bind: Makes a socket that is bound to the port. Each process listens on one of its own where the system shares
            connections out among them: of one that all listen on, the first to wake takes all that wait.
        count: How many.
        drain_s: How long they may take to stop.
        started: Called with a line for each model once all listen.

    Raises:
        ConfigError: a model cannot be loaded.
    """
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    os.environ["OMP_NUM_THREADS"] = "1"  # one thread in each process
    # A plain fork would copy the threads' locks of PyTorch; the fork server has imported it, but has no threads.
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
    if forks:
        needs_torch = not all(file.lower().endswith(".onnx") for file in files.models)
        context.set_forkserver_preload([*_PRELOADED, *(["torch"] if needs_torch else [])])

    reserved = bind()  # the port is ours also while no process listens

    def start() -> _Running:
        here, there = context.Pipe(duplex=False)
        sock = bind() if SHARES_PORTS else reserved
        process = context.Process(target=_serve, args=(files, options, sock, there), name="longspan serve")
        process.start()
        there.close()
        if sock is not reserved:
            sock.close()
        return _Running(process, here)

    running = [start() for _ in range(count)]
    failure: str | None = None
    told = False
    while not stop.wait(0.02 if not told else _LOOK_S):
        alive = [each.process.is_alive() for each in running]  # first: what a dead one said is all there to hear
        for each in running:
            each.listen()
        failure = next((each.failure for each in running if each.failure is not None), None)
        if failure is not None:
            break
        if not told and all(each.lines is not None for each in running):
            told = True
            started(running[0].lines or [])
        running = [each if lives else start() for each, lives in zip(running, alive, strict=True)]
    reserved.close()
    for each in running:
        if each.process.is_alive():
            each.process.terminate()
    for each in running:
        each.process.join(drain_s)
        if each.process.is_alive():
            each.process.kill()
            each.process.join()
    if failure is not None:
        raise ConfigError(failure)


@final
class _Running:
    """A server process and what it said."""

    def __init__(self, process: Any, connection: Connection) -> None:
        self.process, self._connection = process, connection
        self.lines: list[str] | None = None
        """A line for each model, once it listens."""
        self.failure: str | None = None
        """Why it did not start."""

    def listen(self) -> None:
        """Hear what it said meanwhile."""
        if self.lines is not None or self.failure is not None or not self._connection.poll():
            return
        try:
            said = json.loads(self._connection.recv_bytes())
        except EOFError:  # it would die again
            self.failure = "A server process ended while it started; its last words are above."
            return
        self.lines, self.failure = said.get("lines"), said.get("failure")


def _serve(files: ServedFiles, options: dict[str, Any], sock: socket.socket, connection: Connection) -> None:
    """One process."""
    import uvicorn

    from longspan.errors import LongspanError
    from longspan.serve.app import make_app
    from longspan.serve.draining import DrainingServer
    from longspan.serve.served_model import load_all

    def say(**words: Any) -> None:
        connection.send_bytes(json.dumps(words).encode())
        connection.close()

    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Ctrl+C reaches all processes, and the first one tells the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_quiet()
    try:
        models = load_all(files.models, device=files.device, threads=files.config.threads, cores=files.cores)
        app = make_app(models, files.config, keys=files.keys)
    except LongspanError as error:
        say(failure=str(error))
        return
    server = DrainingServer(uvicorn.Config(app, **options), lambda: say(lines=[model.line() for model in models]))
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[sock])
    if not server.started:
        sys.exit(1)


def _end_with_parent() -> None:
    """Stop when the first process is gone, however it ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def keep_quiet() -> None:
    """No notes about what clients send, such as images of several pages: they would fill the log."""
    warnings.simplefilter("ignore", UserWarning)

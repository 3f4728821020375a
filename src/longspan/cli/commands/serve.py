"""`longspan serve`: saved models behind an address, with a web page for each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from longspan.cli import options as flags
from longspan.cli.first_checks import check_model
from longspan.cli.options import Opt
from longspan.cli.shell import label
from longspan.errors import ConfigError

__all__ = ["serve"]


def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL...", help="Model files, .safetensors or .onnx; NAME=FILE gives a name."),
    ] = None,
    demo: Annotated[
        bool, Opt("--demo", help="Serve the quickstart's model; it is trained first if it is not there.")
    ] = False,
    host: Annotated[
        str, Opt(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 to be reached from other machines.")
    ] = "127.0.0.1",
    port: Annotated[int, Opt(metavar="N", help="Port to listen on.")] = 8000,
    processes: Annotated[
        int, Opt(metavar="N", help="Server processes, at most one per core; each holds all models.")
    ] = 1,
    threads: Annotated[
        int | None,
        Opt(metavar="N", help="Requests that each process computes at once. Default: its share of the cores."),
    ] = None,
    key_file: Annotated[
        str | None,
        Opt(metavar="FILE", help="A file with keys, one in each line; clients send Authorization: Bearer KEY."),
    ] = None,
    max_body_mb: Annotated[float, Opt(metavar="X", help="Largest body of a request, in megabytes.")] = 20,
    max_pixels: Annotated[int, Opt(metavar="N", help="Largest image, in pixels.")] = 50_000_000,
    max_seconds: Annotated[float, Opt(metavar="X", help="Longest recording, in seconds.")] = 60,
    max_queue: Annotated[int, Opt(metavar="N", help="Requests that wait for one model.")] = 256,
    max_batch: Annotated[int, Opt(metavar="N", help="Requests that are computed together.")] = 32,
    wait_ms: Annotated[float, Opt(metavar="X", help="How long a batch waits for more requests under load, in ms.")] = 2,
    timeout_s: Annotated[float, Opt("--timeout", metavar="SECONDS", help="Longest time to a response.")] = 30,
    per_minute: Annotated[int, Opt(metavar="N", help="Requests of one client in a minute; 0: any number.")] = 0,
    memory_mb: Annotated[float, Opt(metavar="X", help="Most megabytes that all model files may take; 0: any.")] = 0,
    device: flags.Device = "auto",
    check: Annotated[bool, Opt("--check", help="Load the models and check every setting, then exit.")] = False,
) -> None:
    """Serve models: a web page and an API for each.

    POST /predict/NAME takes a file, multipart/form-data or JSON; /openapi.json describes the requests. /models,
    /healthz, /readyz and /metrics report the state. What clients send is neither stored nor logged.
    """
    from longspan.extras import require_extra
    from longspan.serve.config import ServeConfig, split_name
    from longspan.serve.keys import read_keys
    from longspan.serve.processes import ServedFiles
    from longspan.serve.server import check_port, run_server, run_servers

    require_extra("serve", "longspan serve")
    if demo == bool(models):
        raise ConfigError("Name model files, or give --demo.")
    if not 1 <= port <= 65535:
        raise ConfigError(f"--port must be between 1 and 65535, got {port}.")
    cores = os.cpu_count() or 1
    if not 1 <= processes <= cores:
        raise ConfigError(f"--processes must be between 1 and {cores}, the number of cores; got {processes}.")
    if threads is not None and not 1 <= threads <= cores // processes:
        raise ConfigError(
            f"--threads must be between 1 and {cores // processes}, the cores of each process; got {threads}."
        )
    config = ServeConfig(
        threads=threads or cores // processes,
        max_body_mb=max_body_mb, max_pixels=max_pixels, max_seconds=max_seconds, max_queue=max_queue,
        max_batch=max_batch, wait_ms=wait_ms, timeout_s=timeout_s, per_minute=per_minute, memory_mb=memory_mb,
    )  # fmt: skip
    keys = () if key_file is None else read_keys(key_file)
    for _, file in map(split_name, models or ()):
        if not _is_onnx(file):  # what ONNX Runtime reads is loaded without PyTorch
            check_model(file, device)
    if models and device not in ("auto", "cpu") and all(_is_onnx(file) for _, file in map(split_name, models)):
        raise ConfigError(
            f"--device {device}: exported models run on the processor. Leave it out, or serve .safetensors files."
        )
    check_port(host, port)

    from longspan.serve.demo import demo_model

    files = [demo_model()] if demo else list(models or ())
    if processes > 1 and not check:
        served = ServedFiles(
            models=tuple(files), config=config, keys=tuple(keys), device=device, cores=cores // processes
        )
        run_servers(
            served, host=host, port=port, processes=processes, started=lambda lines: _started(lines, host, port, keys)
        )
        return

    from longspan.serve.app import make_app
    from longspan.serve.served_model import load_all

    # Loaded here, so that errors are reported before anything listens.
    loaded = load_all(files, device=device, threads=config.threads, cores=cores)
    app = make_app(loaded, config, keys=keys)
    lines = [model.line() for model in loaded]
    if check:
        for line in lines:
            print(label("model", line))
        print(label("checked", "everything is in order"))
        return
    _started(lines, host, port, keys)
    run_server(app, host=host, port=port)


def _started(lines: Sequence[str], host: str, port: int, keys: Sequence[bytes]) -> None:
    """Say what is served, and where."""
    for line in lines:
        print(label("model", line))
    if host not in ("127.0.0.1", "localhost", "::1") and not keys:
        print(label("note", "anybody who reaches this machine can use these models; --key-file asks for a key"))
    shown = "localhost" if host in ("0.0.0.0", "::") else host
    print(label("serving", f"http://{shown}:{port}  (Ctrl+C stops)"), flush=True)


def _is_onnx(file: str) -> bool:
    return file.lower().endswith(".onnx")

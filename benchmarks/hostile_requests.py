"""`longspan serve` and requests that mean harm: mutated bodies and headers, and damaged files.

python -m pip install schemathesis
python benchmarks/hostile_requests.py [--requests 2000] [--files 1000] --out benchmarks/results/hostile_requests.json

One server process holds four models, of photos, recordings, texts and a table; they are untrained, since what counts is
how requests are read. It is sent

- requests that schemathesis makes of its OpenAPI schema, which keep to it and which do not,
- requests with mutated bytes and headers, over plain sockets: lengths that lie, chunks that are none, torn forms,
- the damaged images, tables, archives and models of `benchmarks/damage`, as a body and as a field of a form.

Counted: responses by status, 5xx other than 503, connections that end without a response, tracebacks in what the
server writes, and whether it lives and still predicts.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx2 as httpx
import numpy as np
from damage.corpus import make_corpus
from damage.kinds import Cases
from PIL import Image as PILImage

from longspan.columns import Audio, Category, Features, Image, Text
from longspan.heads import Classify
from longspan.inference import Predictor
from longspan.inference.network import Network
from longspan.models import create
from longspan.report import describe_environment

KINDS = ("jpeg", "png", "webp", "bmp", "gif", "tiff", "idx", "csv", "coco", "voc", "zip", "tar", "model", "pth")
FORM = "multipart/form-data; boundary=x"
MODELS = ("photos", "sounds", "texts", "rows")
TYPES = (
    "image/jpeg",
    "audio/wav",
    "application/json",
    "text/plain",
    FORM,
    "multipart/form-data",
    "",
    "é/\x01",
    "a" * 900,
)
LINES = (
    b"POST /predict/photos HTTP/1.1", b"POST /predict/rows?draw=1 HTTP/1.1", b"GET /m/%00%2e%2e/x HTTP/1.1",
    b"POST /predict/texts HTTP/9.9", b"BREW /predict/texts HTTP/1.1", b"POST /predict/%ff HTTP/1.1",
    b"\x00\xff\x16\x03\x01",
    b"POST http://elsewhere/predict/photos HTTP/1.1", b"GET /" + b"a" * 9000 + b" HTTP/1.1", b"OPTIONS * HTTP/1.1",
)  # fmt: skip
EXTRAS = (
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Content-Length: -1", b"Content-Length: 9" * 2,
    b"Content-Length: 99999999999999999999", b"Expect: 100-continue", b"Content-Encoding: gzip", b"Host: a\r\nHost: b",
    b"Authorization: Bearer \xff\xfe", b"X-Api-Key: " + b"k" * 5000, b"Upgrade: websocket\r\nConnection: Upgrade",
    b"Cookie: " + b"a=b; " * 2000, b"Range: bytes=5-1", b"\xe9: 1", b": none", b"Content-Type: image/png;charset=\xff",
)  # fmt: skip


def save_models(folder):
    """A small untrained model of each kind of input."""
    rows = [{"age": float(i), "job": "ab"[i % 2]} for i in range(4)]
    inputs = {
        "photos": (Image(size_px=(32, 32), channels=3, mean=(0.5,) * 3, std=(0.2,) * 3), "resnet20"),
        "sounds": (Audio(rate_hz=16000, seconds=1.0, normalise="utterance"), "bc_resnet1"),
        "texts": (Text(vocab=tuple("abc "), max_length=50, min_steps=1).as_input(), "text_cnn"),
        "rows": (Features(numbers=["age"], categories=["job"], min_count=1).fit(rows), "mlp"),
    }
    for name, (column, model) in inputs.items():
        head = Classify(column=Category(vocab=("a", "b")))
        backbone = create(model, inputs={"x": column.spec()})
        network = Network(backbone, {"kind": head}).eval()
        predictor = Predictor(network, {"x": column}, {"kind": head}, device="cpu", precision="float32")
        predictor.save(folder / f"{name}.safetensors")


class Server:
    """The server in a process of its own; what it writes goes to a file."""

    def __init__(self, folder):
        """Start it, and wait until it is ready."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log"
        files = [str(folder / f"{name}.safetensors") for name in MODELS]
        command = [sys.executable, "-m", "longspan", "serve", *files, "--port", str(self.port), "--timeout", "20"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.log.open("wb"))
        while self.process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(self.url + "/readyz").status_code == 200:
                    return
            time.sleep(0.1)
        sys.exit(self.log.read_text())

    def predicts(self):
        """Whether each model still predicts."""
        png = io.BytesIO()
        PILImage.new("RGB", (40, 40), (9, 90, 200)).save(png, "PNG")
        sent = {
            "photos": {"content": png.getvalue(), "headers": {"content-type": "image/png"}},
            "texts": {"content": b"abc", "headers": {"content-type": "text/plain"}},
            "rows": {"json": {"age": 3, "job": "a"}},
        }
        return all(
            httpx.post(f"{self.url}/predict/{name}", timeout=30, **each).status_code == 200
            for name, each in sent.items()
        )

    def stop(self):
        """What it wrote."""
        alive = self.process.poll() is None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return alive, self.log.read_text(errors="replace")


def by_schema(server, count):
    """Statuses of requests that schemathesis makes, half of them against the schema."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis import GenerationMode

    statuses, odd = Counter(), []
    schema = schemathesis.openapi.from_url(server.url + "/openapi.json")
    operations = [each.ok() for each in schema.get_all_operations()]
    predictions = [each for each in operations if each.method.upper() == "POST"]
    ways = [(each, mode) for each in predictions for mode in (GenerationMode.NEGATIVE, GenerationMode.POSITIVE)]
    for operation, mode in ways:

        @settings(
            max_examples=max(1, count // len(ways)), deadline=None, database=None, derandomize=True,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case):
            try:
                status = case.call(base_url=server.url, timeout=30).status_code
            except Exception as error:
                status = type(error).__name__
            statuses[status] += 1
            if isinstance(status, str) or (status >= 500 and status != 503):
                odd.append(f"{status}: {case.as_curl_command()!s:.400}")

        with contextlib.suppress(Exception):  # a schema that allows everything has no requests against it
            send()
    return statuses, odd


def body_of(draws, bodies):
    """A body, mutated or made up."""
    body, kind = bytearray(draws.choice(bodies)), draws.randrange(6)
    if kind == 0:
        body = body[: draws.randrange(len(body) + 1)]
    elif kind == 1:
        for _ in range(draws.randrange(1, 50)):
            body[draws.randrange(len(body))] = draws.randrange(256)
    elif kind == 2:
        body = draws.randbytes(draws.randrange(3000))
    elif kind == 3:
        value = draws.choice([1, None, "a" * 9999, [], {}, "\ud800", 1e999, -1, "é", True, [[[]]] * 99])
        body = json.dumps({draws.choice(["x", "age", "job", "", "\x00"]): value, "age": value}).encode()
    elif kind == 4:
        name = draws.choice(
            [b'"x"', b'"age"', draws.randbytes(20), b'"x"; filename="../../a"', b"\"x\"; filename*=utf-8''%ff"]
        )
        end = draws.choice([b"\r\n--x--\r\n", b"\r\n--x", b""])
        body = b"--x\r\nContent-Disposition: form-data; name=" + name + b"\r\n\r\n" + bytes(body) + end
    else:
        body = draws.choice(
            [b"[" * 100_000, b"{" * 5000, b'{"age": ' + b"9" * 9000 + b"}", b"1e9999", b"NaN", b"\xef\xbb\xbf{}"]
        )
    return bytes(body)


def by_socket(server, count, bodies):
    """Statuses of requests with mutated bytes and headers."""
    draws, statuses, odd = random.Random(0), Counter(), []
    for _ in range(count):
        body = body_of(draws, bodies)
        line = (
            draws.choice(LINES) if draws.random() < 0.3 else f"POST /predict/{draws.choice(MODELS)} HTTP/1.1".encode()
        )
        headers = [b"Host: a", b"Content-Type: " + draws.choice(TYPES).encode("utf-8"), b"Connection: close"]
        whole = draws.random() < 0.7
        headers.append(b"Content-Length: %d" % (len(body) if whole else draws.randrange(3 * len(body) + 2)))
        if draws.random() < 0.4:
            headers.append(draws.choice(EXTRAS))
        request = b"\r\n".join([line, *headers, b"", body])
        if draws.random() < 0.1:
            request = bytearray(request)
            for _ in range(draws.randrange(1, 9)):
                request[draws.randrange(min(len(request), 300))] = draws.randrange(256)
        status = sent(server.port, bytes(request))
        statuses[status] += 1
        if isinstance(status, int) and status >= 500 and status != 503:
            odd.append(f"{status}: {bytes(request[:200])!r}")
    return statuses, odd


def sent(port, request):
    """The status of the response to some bytes; "closed" without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            first = connection.recv(64)
        except TimeoutError:
            return "no response"
        except OSError:
            return "closed"
    parts = first.split(b" ")
    return int(parts[1]) if first.startswith(b"HTTP/") and parts[1:] and parts[1].isdigit() else "closed"


def by_files(server, count):
    """Statuses of damaged files, as they are and in a form."""
    cases, statuses, odd = Cases(make_corpus(), 0), Counter(), []
    kinds = [kind for kind in KINDS if kind in cases.corpus]
    with httpx.Client(timeout=60) as client:
        for number in range(count):
            kind, model = kinds[number % len(kinds)], ("photos", "sounds", "texts")[number % 3]
            files, damaged = cases.files(kind, number // len(kinds))
            content = files[damaged]
            for form in (False, True):
                try:
                    url, draw = f"{server.url}/predict/{model}", {"draw": "1"} if number % 5 == 0 else {}
                    if form:
                        answer = client.post(url, params=draw, files={"x": (damaged, content)})
                    else:
                        types = {"photos": "image/jpeg", "sounds": "audio/wav", "texts": "text/plain"}
                        answer = client.post(url, params=draw, content=content, headers={"content-type": types[model]})
                    status = answer.status_code
                except httpx.HTTPError as error:
                    status = type(error).__name__
                statuses[status] += 1
                if isinstance(status, str) or (status >= 500 and status != 503):
                    odd.append(f"{status}: {kind}:{number // len(kinds)} to {model}, form={form}")
    return statuses, odd


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000, help="by schema, and as many over sockets")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hostile-") as scratch:
        folder = Path(scratch)
        save_models(folder)
        server = Server(folder)
        png = io.BytesIO()
        pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
        PILImage.fromarray(pixels).save(png, "PNG")
        bodies = [
            png.getvalue(),
            b"abc cab",
            b'{"age": 3, "job": "a"}',
            b"RIFF\x24\x00\x00\x00WAVEfmt " + b"\x00" * 400,
        ]
        parts = {
            "by_schema": by_schema(server, options.requests),
            "by_socket": by_socket(server, options.requests, bodies),
            "damaged_files": by_files(server, options.files),
        }
        predicts = server.predicts()
        alive, log = server.stop()
    result = {
        "command": "python benchmarks/hostile_requests.py",
        "environment": describe_environment(device="cpu"),
        **{
            name: {
                "requests": sum(statuses.values()),
                "statuses": {str(status): count for status, count in sorted(statuses.items(), key=str)},
                "5xx_other_than_503": sum(
                    n for s, n in statuses.items() if isinstance(s, int) and s >= 500 and s != 503
                ),
            }
            for name, (statuses, _) in parts.items()
        },
        "faults": [each for _, odd in parts.values() for each in odd][:50],
        "crashes": int(not alive),
        "predicts_after": predicts,
        "tracebacks": log.count("Traceback"),
        "lines_in_the_log": len(log.splitlines()),
        "seconds": round(time.monotonic() - started, 1),
    }
    print(json.dumps(result, indent=1, ensure_ascii=False))
    if log:
        print(log[-3000:], file=sys.stderr)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    sys.exit(1 if result["faults"] or result["tracebacks"] or not alive or not predicts else 0)


if __name__ == "__main__":
    main()

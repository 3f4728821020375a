"""`longspan serve` under load, told to stop, and sent nonsense, from another process on the same machine.

Run: python benchmarks/serving.py MODEL IMAGES... [--processes N] [--requests N] [--hostile N]

Measured: seconds until ready; images/s of the model in a process of its own with as many threads as there are cores,
from bytes in memory, and of the server with 64 clients on the same cores; latency at 70 % of that rate; what the server
adds to one request at a time, paired with the same image in this process, on one core each; memory before, between
and after many requests; whether every client got the prediction of its own image, also while the server is told to
stop; and what mutated bodies and headers get. Figures are kept for each number of processes.

Predictions are equal if they are but for rounding: sums over a batch of another size differ in their last digits.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx2 as httpx
import torch

from longspan.cli.commands.predict import files_of
from longspan.report import describe_environment
from longspan.serve.config import ServeConfig
from longspan.serve.requests import values_of_body
from longspan.serve.served_model import load_served

CLIENTS = 64
SECONDS = 20
PARTS = 6  # into which the many requests fall; memory is read after each
ROUNDING = 2e-4
TYPES = (
    "image/jpeg",
    "application/json",
    "text/plain",
    "multipart/form-data; boundary=x",
    "",
    "multipart/form-data",
    "é",
)


class Server:
    """The server in a process of its own."""

    def __init__(self, model, processes):
        """Start it, and wait until it is ready."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url, start = f"http://127.0.0.1:{port}", time.perf_counter()
        self.port = port
        command = [sys.executable, "-m", "longspan", "serve", f"m={model}", "--port", str(port), "--max-queue", "1000"]
        command += ["--processes", str(processes)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(self.url + "/readyz").status_code == 200:
                    break
            time.sleep(0.02)
        self.ready_s = time.perf_counter() - start

    def memory_mb(self):
        """Resident memory of all its processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = [Path(f"/proc/{each}/status").read_text() for each in [self.process.pid, *children]]
        return sum(int(each.split("VmRSS:")[1].split()[0]) for each in found) / 1024

    def stop(self):
        """Tell it to stop; gives what it wrote to standard error."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=60)[1].decode()


def in_process(served, bodies):
    """Images/s from bytes to predictions, in batches of 32."""
    config, start, count = ServeConfig(), time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS / 2:
        some = [bodies[(count + i) % len(bodies)] for i in range(32)]
        served.predict([served.value(values_of_body(served, body, "image/jpeg", config)) for body in some])
        count += 32
    return count / (time.perf_counter() - start)


class Client:
    """A connection that is kept. It costs the cores that the server needs a tenth of what a library's client does."""

    def __init__(self, port):
        """Connect when it is first needed."""
        self.port, self.streams = port, None

    async def post(self, path, body):
        """Status and body of the response; OSError or EOFError if there is none."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: {len(body)}\r\n\r\n"
        try:
            writer.write(head.encode() + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
            length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
            found = await reader.readexactly(length)
        except (OSError, EOFError):
            writer.close()
            self.streams = None
            raise
        if "connection: close" in lines:
            writer.close()
            self.streams = None
        return int(lines[0].split()[1]), found


def same_prediction(one, other):
    """Whether two predictions, as JSON values, are equal but for rounding."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_prediction(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_prediction, one, other))
    if isinstance(one, float):
        return abs(one - other) <= ROUNDING
    return one == other


async def load(port, bodies, expected, requests, clients, rate=None):
    """Send requests; gives milliseconds of each, statuses, wrong answers and the seconds in all."""
    times, statuses, wrong, sent = [], Counter(), 0, iter(range(requests))
    start = time.perf_counter()

    async def client_of():
        nonlocal wrong
        client = Client(port)
        for number in sent:
            if rate is not None:
                await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
            place, began = number % len(bodies), time.perf_counter()
            try:
                status, answer = await client.post("/predict/m", bodies[place])
            except (OSError, EOFError) as error:
                statuses[type(error).__name__] += 1
                continue
            times.append((time.perf_counter() - began) * 1000)
            statuses[status] += 1
            wrong += status == 200 and not same_prediction(json.loads(answer)["prediction"], expected[place])

    await asyncio.gather(*(client_of() for _ in range(clients)))
    return times, statuses, wrong, time.perf_counter() - start


async def one_at_a_time(served, port, bodies):
    """Milliseconds of one image in this process and from the server, in turn, so that both find the same machine."""
    client, config, here, there = Client(port), ServeConfig(), [], []
    for body in bodies * 3:
        start = time.perf_counter()
        served.predict([served.value(values_of_body(served, body, "image/jpeg", config))])
        here.append((time.perf_counter() - start) * 1000)
        start = time.perf_counter()
        await client.post("/predict/m", body)
        there.append((time.perf_counter() - start) * 1000)
    added = [other - one for one, other in zip(here, there, strict=True)]
    return {
        "in_process": round(statistics.median(here), 2), "served": round(statistics.median(there), 2),
        "added": round(statistics.median(added), 2),
    }  # fmt: skip


async def stopped_under_load(server, bodies, expected):
    """64 clients while the server is told to stop: statuses, and wrong answers."""
    task = asyncio.create_task(load(server.port, bodies, expected, 3000, CLIENTS))
    await asyncio.sleep(2)
    server.process.send_signal(signal.SIGTERM)
    _, statuses, wrong, _ = await task
    errors = server.process.communicate(timeout=60)[1].decode()
    return statuses, wrong, errors


async def hostile(server, bodies, count):
    """Mutated bodies and headers: statuses, and whether the server still predicts."""
    draws, statuses = random.Random(0), Counter()
    async with httpx.AsyncClient(timeout=60) as client:
        for _ in range(count):
            body = bytearray(draws.choice(bodies))
            kind = draws.randrange(5)
            if kind == 0:
                body = body[: draws.randrange(len(body))]
            elif kind == 1:
                for _ in range(draws.randrange(1, 50)):
                    body[draws.randrange(len(body))] = draws.randrange(256)
            elif kind == 2:
                body = draws.randbytes(draws.randrange(2000))
            elif kind == 3:
                body = json.dumps(
                    {draws.choice(["image", "x", ""]): draws.choice([1, None, "a" * 9999, [], {}])}
                ).encode()
            else:
                body = b"--x\r\nContent-Disposition: form-data; name=" + draws.randbytes(40) + b"\r\n\r\n" + bytes(body)
            headers = {b"content-type": draws.choice(TYPES).encode("latin-1")}
            path = draws.choice(
                ["/predict/m", "/predict/m", "/predict/m?draw=1", "/predict/%00", "/m/%2e%2e", "/metrics"]
            )
            try:
                answer = await client.post(server.url + path, content=bytes(body), headers=headers)
                statuses[answer.status_code] += 1
            except httpx.HTTPError as error:
                statuses[type(error).__name__] += 1
    return statuses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="of the server")
    parser.add_argument("--requests", type=int, default=30_000)
    parser.add_argument("--hostile", type=int, default=2000)
    given = parser.parse_args()
    files = [file for each in given.images for file in files_of(each)][:100]
    bodies = [Path(file).read_bytes() for file in files]
    served, config = load_served(given.model), ServeConfig()
    found = [served.predict([served.value(values_of_body(served, each, "image/jpeg", config))])[0] for each in bodies]

    server = Server(given.model, given.processes)
    url = server.url + "/predict/m"
    expected = [
        httpx.post(url, content=each, headers={"content-type": "image/jpeg"}).json()["prediction"] for each in bodies
    ]
    target = next(iter(expected[0]))
    same = sum(one[target] == other[target] for one, other in zip(expected, found, strict=True))
    torch.set_num_threads(os.cpu_count() or 1)
    rate = in_process(served, bodies)
    torch.set_num_threads(1)
    alone = asyncio.run(one_at_a_time(served, server.port, bodies))
    _, _, wrong, seconds = asyncio.run(load(server.port, bodies, expected, min(2000, given.requests), CLIENTS))
    full = min(2000, given.requests) / seconds
    steady, _, _, _ = asyncio.run(
        load(server.port, bodies, expected, int(full * 0.7 * SECONDS), CLIENTS, rate=0.7 * full)
    )
    memory, statuses = [server.memory_mb()], Counter()
    for _ in range(PARTS):
        _, more, many_wrong, _ = asyncio.run(load(server.port, bodies, expected, given.requests // PARTS, CLIENTS))
        memory.append(server.memory_mb())
        statuses, wrong = statuses + more, wrong + many_wrong
    nonsense = asyncio.run(hostile(server, bodies, given.hostile))
    alive = httpx.get(server.url + "/readyz").status_code == 200
    errors = server.stop()
    second = Server(given.model, given.processes)
    stopped, stopped_wrong, more_errors = asyncio.run(stopped_under_load(second, bodies, expected))
    result = {
        "command": f"python benchmarks/serving.py MODEL IMAGES --processes {given.processes}",
        "environment": describe_environment(device="cpu"),
        "load_average": round(os.getloadavg()[0], 1),
        "model": repr(served.model),
        "processes": given.processes,
        "ready_s": round(server.ready_s, 2),
        "images": len(bodies),
        "same_as_in_process": same,
        "in_process_images_per_s": round(rate, 1),
        "served_images_per_s": round(full, 1),
        "one_at_a_time_ms": alone,
        "at_70_percent_ms": {
            "p50": round(statistics.median(steady), 2), "p99": round(statistics.quantiles(steady, n=100)[98], 2),
        },
        "many": {
            "requests": sum(statuses.values()), "statuses": dict(statuses), "wrong": wrong,
            "memory_mb": [round(each, 1) for each in memory],
        },
        "hostile": {
            "statuses": {str(k): v for k, v in nonsense.items()}, "alive": alive, "tracebacks": "Traceback" in errors,
        },
        "stopped": {
            "statuses": {str(k): v for k, v in stopped.items()}, "wrong": stopped_wrong,
            "tracebacks": "Traceback" in more_errors, "exit_code": second.process.returncode,
        },
    }  # fmt: skip
    path = Path(__file__).parent / "results" / "serving.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[f"processes {given.processes}"] = result
    path.write_text(json.dumps(known, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

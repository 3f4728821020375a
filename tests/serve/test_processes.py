import contextlib
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2 as httpx
import pytest

if "forkserver" not in multiprocessing.get_all_start_methods():
    pytest.skip("starts processes in another way", allow_module_level=True)


class Served:
    """`longspan serve` with two processes."""

    def __init__(self, *models):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", "longspan", "serve", *map(str, models), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--processes", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.printed = self.process.stdout

    def workers(self):
        """Processes that listen on the port, but for the first."""
        listens = re.compile(rf"0100007F:{self.port:04X} 00000000:0000 0A .* (\d+) 1 ")
        sockets = {f"socket:[{inode}]" for inode in listens.findall(Path("/proc/net/tcp").read_text())}
        found = set()
        for place in Path("/proc").glob("[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                if place.readlink().name in sockets:
                    found.add(int(place.parent.parent.name))
        return found - {self.process.pid}


def until(condition, seconds=60):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")


def gone(pids):
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.skipif(sys.platform != "linux" or (os.cpu_count() or 1) < 2, reason="reads /proc, needs two cores")
def test_a_process_that_dies_is_started_again_and_all_end_with_the_first(exported, png_of):
    served = Served(f"pets={exported[1].path}")
    try:
        assert "pets: photo (image)" in served.printed.readline()
        assert f"http://127.0.0.1:{served.port}" in served.printed.readline()
        workers = until(lambda: len(found := served.workers()) == 2 and found)
        os.kill(min(workers), signal.SIGKILL)
        later = until(lambda: len(found := served.workers()) == 2 and found != workers and found)
        url, headers = f"http://127.0.0.1:{served.port}/predict/pets", {"content-type": "image/png"}
        for seed in range(8):
            answer = httpx.post(url, content=png_of(seed), headers=headers, timeout=60)
            assert answer.json()["prediction"]["animal"] in ("cat", "dog")
        served.process.send_signal(signal.SIGTERM)
        assert served.process.communicate(timeout=60)[1] == ""
        assert served.process.returncode == 0
        assert gone(later)
    finally:
        served.process.kill()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or (os.cpu_count() or 1) < 2, reason="reads /proc, needs two cores")
def test_none_is_left_behind_when_the_first_is_killed(exported):
    served = Served(f"pets={exported[1].path}")
    served.printed.readline()
    workers = until(lambda: len(found := served.workers()) == 2 and found)
    served.process.kill()
    served.process.communicate(timeout=60)
    until(lambda: gone(workers))


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_a_model_that_cannot_be_loaded_is_told_once(tmp_path):
    file = tmp_path / "broken.onnx"
    file.write_bytes(b"no model")
    served = Served(file)
    _, err = served.process.communicate(timeout=60)
    assert served.process.returncode == 2
    assert err.count("is damaged") == err.count("error") == 1
    assert "Traceback" not in err

"""The page of a turnstile in headless Chromium, whose camera is a file: enrolled, recognised, removed, refused.

A stand-in for the networks takes every grey level for somebody, as in test_turnstile.py.
"""

import json
import os
import shutil
import subprocess
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from longspan.people.door import Door
from longspan.people.faces import SeenFace
from longspan.people.gallery import Gallery
from longspan.people.photos import photo_pixels
from longspan.people.quality import FaceQuality
from longspan.people.robust import normalised

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
KEY = "0123456789abcdef0123"
ADA = 130  # grey level
QUALITY = FaceQuality(eyes_px=60, sharpness=90, brightness=120, contrast=50, roll_deg=0, yaw=0, score=0.99)
pytestmark = [
    pytest.mark.slow,  # a browser starts, and a camera is watched for seconds
    pytest.mark.skipif(BROWSER is None, reason=f"needs a browser: none of {', '.join(BROWSERS)} is here"),
]


class Grey:
    """A reader of faces to whom every grey level is somebody."""

    embedder = SimpleNamespace(model="grey levels")

    def read(self, photo):
        pixels = photo_pixels(photo)
        vector = normalised(np.random.default_rng(round(float(pixels.mean()) / 20)).normal(size=(1, 64)))[0]
        return [SeenFace((40.0, 40.0, 90.0, 90.0), 0.99, {}, pixels, vector, QUALITY, 0.0)]

    def read_one(self, photo):
        return self.read(photo)[0]


class Chromium:
    """One page of a browser, spoken to over a pipe in the DevTools protocol."""

    def __init__(self, folder, camera):
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        options = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder}",
            "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={camera}", "--disable-dev-shm-usage", "about:blank",
        ]  # fmt: skip
        script = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", BROWSER, *options], pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self._number, self._rest, self._session = 0, b"", None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method, **parameters):
        self._number += 1
        session = {} if self._session is None else {"sessionId": self._session}
        message = {"id": self._number, "method": method, "params": parameters, **session}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                part = os.read(self._read, 1 << 16)
                assert part, "the browser is gone"
                self._rest += part
            answer, _, self._rest = self._rest.partition(b"\0")
            found = json.loads(answer)
            if found.get("id") == self._number:
                assert "error" not in found, found
                return found["result"]

    def run(self, script):
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, script, seconds=40):
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"{script}: {self.run('document.body.innerText')}"
            time.sleep(0.1)

    def choose(self, selector, path):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def close(self):
        self._process.terminate()
        self._process.wait(20)
        os.close(self._read)
        os.close(self._write)


@pytest.fixture
def address(tmp_path):
    """The page, served by a thread."""
    uvicorn = pytest.importorskip("uvicorn")
    from longspan.serve.turnstile import make_turnstile_app

    with Gallery.create(tmp_path / "g.sqlite", model="grey levels", dim=64, threshold=0.5) as gallery:
        app = make_turnstile_app(Door(gallery, Grey(), frames=2), keys=(KEY.encode(),))  # pyright: ignore
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/"
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def page(address, tmp_path):
    """The page in a browser whose camera shows Ada; the key is known and questions are answered with yes."""
    width, height = 160, 120
    luma = bytes([round(16 + ADA * 219 / 255)]) * (width * height)
    frame = b"FRAME\n" + luma + bytes([128]) * (width * height // 2)
    camera = tmp_path / "camera.y4m"
    camera.write_bytes(f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420\n".encode() + 20 * frame)
    browser = Chromium(tmp_path / "profile", camera)
    try:
        answer = f"sessionStorage.setItem('longspan-key', '{KEY}'); window.confirm = () => true;"
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=answer)
        browser.call("Page.navigate", url=address)
        browser.until("document.readyState === 'complete' && document.getElementById('log').rows.length === 1")
        yield browser
    finally:
        browser.close()


def test_enrolled_recognised_removed_refused(page, tmp_path):
    photo = tmp_path / "ada.png"
    Image.fromarray(np.full((120, 160, 3), ADA, np.uint8)).save(photo)
    state = "document.getElementById('state')"
    page.run("document.getElementById('start').click()")
    page.until(f"{state}.textContent.includes('nobody') || {state}.textContent.startsWith('closed: ')")
    assert page.run(f"{state}.className") == "closed"

    page.run("document.querySelector('[name=name]').value = 'Ada'")
    page.choose("[name=photos]", photo)
    page.run("document.getElementById('enrol').requestSubmit()")
    page.until("document.getElementById('told').textContent.startsWith('Ada is enrolled with 1 photo')")
    page.until(f"{state}.className === 'open'")
    assert page.run(f"{state}.textContent").startswith("open for Ada (1.00")
    pixels = "document.getElementById('shown').getContext('2d').getImageData(65, 40, 1, 1).data"
    assert page.run(f"Array.from({pixels})")[:3] != [ADA] * 3  # the frame around the face

    page.run("document.querySelector('#people button').click()")
    page.until("document.getElementById('told').textContent.startsWith('Ada is gone: 1 vectors, none left')")
    page.until(f"{state}.className === 'closed'")
    assert page.run("document.getElementById('people').rows.length") == 0
    time.sleep(0.5)  # a few more images
    assert page.run(f"{state}.className") == "closed"


def test_a_wrong_key_leaves_the_door_closed(page, address):
    page.run("sessionStorage.setItem('longspan-key', 'wrong'); window.prompt = () => null")
    page.run("document.getElementById('start').click()")
    page.until("document.getElementById('state').textContent.includes('key')")
    assert page.run("document.getElementById('state').className") == "closed"

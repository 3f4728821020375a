"""The page of a turnstile: enrolled, recognised, removed, refused; a stand-in for the networks reads grey levels."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from longspan.errors import ConfigError, DataError
from longspan.people.door import Door
from longspan.people.faces import SeenFace
from longspan.people.gallery import Gallery
from longspan.people.photos import photo_pixels
from longspan.people.quality import FaceQuality
from longspan.people.robust import normalised
from longspan.serve.turnstile import make_turnstile_app

KEY = {"authorization": "Bearer 0123456789abcdef0123"}
QUALITY = FaceQuality(eyes_px=60, sharpness=90, brightness=120, contrast=50, roll_deg=0, yaw=0, score=0.99)


class Grey:
    """A reader of faces to whom every grey level is somebody, and black is nobody."""

    embedder = SimpleNamespace(model="grey levels")

    def read(self, photo):
        pixels = photo_pixels(photo)
        level = round(float(pixels.mean()) / 10)
        if not level:
            return []
        vector = normalised(np.random.default_rng(level).normal(size=(1, 64)))[0]
        return [SeenFace((1.0, 2.0, 9.0, 9.0), 0.99, {}, pixels, vector, QUALITY, 0.0)]

    def read_one(self, photo):
        try:
            faces = self.read(photo)
        except ValueError as error:
            raise DataError(f"the photo: {error}.") from None
        if not faces:
            raise DataError("the photo shows no face that is found.")
        return faces[0]


def grey(level):
    file = io.BytesIO()
    Image.fromarray(np.full((12, 12, 3), level, np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def client(tmp_path):
    with Gallery.create(tmp_path / "g.sqlite", model="grey levels", dim=64, threshold=0.5) as gallery:
        app = make_turnstile_app(Door(gallery, Grey(), frames=2), keys=(b"0123456789abcdef0123",))  # pyright: ignore
        with TestClient(app) as client:
            yield client


def look(client, level):
    answer = client.post("/look", content=grey(level), headers={**KEY, "content-type": "image/png"})
    assert answer.status_code == 200
    return answer.json()


def enrol(client, name, *levels, **more):
    files = [("photos", (f"{level}.png", grey(level), "image/png")) for level in levels]
    return client.post("/enrol", data={"name": name, **more}, files=files, headers=KEY)


def test_enrolled_recognised_removed_refused(client):
    assert not look(client, 100)["open"]
    answer = enrol(client, "Ada", 100)
    assert (answer.status_code, answer.json()["photos"]) == (200, 1)
    first, second = look(client, 100), look(client, 100)
    assert (first["open"], first["reason"]) == (False, "seen in 1 of 2 images in a row")
    assert (second["open"], second["name"], second["box"]) == (True, "Ada", [1.0, 2.0, 9.0, 9.0])
    assert not look(client, 200)["open"]
    assert [each["name"] for each in client.get("/people", headers=KEY).json()] == ["Ada"]
    assert enrol(client, "Ada", 100, update="yes").json()["photos"] == 2
    gone = client.post("/remove", json={"name": "Ada"}, headers=KEY).json()
    assert (gone["vectors"], gone["people_left"]) == (2, 0)
    assert not look(client, 100)["open"]
    assert not look(client, 100)["open"]
    assert [each["action"] for each in client.get("/log", headers=KEY).json()] == [
        "created", "enrolled", "updated", "removed"
    ]  # fmt: skip


@pytest.mark.parametrize("key", [{}, {"authorization": "Bearer wrong"}, {"x-api-key": "0123456789abcdef012"}])
def test_every_address_but_the_page_asks_for_the_key(client, key):
    for address in ("/people", "/log"):
        assert client.get(address, headers=key).status_code == 401
    for address in ("/look", "/enrol", "/remove"):
        answer = client.post(address, content=grey(100), headers=key)
        assert answer.status_code == 401
        assert "open" not in answer.json()
    for address in ("/", "/page.js", "/page.css", "/healthz"):
        assert client.get(address).status_code == 200


def test_an_app_without_keys_is_refused(tmp_path):
    gallery = Gallery.create(tmp_path / "g", model="grey levels", dim=64, threshold=0.5)
    with gallery, pytest.raises(ConfigError, match="needs keys"):
        make_turnstile_app(Door(gallery, Grey()), keys=())  # pyright: ignore


def test_requests_that_cannot_be(client):
    def refused(answer, status, words):
        assert answer.status_code == status
        assert words in answer.json()["detail"]

    refused(client.post("/look", content=b"no image", headers=KEY), 422, "not an image that can be read")
    refused(client.post("/enrol", json={"name": "Ada"}, headers=KEY), 415, "multipart/form-data")
    refused(enrol(client, " ", 100), 422, "The name is missing")
    refused(client.post("/enrol", data={"name": "Ada"}, files=[("other", b"x")], headers=KEY), 422, "There is no photo")
    refused(enrol(client, "Ada", 0), 422, "No photo can be enrolled: photo 1 shows no face")
    refused(client.post("/remove", json={"name": "Ada"}, headers=KEY), 422, "Nobody called 'Ada' is enrolled")
    refused(client.post("/remove", json=[1], headers=KEY), 422, "The name is missing")
    refused(client.post("/remove", content=b"{", headers=KEY), 400, "not JSON")
    enrol(client, "Ada", 100)
    refused(enrol(client, "Lovelace", 100), 422, "the same person under two names")
    assert enrol(client, "Alan", 200, 0).json()["left_out"] == ["photo 2 shows no face that is found."]


def test_a_gallery_that_is_damaged_meanwhile_keeps_the_door_closed(client, tmp_path):
    enrol(client, "Ada", 100)
    look(client, 100)
    assert look(client, 100)["open"]
    (tmp_path / "g.sqlite").write_bytes(b"\xff" * 40960)
    found = look(client, 100)
    assert not found["open"]
    assert "the door cannot decide" in found["reason"]


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(client):
    page = client.get("/")
    assert "no liveness detection" in page.text
    assert "http" not in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    script = client.get("/page.js").text
    for element in ("camera", "shown", "state", "told", "start", "photo", "people", "log", "enrol"):
        assert f'id="{element}"' in page.text
        assert f'"{element}"' in script

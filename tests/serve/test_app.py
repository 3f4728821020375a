import asyncio
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import numpy as np
import pytest
import soundfile as sf
from PIL import Image
from starlette.testclient import TestClient

import longspan as ls
from longspan.audio import read_samples
from longspan.errors import ConfigError
from longspan.explain import attribute
from longspan.explain.attribution_page import overlay
from longspan.serve.app import make_app
from longspan.serve.config import ServeConfig
from longspan.serve.served_model import ServedModel

KEY = b"0123456789abcdef0123"


@pytest.fixture
def client(photos):
    with TestClient(make_app([photos])) as client:
        yield client


def problem(answer, status, words):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert answer.json()["status"] == status


def test_a_photo_as_body_or_form_gets_the_prediction_of_the_model(client, exported, png_of):
    expected = exported[0].predict(png_of.array(1))
    for answer in (
        client.post("/predict/photos", content=png_of(1), headers={"content-type": "image/png"}),
        client.post("/predict/photos", files={"photo": ("a.png", png_of(1))}),
    ):
        assert answer.status_code == 200
        found = answer.json()["prediction"]
        assert found["animal"] == expected.value
        assert found["probability"] == pytest.approx(expected.probability, abs=1e-5)
        assert "file" not in found


def test_a_network_shows_where_it_looked(exported, png_of):
    model = ServedModel("photos", exported[0])
    assert model.describe()["explained"]
    with TestClient(make_app([model])) as client:
        answer = client.post("/predict/photos?why=1", content=png_of(1), headers={"content-type": "image/png"})
        damaged = client.post("/predict/photos?why=1", content=png_of(1)[:90], headers={"content-type": "image/png"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    (found,) = attribute(exported[0], [png_of.array(1)])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), overlay(found))
    problem(damaged, 422, "cannot be")


def test_exported_models_do_not_show_where_they_looked(client, png_of):
    answer = client.post("/predict/photos?why=1", content=png_of(1), headers={"content-type": "image/png"})
    problem(answer, 422, "leave why out")
    assert not client.get("/models").json()[0]["explained"]


def test_a_pipeline_that_reads_sound_gets_a_file_which_is_then_gone():
    seen = []

    def seconds(path):
        seen.append(str(path))  # the path itself keeps the file
        return len(read_samples(path, 8000)) / 8000

    length = ls.Stage("length", seconds, reads="talk", adds="seconds", columns={"talk": ls.Audio()})
    pipeline = ls.Pipeline([length])
    file = io.BytesIO()
    sf.write(file, np.zeros(4000, np.float32), 16000, format="WAV")
    with TestClient(make_app([ServedModel("length", pipeline)])) as client:
        assert 'data-kind="audio"' in client.get("/").text
        answer = client.post("/predict/length", content=file.getvalue(), headers={"content-type": "audio/wav"})
        damaged = client.post("/predict/length", content=b"RIFF", headers={"content-type": "audio/wav"})
    assert answer.json()["prediction"] == {"seconds": 0.25}
    assert answer.json()["stages"] == [{"stage": "length", "adds": {"seconds": 0.25}}]
    problem(damaged, 422, "The recording cannot be read")
    assert len(seen) == 1
    assert not Path(seen[0]).exists()


def test_a_large_jpeg_is_read_as_from_a_file(client, photos, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (700, 900), np.uint8)
    file = tmp_path / "a.jpg"
    Image.fromarray(pixels).save(file)
    found = client.post("/predict/photos", content=file.read_bytes(), headers={"content-type": "image/jpeg"}).json()
    assert found["prediction"]["probabilities"] == photos.predict([str(file)])[0].to_json()["probabilities"]


def test_state_pages_and_schema(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["models"] == ["photos"]
    assert client.get("/models").json()[0]["fields"][0]["kind"] == "image"
    page = client.get("/")
    assert 'type="file" name="photo"' in page.text
    assert "http" not in page.text.replace("https://www.w3.org", "")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert client.get("/page.js").status_code == client.get("/page.css").status_code == 200
    schema = client.get("/openapi.json").json()["paths"]["/predict/photos"]["post"]["requestBody"]
    assert "image/*" in schema["content"]
    assert client.get("/docs").status_code == 404  # it would load scripts of strangers


def test_metrics_count_known_paths_only(client, png_of):
    client.post("/predict/photos", content=png_of(1))
    client.get("/strange/" + "x" * 50)
    text = client.get("/metrics").text
    assert 'longspan_requests_total{path="/predict/photos",status="200"' in text
    assert 'path="other",status="404"' in text
    assert "strange" not in text


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"", "image/png", 422, "not an image"),
        (b"\x89PNG\r\n\x1a\n broken", "image/png", 422, "not an image"),
        (b"{", "application/json", 400, "not JSON"),
        (b"[" * 100_000, "application/json", 400, "not JSON"),
        (b"[]", "application/json", 422, "send an object"),
        (b'{"photo": 1}', "application/json", 415, "files cannot be sent in JSON"),
        (b"hello", "text/plain", 415, "not a kind of image"),
        (b"--x--", "multipart/form-data; boundary=x", 422, "exactly these fields"),
        (b"no boundary", "multipart/form-data", 400, ""),
    ],
)
def test_bodies_that_cannot_be_used(client, body, kind, status, words):
    problem(client.post("/predict/photos", content=body, headers={"content-type": kind}), status, words)


def test_cut_image_is_refused_with_its_reason(client, png_of):
    problem(client.post("/predict/photos", content=png_of(1, 200)[:3000]), 422, "cannot be predicted")


def test_unknown_model_and_method(client):
    problem(client.get("/predict/photos"), 405, "Method Not Allowed")
    problem(client.post("/predict/nobody"), 404, "Not Found")
    problem(client.get("/m/nobody"), 404, "There are: photos")


def test_limits_come_before_decoding(photos, png_of):
    with TestClient(make_app([photos], ServeConfig(max_pixels=500, max_body_mb=0.01))) as client:
        problem(client.post("/predict/photos", content=png_of(1)), 413, "28 x 28 pixels")
        problem(client.post("/predict/photos", content=b"x" * 20_000), 413, "larger than 0.01 MB")
        parts = (b"x" * 5000 for _ in range(5))  # of unknown length
        problem(client.post("/predict/photos", content=parts), 413, "larger than 0.01 MB")


def test_keys_are_asked_for_where_predictions_are_given(photos, png_of):
    with TestClient(make_app([photos], keys=[KEY, b"f" * 20])) as client:
        assert client.get("/").status_code == client.get("/healthz").status_code == 200
        problem(client.post("/predict/photos", content=png_of(1)), 401, "Authorization: Bearer")
        problem(client.get("/models", headers={"authorization": "Bearer wrong"}), 401, "key")
        for headers in ({"authorization": "Bearer " + KEY.decode()}, {"x-api-key": "f" * 20}):
            assert client.post("/predict/photos", content=png_of(1), headers=headers).status_code == 200


def test_requests_of_a_minute_are_limited(photos, png_of):
    with TestClient(make_app([photos], ServeConfig(per_minute=2))) as client:
        statuses = [client.post("/predict/photos", content=png_of(1)).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert client.get("/healthz").status_code == 200


def test_full_queue_gets_503_and_slow_predictions_a_timeout(echo):
    gate = threading.Event()
    config = ServeConfig(max_queue=1, max_batch=1, timeout_s=0.3, wait_ms=0)
    with TestClient(make_app([echo(gate=gate)], config)) as client, ThreadPoolExecutor(6) as pool:
        sent = [pool.submit(client.post, "/predict/echo", content="slow") for _ in range(6)]
        answers = [each.result() for each in sent]
        gate.set()
    words = {answer.json()["detail"][:8] for answer in answers}
    assert {answer.status_code for answer in answers} == {503}
    assert words == {"Too many", "No predi"}


def test_error_inside_a_model_tells_nothing(echo, caplog, capfd):
    with TestClient(make_app([echo()]), raise_server_exceptions=False) as client:
        answer = client.post("/predict/echo", content="bad")
    assert answer.status_code == 500
    assert answer.json()["detail"] == "The server failed at this request; its log says where."
    assert "ValueError while answering" in caplog.text
    assert "secret" not in answer.text + caplog.text + "".join(capfd.readouterr())


def test_rows_as_json_say_what_is_missing(echo):
    with TestClient(make_app([echo()])) as client:
        assert client.post("/predict/echo", json={"words": "hi"}).json()["prediction"] == {"said": "hi"}
        problem(client.post("/predict/echo", json={"word": "hi"}), 422, "unknown: word; missing: words")
        problem(client.post("/predict/echo", json={"words": 3}), 422, "must be a text")
        problem(client.post("/predict/echo", json={"words": "x" * 30_000}), 413, "30,000 characters")
        bad = client.post("/predict/echo", content=b"\xff\xfe", headers={"content-type": "text/plain"})
        problem(bad, 400, "not UTF-8")


def test_64_clients_each_get_their_own_answer(echo):
    app = make_app([echo()], ServeConfig(max_queue=1000))

    async def ask(client, number):
        for turn in range(10):
            words = f"{number}-{turn}"
            answer = await client.post("/predict/echo", content=words, headers={"content-type": "text/plain"})
            assert answer.json()["prediction"] == {"said": words}

    async def everybody():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await asyncio.gather(*(ask(client, number) for number in range(64)))

    asyncio.run(everybody())


def test_two_models_of_one_name_and_too_many_megabytes_are_refused(photos):
    with pytest.raises(ConfigError, match="NAME=FILE"):
        make_app([photos, photos])
    photos.file_mb = 50
    with pytest.raises(ConfigError, match="more than the 10 MB"):
        make_app([photos], ServeConfig(memory_mb=10))
    with pytest.raises(ConfigError, match="no model"):
        make_app([])

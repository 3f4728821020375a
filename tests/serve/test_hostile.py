import asyncio
import random

import pytest
from starlette.testclient import TestClient

from longspan.serve.app import make_app

FORM = "multipart/form-data"
KINDS = (
    "image/png", "image/jpeg", "application/json", "text/plain", f"{FORM}; boundary=x", FORM, "", "a/b; charset=\xe9",
)  # fmt: skip
JSON = (b"{}", b"null", b'{"photo": {}}', b'{"photo": NaN}', b"[[[[", b'{"photo": "\\ud800"}', b"1e999")
ANSWERS = {200, 400, 413, 415, 422}


def mutated(draws, body):
    changed = bytearray(body)
    kind = draws.randrange(5)
    if kind == 0:
        return body[: draws.randrange(len(body))]
    if kind == 1:
        for _ in range(draws.randrange(1, 30)):
            changed[draws.randrange(len(changed))] = draws.randrange(256)
        return bytes(changed)
    if kind == 2:
        return draws.randbytes(draws.randrange(500))
    if kind == 3:
        return draws.choice(JSON)
    head = b"--x\r\nContent-Disposition: form-data; name=" + draws.choice([b"photo", b'"photo"', draws.randbytes(9)])
    name = draws.choice([b'; filename="a"\r\n\r\n', b"\r\n\r\n", b""])
    return head + name + body + draws.choice([b"\r\n--x--\r\n", b""])


# Of a form that ends too early, the parser leaves the temporary file to the garbage collector.
@pytest.mark.filterwarnings("ignore:Unclosed file", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_mutated_requests_get_problems_and_no_errors(photos, png_of):
    draws = random.Random(0)
    with TestClient(make_app([photos])) as client:
        for _ in range(300):
            body = mutated(draws, png_of(draws.randrange(5)))
            headers = {"content-type": draws.choice(KINDS).encode("latin-1")}
            answer = client.post("/predict/photos", content=body, headers=headers)
            assert answer.status_code in ANSWERS, (answer.status_code, headers, body[:80])
            if answer.status_code != 200:
                assert answer.json()["detail"]
        assert client.post("/predict/photos", content=png_of(0)).status_code == 200


@pytest.mark.parametrize("kind", ["image/png", f"{FORM}; boundary=x", "application/json"])
def test_a_client_that_goes_away_is_no_error(photos, kind):
    app, sent = make_app([photos]), []
    messages = [{"type": "http.request", "body": b"--x\r\n", "more_body": True}, {"type": "http.disconnect"}]

    async def receive():
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/predict/photos", "raw_path": b"/predict/photos", "root_path": "",
        "query_string": b"", "headers": [(b"content-type", kind.encode())], "http_version": "1.1", "scheme": "http",
        "client": ("127.0.0.1", 9), "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 400

import hashlib
import http.server
import threading

import pytest
import torch
from safetensors import safe_open
from torchvision import models as published

from longspan.errors import ChecksumError, FetchError, WeightsError
from longspan.models import create
from longspan.models.vision import imagenet
from longspan.models.vision.imagenet import imagenet_file, weights_cache

NAME = "shufflenet_v2_x0_5"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A local web site that publishes weights, with an empty cache and no data packs."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        asked: list[str] = []  # noqa: RUF012

        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, format, *args):
            self.asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LONGSPAN_DATA", raising=False)

    def publish(name, content, digest=None):
        digest = digest or hashlib.sha256(content).hexdigest()[:8]
        (folder / f"{name}-{digest}.pth").write_bytes(content)
        address = f"http://127.0.0.1:{server.server_port}/{name}-{digest}.pth"
        monkeypatch.setattr(imagenet, "_address", lambda _: address)
        return address

    yield publish, Handler.asked
    server.shutdown()
    thread.join()
    server.server_close()


def _pth(state, tmp_path):
    torch.save(state, tmp_path / "w.pth")
    return (tmp_path / "w.pth").read_bytes()


def test_downloads_checks_converts_and_keeps(site, tmp_path):
    publish, asked = site
    net = published.shufflenet_v2_x0_5(weights=None)
    address = publish(NAME, _pth(net.state_dict(), tmp_path))
    model = create(NAME, weights="imagenet")
    assert model.state_dict()["net.conv5.0.weight"].equal(net.state_dict()["conv5.0.weight"])
    create(NAME, weights="imagenet")
    assert len(asked) == 1
    assert [path.suffix for path in weights_cache().iterdir()] == [".safetensors"]
    with safe_open(next(weights_cache().iterdir()), "pt") as file:
        assert file.metadata() == {"source": address}


def test_a_file_that_is_not_the_published_one_is_not_kept(site, tmp_path):
    publish, _ = site
    publish(NAME, _pth({"a": torch.zeros(1)}, tmp_path), digest="0123abcd")
    with pytest.raises(
        ChecksumError, match=r"0123abcd\.pth gave a file whose sha256 begins with [0-9a-f]{8}, expected"
    ):
        create(NAME, weights="imagenet")
    assert list(weights_cache().iterdir()) == []


def test_a_published_file_that_is_no_state_dict_is_not_kept(site):
    publish, _ = site
    publish(NAME, b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(WeightsError, match=r"os\.system"):
        create(NAME, weights="imagenet")
    assert list(weights_cache().iterdir()) == []


def test_without_network_the_address_and_the_way_out_are_named(site, monkeypatch):
    address = "http://127.0.0.1:9/shufflenet-00000000.pth"  # nothing listens on the discard port
    monkeypatch.setattr(imagenet, "_address", lambda _: address)
    with pytest.raises(FetchError, match=rf"{address}(?s:.*)weights/{NAME}\.safetensors(?s:.*)LONGSPAN_DATA"):
        create(NAME, weights="imagenet")
    assert list(weights_cache().iterdir()) == []


def test_data_packs_serve_before_the_address(site, tmp_path, monkeypatch):
    monkeypatch.setenv("LONGSPAN_DATA", str(tmp_path / "packs"))
    pack = tmp_path / "packs" / "weights" / f"{NAME}.safetensors"
    pack.parent.mkdir(parents=True)
    pack.touch()
    assert imagenet_file(create(NAME)) == pack
    kept = weights_cache() / "shufflenetv2_x0.5-f707e7126e.safetensors"
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert imagenet_file(create(NAME)) == kept


def test_cache_is_the_users_without_the_variable(monkeypatch):
    monkeypatch.delenv("LONGSPAN_CACHE", raising=False)
    assert weights_cache().parts[-2:] == ("longspan", "weights")

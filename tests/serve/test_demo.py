"""The model of `longspan serve --demo`."""

from types import SimpleNamespace

import pytest

from longspan.serve import demo


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Options of every training; each writes a file in place of a model."""
    options = []

    def run(chosen, started):
        options.append(chosen)
        (started.folder / "model.safetensors").write_bytes(b"model")

    monkeypatch.setattr(demo, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr("longspan.systems.find_system", lambda name: SimpleNamespace(name=name, run=run))
    return options


def test_the_model_is_trained_once_at_the_largest_size_alone(tmp_path, trained):
    name, _, path = demo.demo_model().partition("=")
    assert (name, path) == ("numbers", str(tmp_path / "demo" / "model.safetensors"))
    assert demo.demo_model() == f"numbers={path}"
    assert [(each.sizes, each.seeds) for each in trained] == [("400", 1)]

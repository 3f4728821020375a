"""The container's files: what they run, as whom, and that what they name exists. Docker itself is not needed."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from starlette.testclient import TestClient

from longspan.cli import main
from longspan.serve.app import make_app

ROOT = Path(__file__).parent.parent.parent
TARGETS = ("onnx", "full")


def stages():
    """By stage its instructions, as words: name and rest; those of the stage it starts from come first."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    found = {}
    for line in lines:
        if not line or line.startswith("#"):
            continue
        name, rest = line.split(maxsplit=1)
        if name == "FROM":
            image, stage = rest.split(" AS ")
            found[stage] = [*found.get(image, []), ("FROM", image)]
        else:
            found[stage].append((name, rest))
    return found


def values(stage, name):
    return [rest for each, rest in stages()[stage] if each == name]


@pytest.fixture
def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["longspan"]


@pytest.mark.parametrize("target", TARGETS)
def test_it_runs_without_root_rights_from_a_named_version(target):
    assert values(target, "USER")[-1] == "10001"
    assert "--uid 10001" in " ".join(values(target, "RUN"))
    assert re.fullmatch(r"python:3\.\d+-slim", values(target, "FROM")[0])
    # What is installed after the last USER would need rights that the user has not.
    assert [name for name, _ in stages()[target]][-2:] == ["USER", "CMD"]


@pytest.mark.parametrize("target", TARGETS)
def test_signals_reach_the_server(target):
    # The form of a shell would make a shell the first process, which passes no signal on.
    assert all(each.startswith("[") for name in ("ENTRYPOINT", "CMD") for each in values(target, name))
    assert values(target, "STOPSIGNAL") == ["SIGTERM"]


@pytest.mark.parametrize("target", TARGETS)
def test_pip_keeps_no_cache_and_nothing_is_fetched_by_address(target):
    assert "PIP_NO_CACHE_DIR=1" in values(target, "ENV")[0]
    assert not values(target, "ADD")
    assert "http" not in " ".join(values(target, "RUN"))


def test_what_is_copied_exists():
    for each in values("full", "COPY"):
        assert all((ROOT / name).exists() for name in each.split()[:-1])


def test_packages_of_the_small_target_are_ours():
    (run,) = (each for each in values("onnx", "RUN") if "onnxruntime" in each)
    named = {word for word in shlex.split(run.partition("&&")[0]) if word[0].isalpha()} - {"python", "pip", "install"}
    project = (ROOT / "pyproject.toml").read_text()
    assert named - {"constraints.txt", "m"} == {
        "onnxruntime", "numpy", "pillow", "polars", "narwhals", "typer", "soundfile", "soxr", "fastapi", "uvicorn",
        "python-multipart",
    }  # fmt: skip
    assert all(f'"{name}>=' in project for name in named - {"constraints.txt", "m"})
    assert "torch" not in named


def test_the_health_check_asks_what_the_server_answers(photos):
    (check,) = values("onnx", "HEALTHCHECK")
    path = re.search(r"127\.0\.0\.1:8000(/\w+)", check)
    assert path is not None
    with TestClient(make_app([photos])) as client:
        assert client.get(path[1]).status_code == 200


def test_the_command_of_the_composed_service_is_checked_by_serve(exported, compose, tmp_path, monkeypatch, capsys):
    (entry,) = values("onnx", "ENTRYPOINT")
    words = [*yaml.safe_load(entry), *compose["command"]]
    assert words[:2] == ["longspan", "serve"]
    keys = tmp_path / "keys"
    keys.write_text("0123456789abcdef0123\n")
    here = {"/models/model.onnx": str(exported[1].path), "/run/secrets/keys": str(keys), "0.0.0.0": "127.0.0.1"}
    monkeypatch.setattr("sys.argv", [*(here.get(word, word) for word in words), "--check", "--port", "18732"])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 0
    assert "everything is in order" in capsys.readouterr().out


def test_the_composed_service_may_do_little_and_may_finish(compose):
    assert compose["read_only"] is True
    assert compose["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in compose["security_opt"]
    assert int(compose["stop_grace_period"].removesuffix("s")) > 30  # so long may requests take to end
    assert {"cpus", "memory"} == set(compose["deploy"]["resources"]["limits"])
    assert compose["build"]["target"] in stages()

import socket

import pytest

from longspan.cli import main


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["longspan", "serve", *map(str, words)])
    with pytest.raises(SystemExit) as done:
        main()
    printed = capsys.readouterr()
    return done.value.code, printed.out, printed.err


def test_check_loads_the_models_and_exits(exported, monkeypatch, capsys, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("0123456789abcdef\n")
    code, out, _ = run(monkeypatch, capsys, f"pets={exported[1].path}", "--check", "--key-file", keys, "--port", 18765)
    assert code == 0
    assert "pets: photo (image)" in out
    assert "everything is in order" in out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "Name model files, or give --demo"),
        (["x.onnx", "--demo"], "Name model files, or give --demo"),
        (["missing.onnx"], "does not exist"),
        (["x.onnx", "--port", "70000"], "--port must be between"),
        (["x.onnx", "--processes", "0"], "--processes must be between"),
        (["x.onnx", "--threads", "0"], "--threads must be between"),
        (["x.onnx", "--max-queue", "0"], "max_queue must be above 0"),
        (["x.onnx", "--key-file", "nowhere"], "nowhere cannot be read"),
    ],
)
def test_wrong_settings_are_told_before_anything_listens(words, error, monkeypatch, capsys):
    code, _, told = run(monkeypatch, capsys, *words)
    assert code == 2
    assert error in told


def test_port_in_use_is_told(exported, monkeypatch, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, told = run(monkeypatch, capsys, exported[1].path, "--port", taken.getsockname()[1], "--check")
    assert code == 2
    assert "Choose another --port" in told


def test_a_gpu_is_not_asked_for_where_only_exported_models_are_served(exported, monkeypatch, capsys):
    code, _, told = run(monkeypatch, capsys, exported[1].path, "--device", "cuda", "--check")
    assert code == 2
    assert "--device cuda: exported models run on the processor" in told

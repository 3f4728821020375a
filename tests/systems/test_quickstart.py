import json

import pytest

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems import SystemRun, find_system
from longspan.systems.quickstart import QuickstartOptions


def test_a_quick_look_ends_in_a_prediction(tmp_path, capsys):
    find_system("quickstart").run(QuickstartOptions(limit=200, epochs=2), SystemRun("quickstart", tmp_path, seed=1))
    result = json.loads((tmp_path / "result.json").read_text())
    assert set(result["metrics"]) == {"valid_accuracy", "test_accuracy"}
    model = ls.load(tmp_path / "model.safetensors")
    assert [opening["rows"] for opening in model.info["vault"]["openings"]] == [30]
    said = capsys.readouterr().out
    answer = model.predict(tmp_path / "digit.png")
    assert f"the saved model says {answer.value}, with probability {answer.probability:.2f}." in said
    assert f"longspan predict {tmp_path / 'model.safetensors'} {tmp_path / 'digit.png'} --json" in said


@pytest.mark.slow
def test_learns_to_read(tmp_path):
    find_system("quickstart").run(QuickstartOptions(), SystemRun("quickstart", tmp_path, quiet=True))
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["metrics"]["test_accuracy"] >= 0.95
    assert result["seconds"]["train"] <= 45


def test_too_few_rows_are_refused():
    with pytest.raises(ConfigError, match="--limit must be at least 100"):
        QuickstartOptions(limit=20)

import json

import pytest

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems import SystemRun, find_system
from longspan.systems.function_registry import load_with_functions
from longspan.systems.numbers.quickstart import QuickstartOptions

QUICK = QuickstartOptions(sizes="20,40", seeds=2, steps=2, images=50)


def test_a_quick_look_ends_in_curves_and_a_reading(tmp_path, capsys):
    run = SystemRun("quickstart", tmp_path, seed=1)
    find_system("quickstart").run(QUICK, run)
    result = json.loads((tmp_path / "result.json").read_text())
    assert set(result["metrics"]) == {"right, in stages, 40 images", "right, end to end, 40 images"}
    frame = ls.Study.open(tmp_path / "study.sqlite").frame()
    assert sorted(frame["size"].unique()) == [20, 40]
    assert len(frame) == 2 * 2 * 2
    said = capsys.readouterr().out
    answer = load_with_functions(tmp_path / "model.safetensors").predict(tmp_path / "number.png")["number"]
    assert f"the saved model reads {answer}." in said
    assert "numbers misread, by training images" in said
    assert f"longspan predict {tmp_path / 'model.safetensors'} {tmp_path / 'number.png'} --json" in said
    page = (tmp_path / "report.html").read_text()
    assert "Ceiling analysis" in page

    before = frame["seconds"].to_list()
    find_system("quickstart").run(QUICK, run)  # nothing finished is run again
    assert ls.Study.open(tmp_path / "study.sqlite").frame()["seconds"].to_list() == before


@pytest.mark.slow
def test_learns_to_read(tmp_path):
    find_system("quickstart").run(QuickstartOptions(), SystemRun("quickstart", tmp_path, quiet=True))
    result = json.loads((tmp_path / "result.json").read_text())
    assert max(result["metrics"].values()) >= 0.5
    assert result["seconds"]["train"] <= 120


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"sizes": "10,100"}, "at least 20 rows"), ({"sizes": "many"}, "whole numbers"), ({"steps": 0}, "--steps"),
     ({"seeds": 0}, "--seeds"), ({"images": 3}, "--images"), ({"jobs": 0}, "--jobs")],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(ConfigError, match=words):
        QuickstartOptions(**wrong)

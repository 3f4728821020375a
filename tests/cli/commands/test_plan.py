"""`longspan plan`: from a table of runs, and files that are no pilot."""

import json

import polars as pl
import pytest


def test_on_the_command_line_from_a_table_of_runs(longspan, tmp_path):
    rows = [(name, 100, seed, 0.2 + 0.01 * seed * (name == "a")) for seed in range(3) for name in "ab"]
    frame = pl.DataFrame(rows, schema=["strategy", "size", "seed", "error"], orient="row")
    frame.write_csv(tmp_path / "like.csv")
    told = longspan("plan", tmp_path / "like.csv", "--difference", "0.15", "--rows", "500")
    assert told.code == 0
    assert "To detect a difference of 0.15 between a and b" in told.out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x00\x01\x02", "is not a table of runs|cannot be read as a table of runs"),
        (b"when,what\n1,2\n", "has no column 'strategy', 'size', 'seed', 'error'"),
        (None, "no pilot"),
    ],
)
def test_a_file_that_is_no_pilot_is_refused_in_words(longspan, tmp_path, content, words):
    path = tmp_path / "like.csv"
    if content is not None:
        path.write_bytes(content)
    told = longspan("plan", path, "--difference", "0.1", "--rows", "10")
    assert told.code == 2
    assert any(word in told.err for word in words.split("|"))
    assert "Traceback" not in told.err


def ceiling_file(folder):
    stages = [{"stage": name, "adds": [name], "error": 0.1, "gain": gain, "gain_low": 0.0, "gain_high": 0.3, "note": ""}
              for name, gain in (("find", 0.2), ("read", 0.08))]  # fmt: skip
    values = {"target": "number", "measure": "error", "error": 0.3, "level": 0.95, "num_rows": 500, "stages": stages}
    path = folder / "ceiling.json"
    path.write_text(json.dumps(values))
    return path


def curves_file(folder):
    rows = [
        (name, n, seed, 0.2 * (n / 100) ** -power + 0.001 * seed)
        for name, power in (("find", 0.1), ("read", 0.5))
        for n in (100, 200, 400)
        for seed in range(3)
    ]
    path = folder / "stages.csv"
    pl.DataFrame(rows, schema=["stage", "labels", "seed", "error"], orient="row").write_csv(path)
    return path


def test_which_labels_of_a_pipeline_to_buy(longspan, tmp_path):
    options = ("plan", ceiling_file(tmp_path), "--curves", curves_file(tmp_path), "--money", "400")
    cheap = longspan(*options, "--prices", "find=1,read=1")
    assert cheap.code == 0
    assert cheap.out.splitlines()[0].startswith(
        "read: 400 labels for 400 are expected to cut the pipeline's error by 2."
    )
    assert " %" in cheap.out
    dear = longspan(*options, "--prices", "find=1,read=10", "--json")
    assert [each["stage"] for each in json.loads(dear.out)] == ["find", "read"]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"money": None}, "give --money (to be spent) as well"),
        ({"prices": "find"}, "a price above 0 for each stage"),
        ({"prices": "find=1"}, "'read' has no price"),
        ({"curves": "nowhere.csv"}, "There is no file nowhere.csv"),
        ({"ceiling": "[1, 2"}, "cannot be read as the JSON of a ceiling analysis"),
        ({"ceiling": "[1, 2]"}, "not the values of a ceiling analysis"),
    ],
)
def test_labels_are_not_planned_from_files_of_another_kind(longspan, tmp_path, broken, words):
    path, curves = ceiling_file(tmp_path), curves_file(tmp_path)
    if "ceiling" in broken:
        path.write_text(broken["ceiling"])
    options = {"curves": str(curves), "prices": "find=1,read=1", "money": "400"} | broken
    given = [word for name in ("curves", "prices", "money") if options[name] for word in (f"--{name}", options[name])]
    told = longspan("plan", path, *given)
    assert told.code != 0
    assert words in told.err
    assert "Traceback" not in told.err


def test_without_a_difference_nothing_is_planned(longspan, tmp_path):
    told = longspan("plan", curves_file(tmp_path))
    assert told.code == 2
    assert "--difference 0.01" in told.err

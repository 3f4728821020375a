"""A stranger's study file: tables, values and facts that are not those of a study are refused; nothing in it runs."""

import json
import sqlite3
import time

import pytest

from longspan.errors import StudyError
from longspan.study.results import StudyResults
from longspan.study.runs.metadata_validation import fact_faults
from longspan.study.runs.runs import Run, RunResult
from longspan.study.runs.store import StudyFile

FACTS = {
    "plan": {"strategies": ["x"], "sizes": [10], "seeds": [0]},
    "task": {"targets": ["side"], "columns": {"side": {"kind": "category"}}, "rows": {"train": 10, "evaluated": 5}},
    "task_words": "Task(image -> side)", "measures": {"side": "fraction of wrong"},
    "settings": {"budget": None, "evaluate_on": "valid", "threads": 1}, "prices": None, "vault": [],
    "environment": {"a": 1},
}  # fmt: skip


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "s.sqlite"
    with StudyFile.create(path, FACTS) as file:
        file.add_strategies({"x": "{}"})
        file.record(
            Run("x", 10, 0), RunResult(errors={"side": 0.25}, steps=3, seconds=0.1, model="models/a.safetensors")
        )
    return path


def change(path, *statements):
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_sound_file_is_read(path):
    assert StudyResults(path).frame()["error"].to_list() == [0.25]


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS name, i AS value FROM n"


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["ALTER TABLE facts RENAME TO hidden", f"CREATE VIEW facts AS {ENDLESS}"], "view 'facts'|table 'hidden'"),
        (["CREATE TRIGGER t BEFORE INSERT ON runs BEGIN DELETE FROM facts; END"], "trigger 't' is not one of a study"),
        (["CREATE INDEX i ON runs (length(hex(model)))"], "index 'i'|not one of a study"),
        (["CREATE TABLE more (x DEFAULT (randomblob(9)))"], "table 'more' is not one of a study"),
        (["DROP TABLE errors"], "no table 'errors'"),
        (["DROP TABLE errors", "CREATE TABLE errors (strategy, size, seed, target, error)"], "table 'errors' is not"),
        (["UPDATE errors SET error = 'much'"], "'error' of 'errors' holds text, not real"),
        (["UPDATE runs SET seconds = x'00'"], "'seconds' of 'runs' holds blob, not real"),
        (["UPDATE facts SET value = '{' WHERE name = 'plan'"], "what it says of 'plan' is not JSON"),
        (["UPDATE facts SET value = '[]' WHERE name = 'plan'"], "'plan.strategies' is missing"),
        (["DELETE FROM facts WHERE name = 'measures'"], "'measures' is missing"),
        (["PRAGMA journal_mode = WAL"], "write-ahead log"),
    ],
)
def test_what_is_not_as_a_study_writes_it_is_refused_by_name_and_at_once(path, statements, words):
    change(path, *statements)
    started = time.monotonic()
    with pytest.raises(StudyError, match=words):
        StudyResults(path)
    assert time.monotonic() - started < 5
    assert [each.name for each in path.parent.iterdir()] == ["s.sqlite"]


def test_a_value_of_many_megabytes_is_refused(path):
    change(path, "UPDATE facts SET value = '\"' || hex(zeroblob(9000000)) || '\"' WHERE name = 'task_words'")
    with pytest.raises(StudyError, match="too big"):
        StudyResults(path)


@pytest.mark.parametrize("name", ["../a.safetensors", "/etc/passwd", "models/../../a.safetensors"])
def test_a_kept_model_lies_below_the_study(path, tmp_path, name):
    (tmp_path.parent / "a.safetensors").write_bytes(b"x")
    change(path, f"UPDATE runs SET model = '{name}'")
    with pytest.raises(StudyError, match="was not kept"):
        StudyResults(path).model("x", 10, 0)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("plan", {"strategies": ["x"], "sizes": [10]}, "'plan.seeds' is missing"),
        ("plan", {**FACTS["plan"], "more": 1}, "'plan' has the keys"),
        ("plan", {"strategies": ["x"] * 1000, "sizes": [1] * 1000, "seeds": [1, 2]}, "more than 1,000,000 runs"),
        ("plan", {**FACTS["plan"], "sizes": [10**30]}, "'plan.sizes' cannot be"),
        ("plan", {**FACTS["plan"], "strategies": ["\ud800"]}, "'plan.strategies' cannot be"),
        ("measures", {}, "does not name the error of 'side'"),
        ("task", {**FACTS["task"], "columns": {}}, "does not describe the target 'side'"),
        ("prices", {"cost": {"side": float("inf")}, "needs": {}}, "'prices' cannot be"),
        ("decision", {"target": "side", "choose": "x"}, "'decision' cannot be"),
    ],
)
def test_facts_are_checked_before_they_are_used(place, value, words):
    facts = {**FACTS, "created": "now", "library": "0"}
    assert fact_faults(json.loads(json.dumps(facts))) == []
    assert words in "; ".join(fact_faults({**facts, place: value}))


def test_flipped_bits_in_the_schema_are_a_study_error(path):
    whole = path.read_bytes()
    start = whole.index(b"CREATE TABLE facts")
    for place in range(start, start + 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x94]) + whole[place + 1 :])
        with pytest.raises(StudyError):
            StudyResults(path)

"""The study file: whole runs or none, read while it runs, and everything that is no study file refused by name."""

import math
import sqlite3
import subprocess
import sys

import pytest

from longspan.errors import StudyError
from longspan.study.runs.runs import Failure, Run, RunResult
from longspan.study.runs.store import StudyFile, StudyLock

RUN = Run("plain", 20, 0)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "study.sqlite"
    with StudyFile.create(path, {"plan": {"sizes": [20]}}) as file:
        file.add_strategies({"plain": "{}"})
    return path


def result(**errors):
    return RunResult(errors=errors, steps=7, seconds=0.5, model="models/a.safetensors")


def test_figures_come_back_bit_for_bit_and_in_order_of_targets(path):
    error = math.nextafter(0.1, 1)
    with StudyFile.open_file(path) as file:
        file.record(RUN, result(second=error, first=1 / 3))
    with StudyFile.open_file(path) as file:
        rows = file.rows()
        assert [(row["target"], row["error"]) for row in rows] == [("second", error), ("first", 1 / 3)]
        assert rows[0] == {
            "strategy": "plain", "size": 20, "seed": 0, "target": "second", "error": error, "steps": 7, "seconds": 0.5,
            "model": "models/a.safetensors",
        }  # fmt: skip
        assert file.finished() == {RUN}
        assert file.seconds() == {RUN: 0.5}


def test_a_success_takes_the_place_of_a_failure_and_a_failure_that_of_an_older_one(path):
    with StudyFile.open_file(path) as file:
        file.record(RUN, Failure(kind="ValueError", message="first"))
        file.record(RUN, Failure(kind="ValueError", message="second", trace="line 3"))
        assert [(row["message"], row["trace"]) for row in file.failures()] == [("second", "line 3")]
        assert file.finished() == set()
        file.record(RUN, result(digit=0.1))
        assert file.failures() == []


def test_half_a_record_is_none_at_all(path):
    with StudyFile.open_file(path) as file:
        with pytest.raises(StudyError, match=r"damaged|cannot be read or written"):
            file.record(RUN, result(digit=0.1, other=None))  # SQLite refuses the second target
        assert file.rows() == []
        assert file.finished() == set()


def test_a_process_killed_while_it_writes_leaves_what_was_there_before_and_no_lock(path):
    script = f"""
import os
from pathlib import Path
from longspan.study.runs.store import StudyFile, StudyLock
from longspan.study.runs.runs import Run, RunResult
lock, file = StudyLock(Path({str(path)!r})), StudyFile.open_file(Path({str(path)!r}))
file.record(Run("plain", 20, 0), RunResult(errors={{"digit": 0.25}}, steps=1, seconds=1.0))
file._connection.execute("BEGIN IMMEDIATE")
file._connection.execute("INSERT INTO runs VALUES ('plain', 40, 0, 1, 1.0, NULL, '')")
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with StudyLock(path), StudyFile.open_file(path) as file:
        assert [(row["size"], row["error"]) for row in file.rows()] == [(20, 0.25)]


def test_facts_are_added_and_replaced(path):
    with StudyFile.open_file(path) as file:
        file.set_facts({"vault": [1], "plan": {"sizes": [20, 40]}})
        facts = file.facts()
    assert facts["vault"] == [1]
    assert facts["plan"] == {"sizes": [20, 40]}
    assert facts["library"]
    assert facts["created"]


def test_strategies_keep_their_order_and_their_first_description(path):
    with StudyFile.open_file(path) as file:
        file.add_strategies({"b": "1", "a": "2", "plain": "other"})
        assert list(file.strategies().items()) == [("plain", "{}"), ("b", "1"), ("a", "2")]


def test_an_empty_file_counts_as_none(tmp_path):
    path = tmp_path / "study.sqlite"
    path.touch()
    with pytest.raises(StudyError, match="is empty: a study was to be started there"):
        StudyFile.open_file(path)
    StudyFile.create(path, {}).close()
    StudyFile.open_file(path).close()


def test_nothing_is_overwritten(path, tmp_path):
    with pytest.raises(StudyError, match="exists already and is never overwritten"):
        StudyFile.create(path, {})
    with pytest.raises(StudyError, match="There is no study file"):
        StudyFile.open_file(tmp_path / "none.sqlite")


def test_what_is_no_study_file_is_refused_by_name_and_left_as_it_is(path, tmp_path):
    text = tmp_path / "notes.sqlite"
    text.write_text("buy milk " * 200)
    with pytest.raises(StudyError, match=r"notes\.sqlite is not a study file, or is damaged"):
        StudyFile.open_file(text)
    assert text.read_text() == "buy milk " * 200

    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE milk (litres REAL)")
    connection.close()
    with pytest.raises(StudyError, match=r"other\.sqlite is a SQLite file, but not one of a study"):
        StudyFile.open_file(other)

    newer = tmp_path / "newer.sqlite"
    newer.write_bytes(path.read_bytes())
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(StudyError, match="is a study of format 9; this longspan"):
        StudyFile.open_file(newer)


@pytest.mark.parametrize("kept", [100, 5000, 12_000])
def test_a_file_cut_short_is_refused(path, kept):
    whole = path.read_bytes()
    assert len(whole) > 12_000
    path.write_bytes(whole[:kept])
    with pytest.raises(StudyError, match=r"study\.sqlite (is not a study file, or is damaged|is a SQLite file, but)"):
        StudyFile.open_file(path)
    assert path.read_bytes() == whole[:kept]


def test_a_file_with_garbage_inside_is_refused(path):
    whole = bytearray(path.read_bytes())
    whole[4096:12_288] = b"\x7f" * 8192
    path.write_bytes(whole)
    with pytest.raises(StudyError, match="damaged"):
        StudyFile.open_file(path)


def test_one_at_a_time_and_the_file_is_read_meanwhile(path):
    with StudyLock(path), StudyFile.open_file(path) as file:
        file.record(RUN, result(digit=0.1))
        with pytest.raises(StudyError, match="is being run already"):
            StudyLock(path)
        with StudyFile.open_file(path) as reader:
            assert reader.finished() == {RUN}
    with StudyLock(path):
        pass

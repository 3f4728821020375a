"""`longspan plan`: from a table of runs, and files that are no pilot."""

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

import json
import shutil

import polars as pl
import pytest
from PIL import Image as PILImage
from PIL import ImageOps

PATTERN = r"(?P<breed>.+)_\d+\.png"


def test_copies_in_a_folder_are_named_and_the_exit_code_says_so(longspan, pets):
    assert longspan("leaks", pets, "--pattern", PATTERN).code == 0
    for number in range(12):
        shutil.copy(pets / f"pug_{number}.png", pets / f"pug_{number + 100}.png")
    answer = longspan("leaks", pets, "--pattern", PATTERN)
    assert answer.code == 3
    assert "identical" in answer.out
    assert "pug_1" in answer.out


def test_a_second_source_is_what_tests(longspan, pets, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    ImageOps.mirror(PILImage.open(pets / "pug_3.png")).save(other / "pug_0.png")
    answer = longspan("leaks", pets, "--against", other, "--pattern", PATTERN)
    assert answer.code == 3
    assert "24 train, 0 valid, 1 test" in answer.out
    assert "pug_3.png (train)" in answer.out
    assert "mirrored" in answer.out
    assert longspan("leaks", pets, "--against", other, "--split-by", "column:x", "--pattern", PATTERN).code == 2


def test_groups_time_and_a_column_that_knows_the_answer(longspan, tmp_path):
    n = 200
    table = {
        "who": [f"p{i // 4}" for i in range(n)],
        "day": [f"2024-{1 + i % 11:02d}-01" for i in range(n)],
        "age": [20 + (i * 37) % 61 for i in range(n)],
        "code": ["x" if i % 3 else "y" for i in range(n)],
        "part": ["test" if i % 5 == 0 else "train" for i in range(n)],
        "ill": ["no" if i % 3 else "yes" for i in range(n)],
    }
    pl.DataFrame(table).write_csv(tmp_path / "people.csv")
    words = ["leaks", tmp_path / "people.csv", "--split-by", "column:part", "--valid", "0", "--target", "ill"]
    answer = longspan(*words, "--group", "who", "--time", "day", "--json")
    assert answer.code == 3
    said = json.loads(answer.out)
    assert {leak["kind"]: leak["column"] for leak in said["columns"]} == {
        "group": "who",
        "time": "day",
        "target": "code",
    }
    assert said["pairs"] == []
    plain = longspan(*words, "--input", "age", "--input", "day")
    assert plain.code == 0
    assert "column 'who' may name groups" in plain.out


@pytest.mark.parametrize("words", [["--group", "whom"], ["--input", "aeg"]])
def test_unknown_columns_are_refused(longspan, tmp_path, words):
    pl.DataFrame({"who": ["a", "b"] * 5, "age": range(10)}).write_csv(tmp_path / "t.csv")
    answer = longspan("leaks", tmp_path / "t.csv", *words)
    assert answer.code == 2
    assert "Did you mean" in answer.err

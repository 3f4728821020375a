import polars as pl
import pytest

import longspan as ls
from longspan.data.readers.delimiters import decimal_commas, find_delimiter
from longspan.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1;2\n", ";"),
        ("a\tb\n1\t2\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ("name,tags\nx,cat;dog;cow\n", ","),
        ("name;size\nx;1,5\n", ";"),
        ('"a;b;c",d\n1,2\n', ","),
        ("words\none; two; three\n", ","),
        ("a\tb\nx, y, z\t2\n", "\t"),
        ("\ufeffa;b\n1;2\n", ";"),
        ("", ","),
    ],
)
def test_the_heading_says_what_stands_between_cells(text, delimiter):
    assert find_delimiter(text.encode()) == delimiter


def test_only_the_beginning_of_a_large_file_is_read():
    assert find_delimiter(("a;b\n" + "1;2\n" * 100_000).encode()) == ";"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,5", "2", ""], ["1.5", "2", ""]),
        (["-1,5", "+2,25e3"], ["-1.5", "+2.25e3"]),
        (["1", "2"], None),
        (["1,5", "x"], None),
        (["1,234,567"], None),
        ([""], None),
    ],
)
def test_decimal_commas(cells, expected):
    found = decimal_commas(pl.Series("a", cells))
    assert (None if found is None else found.to_list()) == expected


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.txt"])
@pytest.mark.parametrize("between", [",", ";", "\t", "|"])
def test_tables_are_the_same_whatever_stands_between(tmp_path, name, between):
    lines = [["size", "kind", "note"], ["1", "a", '"x' + between + ' y"'], ["2", "b", "z"]]
    (tmp_path / name).write_text("\n".join(between.join(cells) for cells in lines))
    table = ls.Table.read(tmp_path / name)
    assert [list(row.values()) for row in table] == [[1, "a", f"x{between} y"], [2, "b", "z"]]


def test_semicolons_go_with_decimal_commas_and_that_is_said(tmp_path):
    (tmp_path / "a.csv").write_text("size;code\n1,5;07\n-2;08\n")
    with pytest.warns(UserWarning, match="column 'size': commas are read as decimal points"):
        table = ls.Table.read(tmp_path / "a.csv")
    assert (table["size"], table["code"]) == ([1.5, -2.0], ["07", "08"])
    declared = ls.Table.from_csv(tmp_path / "a.csv", {"size": ls.Category()}, delimiter=";")
    assert declared["size"] == ["1,5", "-2"]


def test_what_is_asked_for_is_taken(tmp_path):
    (tmp_path / "a.csv").write_text("a;b,c\n1;2,3\n")
    assert list(ls.Table.from_csv(tmp_path / "a.csv", delimiter=",").columns) == ["a;b", "c"]
    with pytest.raises(ConfigError, match="one character"):
        ls.Table.from_csv(tmp_path / "a.csv", delimiter=", ")


def test_a_ragged_line_is_named_with_its_delimiter(tmp_path):
    (tmp_path / "a.csv").write_text("a;b\n1;2\n" + "1;2\n" * 60 + "1;2;3\n")
    with pytest.raises(DataError, match=r"line 63 has 3 cells, the heading 2\. Is it UTF-8 with semicolons between"):
        ls.Table.read(tmp_path / "a.csv")


def test_from_csv_reads_commas_and_says_what_a_file_has_instead(tmp_path):
    for name, text, found, between in (
        ("a.csv", "photo;k\na;b\n", r"semicolons between its cells, not commas: 'photo;k'", ";"),
        ("b.csv", "photo\tk\na\tb\n", r"tabs between its cells, not commas: 'photo\\tk'", "\t"),
        ("c.tsv", "photo|k\na|b\n", r"bars between its cells, not tabs: 'photo\|k'", "|"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match=rf"{name} has {found}.*Table\.read"):
            ls.Table.from_csv(tmp_path / name)
        said = ls.Table.from_csv(tmp_path / name, delimiter=between)
        assert [list(row.values()) for row in said] == [list(row.values()) for row in ls.Table.read(tmp_path / name)]
        assert list(said.columns) == ["photo", "k"]

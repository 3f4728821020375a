"""CSV files: kinds of cells, faults, remarks."""

import gzip

import pytest

from longspan.columns import Boxes, Category, Image, Number, Text
from longspan.data import Table
from longspan.errors import ConfigError, DataError, UnknownNameError


def test_csv_columns_are_typed_by_their_values_unless_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("file,digit,age,word\na.png,3,1.5,x\nb.png,4,,y\n")
    table = Table.from_csv(path, {"file": Image(), "digit": Category()})
    kinds = {name: column.kind for name, column in table.columns.items()}
    assert kinds == {"file": "image", "digit": "category", "age": "number", "word": "category"}
    assert table[0] == {"file": str(tmp_path / "a.png"), "digit": 3, "age": 1.5, "word": "x"}
    assert table[1]["age"] is None


def test_image_paths_start_beside_the_csv_or_at_root(tmp_path):
    (tmp_path / "a.csv").write_text("file\na.png\n/abs/b.png\n")
    columns = {"file": Image()}
    assert Table.from_csv(tmp_path / "a.csv", columns).column_values("file")[1] == "/abs/b.png"
    assert Table.from_csv(tmp_path / "a.csv", columns, root="/data").column_values("file")[0] == "/data/a.png"


def test_csv_gz_and_nan(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n1.5,x\nNaN,y\n"))
    assert Table.from_csv(tmp_path / "a.csv.gz").column_values("a") == [1.5, None]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8"])
def test_a_file_is_read_in_the_encoding_that_is_named(tmp_path, encoding):
    held = 'film;stars\n"schön;\ngut";4,5\nfürchterlich;1,5\n'.encode(encoding)
    for path, content in ((tmp_path / "a.csv", held), (tmp_path / "a.csv.gz", gzip.compress(held))):
        path.write_bytes(content)
        with pytest.warns(UserWarning, match="commas are read as decimal points"):
            table = Table.read(path, encoding=encoding)
        assert (table["film"], table["stars"]) == (["schön;\ngut", "fürchterlich"], [4.5, 1.5])
        assert table.row_name(1).endswith("line 4")  # as an editor counts
        with pytest.warns(UserWarning, match="decimal points"):
            assert len(Table.from_csv(path, delimiter=";", encoding=encoding)) == 2


def test_an_encoding_that_is_not_that_of_the_file_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("a,b\n1,2\nü,3\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"a\.csv, line 3: byte 0xfc is not UTF-8; .* --encoding cp1252"):
        Table.read(path)
    with pytest.raises(DataError, match=r"a\.csv, line 3: byte 0xfc is not ascii; name the encoding"):
        Table.read(path, encoding="ascii")
    with pytest.raises(ConfigError, match="There is no encoding 'cp999'; Python knows utf-8"):
        Table.read(path, encoding="cp999")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty: it has neither a heading nor rows"),
        (b"\n\n", "is empty: it has neither a heading nor rows"),
        (b"a,b\n", "has no rows"),
        (b"a,b\n1,2,3\n", "line 2 has 3 cells, the heading 2"),
        (b"a,b\n\xff\xfe,1\n", "line 2: byte 0xff is not UTF-8; save"),
        ("a,b\n1,2\n".encode("utf-16"), r"byte 0xff is not UTF-8 \(the file is UTF-16, .*\); save the file as UTF-8"),
        (b"a,b\n" + "é,1\n".encode() * 700_000 + b"x,\xc3", "line 700002: byte 0xc3 is not UTF-8"),
        (b"a,\xee\nx,1\n", "line 1: byte 0xee is not UTF-8"),
        (gzip.compress(bytes(200_000_000)), "unpacks to more than"),
        (b"\x28\xb5\x2f\xfd" + bytes(50), "packed with zstandard; unpack it first"),
        (b"a,a\n1,2\n", "several columns called 'a'; rename"),
        (b"a,b\n1,x\n2,y\0z\n", "line 3: a NUL byte. Is the file UTF-16, or damaged"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html>a,b", "is a web page, perhaps of a login or an error"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "is a pointer of Git LFS and not the file itself",
        ),
        (b"PK\x03\x04\x14\x00", "is a zip archive, as Excel's workbooks are too; unpack it, or save the sheet as CSV"),
        (b'[{"a": 1}, {"a": 2}]\n', "looks like JSON by its first line"),
        (b'{"a": 1}\n{"a": 2}\n', "looks like JSON by its first line"),
        (b"sep=,\na,b\n1,2\n", r"the first line \(sep=\) is a hint for Excel, not a heading; delete it"),
    ],
)
def test_csv_faults_name_the_file(tmp_path, content, words):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        Table.from_csv(path)
    assert str(path) in str(caught.value)


def test_a_column_that_is_not_there_gets_the_nearest_name(tmp_path):
    (tmp_path / "a.csv").write_text("breed,age\nx,1\n")
    with pytest.raises(UnknownNameError, match=r"'bred'. Did you mean 'breed'"):
        Table.from_csv(tmp_path / "a.csv", {"bred": Category()})


def test_files_that_are_not_there_or_are_folders(tmp_path):
    for read in (Table.from_csv, Table.from_parquet, Table.from_idx):
        with pytest.raises(DataError, match="gone does not exist"):
            read(tmp_path / "gone")
        with pytest.raises(DataError, match="is a folder"):
            read(tmp_path)


def csv(tmp_path, text, columns=None):
    (tmp_path / "a.csv").write_text(text)
    return Table.from_csv(tmp_path / "a.csv", columns)


def test_ids_and_dates_stay_as_they_are_written(tmp_path):
    table = csv(
        tmp_path,
        "a,b,c,d,e\n01,1.10,2020-01-31,12345678901234567890,5\n2,1.9,2020-02-01,1,-3\n",
        {"b": Category()},
    )
    assert table[0] == {"a": "01", "b": "1.10", "c": "2020-01-31", "d": "12345678901234567890", "e": 5}
    assert [column.kind for column in table.columns.values()] == ["category"] * 4 + ["number"]


def test_numbers_of_one_value_and_two_spellings_are_reported(tmp_path):
    with pytest.warns(UserWarning, match=r"column 'v': some cells, such as 1.1 and 1.10"):
        assert csv(tmp_path, "v\n1.1\n1.10\n").column_values("v") == [1.1, 1.1]
    assert csv(tmp_path, "v\n1.1\n1.10\n", {"v": Category()}).column_values("v") == ["1.1", "1.10"]


def test_words_among_numbers_are_missing_and_reported(tmp_path):
    with pytest.warns(
        UserWarning, match=r"column 'n': '\?', 'N/A', 'None' \(3 cells\) among numbers is read as missing"
    ):
        table = csv(tmp_path, "n,k\n1.5,a\nN/A,b\n?,a\nNone,b\n")
    assert table.column_values("n") == [1.5, None, None, None]
    assert csv(tmp_path, "n,k\n1,a\nnan,b\n").column_values("n") == [1, None]


def test_words_among_labels_stay_labels_and_are_reported(tmp_path):
    with pytest.warns(UserWarning, match=r"column 'k': 'N/A' \(2 cells\) is read as a label"):
        table = csv(tmp_path, "k\ncat\nN/A\nN/A\n")
    assert table.column_values("k") == ["cat", "N/A", "N/A"]


def test_a_quoted_empty_cell_is_missing_but_for_text(tmp_path):
    text = 'k,n,t\n"cat","1","x"\n"","",""\n'
    assert csv(tmp_path, text, {"t": Text()})[1] == {"k": None, "n": None, "t": ""}


def test_true_and_false_in_any_letters(tmp_path):
    assert csv(tmp_path, "k\nTRUE\nfalse\n").column_values("k") == [True, False]
    assert csv(tmp_path, "k\nTRUE\nmaybe\n").column_values("k") == ["TRUE", "maybe"]


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    (tmp_path / "a.csv").write_text('note,boxes\n"two\nlines","[]"\n\n"x","[oops"\n')
    with pytest.raises(DataError, match=r"line 5: '\[oops' is not JSON"):
        Table.from_csv(tmp_path / "a.csv", {"boxes": Boxes()})


@pytest.mark.parametrize("cells", [["1,5", "2,25"], ["10%", "20 %"], ["1,234", "12"], ["3 €", "4 €"]])
def test_written_numbers_that_become_labels_are_told(tmp_path, cells):
    (tmp_path / "t.csv").write_text("id,k\n" + "".join(f'{i},"{cell}"\n' for i, cell in enumerate(cells)))
    with pytest.warns(UserWarning, match="look like numbers"):
        table = Table.from_csv(tmp_path / "t.csv")
    assert table.column_values("k") == cells
    Table.from_csv(tmp_path / "t.csv", {"k": Category()})


def test_one_number_in_two_spellings_is_told(tmp_path):
    (tmp_path / "t.csv").write_text("k\n1e5\n2.5\n100000\n")
    with pytest.warns(UserWarning, match="such as 1e5 and 100000"):
        assert Table.from_csv(tmp_path / "t.csv").column_values("k") == [1e5, 2.5, 1e5]


@pytest.mark.parametrize(
    ("cells", "right", "said"),
    [
        (["3e4", "7e2", "12e7"], ["3e4", "7e2", "12e7"], "such as 3e4 .* are read as text. If numbers are meant"),
        (["1234", "5e43", "99"], ["1234", "5e43", "99"], "such as 5e43 .* are read as text"),
        (["1000", "1e4", "20"], [1000.0, 1e4, 20.0], "such as 1e4 .* are read as numbers. If they are names"),
    ],
)
def test_names_like_3e4_stay_text_and_what_is_in_doubt_is_said(tmp_path, cells, right, said):
    (tmp_path / "t.csv").write_text("\n".join(["id", *cells]) + "\n")
    with pytest.warns(UserWarning, match=said):
        assert Table.from_csv(tmp_path / "t.csv").column_values("id") == right


@pytest.mark.parametrize("cells", [["1e-4", "1e-3"], ["1.5e3", "2e4"], ["-1e3", "2e3"]])
def test_numbers_in_scientific_notation_stay_numbers(tmp_path, cells):
    (tmp_path / "t.csv").write_text("\n".join(["lr", *cells]) + "\n")
    assert Table.from_csv(tmp_path / "t.csv").column_values("lr") == [float(cell) for cell in cells]


def test_names_like_3e4_are_numbers_where_that_is_said(tmp_path):
    (tmp_path / "t.csv").write_text("k\n3e4\n7e2\n")
    assert Table.from_csv(tmp_path / "t.csv", {"k": Number()}).column_values("k") == [3e4, 7e2]


@pytest.mark.parametrize(
    ("text", "right", "said"),
    [
        ("a,k\n1,x\n2, \n3,y\n", ["x", None, "y"], "1 cell of blanks alone is read as missing"),
        ("a,k\n1,x\n2,?\n3,y\n", ["x", "?", "y"], r"'\?' \(1 cell\) is read as a label"),
        ("a,k\n1,03/04/2021\n2,05/06/2021\n", ["03/04/2021", "05/06/2021"], "look like dates, but do not say whether"),
    ],
)
def test_cells_that_look_like_something_else_are_named(tmp_path, text, right, said):
    (tmp_path / "t.csv").write_text(text)
    with pytest.warns(UserWarning, match=said):
        assert Table.from_csv(tmp_path / "t.csv").column_values("k") == right

import gzip
import io
import struct
import sys

import numpy as np
import polars as pl
import pytest
from PIL import Image as PILImage

from longspan.columns import Boxes, Category, Image, MultiLabel, Number, Raw, Text
from longspan.data import Table
from longspan.data.readers import readers
from longspan.errors import ConfigError, DataError, UnknownNameError


def touched(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def idx(array, code):
    """An idx file's bytes, by the description on MNIST's page."""
    head = struct.pack(">HBB", 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


# --- from_files ------------------------------------------------------------------------------------------------------


def test_groups_become_columns_and_folders_are_part_of_the_path(tmp_path):
    touched(tmp_path, "b/cat_1.jpg", "a/dog_2.jpg", "a/notes.txt")
    table = Table.from_files(tmp_path, r"(?P<set>\w)/(?P<animal>\w+)_\d+\.jpg")
    assert [row["image"] for row in table] == [str(tmp_path / "a/dog_2.jpg"), str(tmp_path / "b/cat_1.jpg")]
    assert table.column_values("set") == ["a", "b"]
    assert table.column_values("animal") == ["dog", "cat"]
    assert {name: type(column) for name, column in table.columns.items()} == {
        "image": Image,
        "set": Category,
        "animal": Category,
    }


def test_a_group_that_takes_no_part_is_missing(tmp_path):
    touched(tmp_path, "1.jpg", "2_cat.jpg")
    assert Table.from_files(tmp_path, r"\d(_(?P<label>.+))?\.jpg").column_values("label") == [None, "cat"]


def test_hidden_files_and_folders_are_left_out(tmp_path):
    touched(tmp_path, "a.jpg", ".b.jpg", ".cache/c.jpg")
    assert len(Table.from_files(tmp_path, ".*jpg")) == 1


def test_the_image_column_can_have_another_name(tmp_path):
    touched(tmp_path, "a.jpg")
    assert list(Table.from_files(tmp_path, r"(?P<image>.).jpg", image="photo").columns) == ["photo", "image"]
    with pytest.raises(ConfigError, match="group 'image' has the name of the image column"):
        Table.from_files(tmp_path, r"(?P<image>.).jpg")


def test_a_pattern_that_matches_nothing_shows_what_is_there(tmp_path):
    touched(tmp_path, "cats/1.jpg", "cats/2.jpg")
    with pytest.raises(DataError) as caught:
        Table.from_files(tmp_path, r"(?P<n>\d)\.png")
    assert "none of the 2 files" in str(caught.value)
    assert "'cats/1.jpg', 'cats/2.jpg'" in str(caught.value)
    with pytest.raises(DataError, match=r"a part of 'cats/1.jpg'; it must match the whole path"):
        Table.from_files(tmp_path, r"(?P<n>\d)\.jpg")


def test_folders_and_patterns_that_cannot_be(tmp_path):
    touched(tmp_path, "a.jpg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="gone does not exist"):
        Table.from_files(tmp_path / "gone", ".*")
    with pytest.raises(DataError, match=r"a.jpg is a file; pass the folder"):
        Table.from_files(tmp_path / "a.jpg", ".*")
    with pytest.raises(DataError, match="empty holds no files"):
        Table.from_files(tmp_path / "empty", ".*")
    with pytest.raises(ConfigError, match="not a regular expression: missing"):
        Table.from_files(tmp_path, "(")


# --- CSV and Parquet -------------------------------------------------------------------------------------------------


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


def test_parquet_keeps_lists_and_types(tmp_path):
    frame = pl.DataFrame({"tags": [["a", "b"], []], "n": [1, 2], "s": ["x", None]})
    frame.write_parquet(tmp_path / "a.parquet")
    table = Table.from_parquet(tmp_path / "a.parquet")
    assert [type(column) for column in table.columns.values()] == [MultiLabel, Number, Category]
    assert table[0] == {"tags": ["a", "b"], "n": 1, "s": "x"}
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 is not enough")
    with pytest.raises(DataError, match=r"bad.parquet cannot be read as Parquet"):
        Table.from_parquet(tmp_path / "bad.parquet")


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


def test_images_in_structs_are_read(tmp_path):
    content = io.BytesIO()
    PILImage.new("L", (4, 3)).save(content, "PNG")
    for column in (None, {"image": Image()}):
        table = Table.from_frame(
            pl.DataFrame({"image": [{"bytes": content.getvalue(), "path": "a.png"}] * 2, "s": [{"x": [1]}] * 2}), column
        )
        assert [type(column) for column in table.columns.values()] == [Image, Raw]
        assert table.columns["image"].fit(table.column_values("image")).size_px == (3, 4)
        assert len(table.split(valid=1).train) == 1
    paths = pl.DataFrame(
        {"image": [{"bytes": None, "path": "a.png"}]},
        schema={"image": pl.Struct({"bytes": pl.Binary, "path": pl.String})},
    )
    assert Table.from_frame(paths, {"image": Image()}, root="/r").column_values("image") == ["/r/a.png"]
    mixed = pl.DataFrame({"image": [{"bytes": None, "path": "a"}, {"bytes": b"x", "path": "b"}]})
    with pytest.raises(DataError, match="some rows hold the bytes of an image, others only its path"):
        Table.from_frame(mixed, {"image": Image()})


def test_images_that_a_pattern_leaves_out_are_counted(tmp_path):
    touched(tmp_path, "cat_1.jpg", "cat_2.JPG", "dog_3.jpeg", "notes.txt")
    with pytest.warns(UserWarning, match=r"leaves out 2 of the 3 images below .*'cat_2.JPG', 'dog_3.jpeg'"):
        assert len(Table.from_files(tmp_path, r"(?P<k>.+)_\d\.jpg")) == 1
    assert len(Table.from_files(tmp_path, r"(?P<k>.+)_\d(?i:\.jpe?g)")) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow only Unicode names")
def test_names_that_are_not_utf8_are_refused(tmp_path):
    touched(tmp_path, b"caf\xe9.jpg".decode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=r"caf\\xe9.jpg: the name is not UTF-8"):
        Table.from_files(tmp_path, r".*\.jpg")


# --- data frames -----------------------------------------------------------------------------------------------------

CELLS = {"n": [1.5, None], "word": ["x", None], "tags": [["a"], ["b", "c"]], "yes": [True, False]}


def as_pandas():
    return pytest.importorskip("pandas").DataFrame(CELLS)


def as_pyarrow():
    return pytest.importorskip("pyarrow").table(CELLS)


@pytest.mark.parametrize(
    "make", [lambda: pl.DataFrame(CELLS), as_pandas, as_pyarrow], ids=["polars", "pandas", "arrow"]
)
def test_any_data_frame_gives_the_same_rows(make):
    table = Table.from_frame(make())
    assert list(table) == [
        {"n": 1.5, "word": "x", "tags": ["a"], "yes": True},
        {"n": None, "word": None, "tags": ["b", "c"], "yes": False},
    ]
    assert [column.kind for column in table.columns.values()] == ["number", "category", "multi_label", "category"]


@pytest.mark.parametrize("make", [pl.DataFrame, lambda rows: pytest.importorskip("pandas").DataFrame(rows)])
def test_boxes_stand_as_json_in_frames_and_csv_files(make, tmp_path):
    frame = make({"photo": ["a.png", "b.png", "c.png"], "boxes": ["[[1, 2, 3.5, 4]]", "[]", None]})
    (tmp_path / "boxes.csv").write_text('photo,boxes\na.png,"[[1, 2, 3.5, 4]]"\nb.png,[]\nc.png,\n')
    meant = {"photo": Image(), "boxes": Boxes()}
    for table in (Table.from_frame(frame, meant), Table.from_csv(tmp_path / "boxes.csv", meant)):
        assert table.column_values("boxes") == [[[1.0, 2.0, 3.5, 4.0]], [], None]


def test_pandas_needs_no_pyarrow(monkeypatch):
    frame = as_pandas()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert Table.from_frame(frame)[1] == {"n": None, "word": None, "tags": ["b", "c"], "yes": False}


def test_pandas_categoricals_are_labels():
    pandas = pytest.importorskip("pandas")
    table = Table.from_frame(pandas.DataFrame({"c": pandas.Categorical(["b", "a"])}))
    assert table.column_values("c") == ["b", "a"]
    assert isinstance(table.columns["c"], Category)


def test_a_data_frame_column_of_mixed_values_is_named():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(DataError, match="Column 'm' mixes numbers"):
        Table.from_frame(pandas.DataFrame({"m": [1, "x"]}))


def test_what_is_no_data_frame_is_refused():
    with pytest.raises(DataError, match="dict is not a data frame"):
        Table.from_frame({"a": [1]})
    with pytest.raises(DataError, match="data frame has no rows"):
        Table.from_frame(pl.DataFrame({"a": []}))


def test_the_callers_frame_is_not_touched():
    frame = pl.DataFrame({"a": [1.0, float("nan")]})
    Table.from_frame(frame).with_column("b", Number(), [1, 2])
    assert frame.columns == ["a"]
    assert np.isnan(frame["a"][1])


# --- arrays ----------------------------------------------------------------------------------------------------------


def test_arrays_of_images_are_not_copied():
    pixels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    table = Table.from_arrays({"x": pixels, "y": ["a", "b"]}, {"x": Image(), "y": Category()})
    assert np.shares_memory(table.arrays["x"], pixels)
    assert np.array_equal(table.value(1, "x"), pixels[1])
    assert table.column_values("y") == ["a", "b"]


@pytest.mark.parametrize("kind", [list, np.array, tuple])
def test_labels_come_as_lists_or_arrays(kind):
    table = Table.from_arrays({"y": kind([3, 1])}, {"y": Category()})
    assert table.column_values("y") == [3, 1]
    assert type(table.value(0, "y")) is int


def test_a_list_of_paths_or_of_arrays_is_a_column_of_images(tmp_path):
    PILImage.new("L", (4, 3)).save(tmp_path / "a.png")
    files = Table.from_arrays({"x": [tmp_path / "a.png"]}, {"x": Image()})
    assert files.value(0, "x") == str(tmp_path / "a.png")
    arrays = Table.from_arrays({"x": [np.zeros((3, 4), np.uint8)] * 2}, {"x": Image()})
    assert arrays.arrays["x"].shape == (2, 3, 4)


def test_arrays_of_different_lengths_or_without_a_meaning_are_refused():
    with pytest.raises(DataError, match=r"different lengths: {'a': 2, 'b': 1}"):
        Table.from_arrays({"a": [1, 2], "b": [1]}, {"a": Number(), "b": Number()})
    with pytest.raises(ConfigError, match=r"\['b'\] are given, but columns= does not say"):
        Table.from_arrays({"a": [1, 2], "b": [1, 2]}, {"a": Number()})
    with pytest.raises(UnknownNameError, match="There is no column 'c'"):
        Table.from_arrays({"a": [1, 2]}, {"c": Number()})


# --- idx -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_is_read_packed_or_not_whatever_it_is_called(tmp_path, packed, suffix):
    images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    labels = np.array([7, 2], np.uint8)
    pack = gzip.compress if packed else bytes
    (tmp_path / f"x{suffix}").write_bytes(pack(idx(images, 0x08)))
    (tmp_path / f"y{suffix}").write_bytes(pack(idx(labels, 0x08)))
    table = Table.from_idx(tmp_path / f"x{suffix}", tmp_path / f"y{suffix}", label="digit")
    assert np.array_equal(table.arrays["image"], images)
    assert table.column_values("digit") == [7, 2]
    assert len(Table.from_idx(tmp_path / f"x{suffix}")) == 2


def test_idx_numbers_are_big_endian(tmp_path):
    images = np.zeros((2, 3, 4), np.uint8)
    (tmp_path / "x").write_bytes(idx(images, 0x08))
    (tmp_path / "y").write_bytes(idx(np.array([1, 70000], np.int32), 0x0C))
    assert Table.from_idx(tmp_path / "x", tmp_path / "y").column_values("label") == [1, 70000]


def test_a_panic_of_polars_is_a_data_error(tmp_path, monkeypatch):
    def panics(*_, **__):
        raise pl.exceptions.PanicException("entered unreachable code")  # no Exception: it passes by `except Exception`

    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a.parquet")
    monkeypatch.setattr(readers.pl, "read_csv", panics)
    monkeypatch.setattr(readers.pl, "read_parquet", panics)
    for read, name in ((Table.from_csv, "a.csv"), (Table.from_parquet, "a.parquet")):
        with pytest.raises(DataError, match="unreachable"):
            read(tmp_path / name)


def test_an_idx_bomb_is_stopped_by_what_comes_out(tmp_path):
    head = bytes((0, 0, 8, 3)) + (1_000_000).to_bytes(4, "big") + (20).to_bytes(4, "big") * 2
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(head + bytes(400_000_000), compresslevel=1))
    with pytest.raises(DataError, match="unpacks to more than"):
        Table.from_idx(tmp_path / "bomb.gz")


def test_a_parquet_file_of_more_cells_than_can_be_in_it_is_refused_by_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "_CELLS_FROM", 1000)
    monkeypatch.setattr(readers, "_CELLS_PER_BYTE", 1)
    pl.DataFrame({"x": [0] * 100_000}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"claims 100,000 rows of 1 column in [\d,]+ bytes"):
        Table.from_parquet(tmp_path / "a.parquet")


def test_idx_faults_name_the_file(tmp_path):
    images = idx(np.zeros((2, 3, 4), np.uint8), 0x08)
    good = tmp_path / "x"
    good.write_bytes(images)
    packed = gzip.compress(images * 50, mtime=0)
    faults = {
        "cut": (images[:-1], "39 bytes, but its header .* needs 40"),
        "long": (images + b"\0", "needs 40"),
        "text": (b"hello there", "not an idx file .*: it begins with '68 65 6c 6c'"),
        "empty": (b"", "not an idx file"),
        "header": (images[:9], "but its header|not an idx file"),
        "huge": (b"\0\0\x08\x04" + b"\xff" * 16, "but its header"),
        "one_axis": (idx(np.zeros(3, np.uint8), 0x08), "not images"),
        "floats": (idx(np.zeros((2, 3, 4), np.float32), 0x0D), "not images"),
        "gz_cut": (packed[:-10], "cut short or damaged"),
        "gz_damaged": (packed[:15] + b"\xff\xff\xff" + packed[18:], "cut short or damaged"),
    }
    for name, (content, words) in faults.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=words) as caught:
            Table.from_idx(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
    (tmp_path / "three").write_bytes(idx(np.zeros(3, np.uint8), 0x08))
    with pytest.raises(DataError, match="3 labels for 2 images"):
        Table.from_idx(good, tmp_path / "three")
    with pytest.raises(DataError, match="not one label per image"):
        Table.from_idx(good, good)


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


# --- names that look like powers of ten ------------------------------------------------------------------------------


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


# --- cells that look like something else ------------------------------------------------------------------------------


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

import re

import numpy as np
import polars as pl
import pytest
from PIL import Image as PILImage

from longspan.columns import Category, Image, Mask, MultiLabel, Number
from longspan.data import Table
from longspan.errors import ConfigError, DataError, UnknownNameError


def words(*rows, name="word"):
    return Table.from_arrays({"n": list(range(len(rows))), name: list(rows)}, {"n": Number(), name: Category()})


def images(count, first=0, **more):
    pixels = np.stack([np.full((2, 3), first + i, np.uint8) for i in range(count)])
    columns = {"image": Image(), **{name: Category() for name in more}}
    return Table.from_arrays({"image": pixels, **more}, columns)


@pytest.fixture
def folder(tmp_path):
    for i in range(3):
        PILImage.new("L", (4, 3), i).save(tmp_path / f"{i}.png")
    return tmp_path


# --- looking ---------------------------------------------------------------------------------------------------------


def test_rows_and_values():
    table = words("a", None, "c")
    assert len(table) == 3
    assert list(table) == [{"n": 0, "word": "a"}, {"n": 1, "word": None}, {"n": 2, "word": "c"}]
    assert table[2] == {"n": 2, "word": "c"}
    assert table.value(1, "word") is None
    assert table.column_values("word") == ["a", None, "c"]
    assert repr(table) == "Table(3 rows; n: Number, word: Category)"


def test_lists_of_labels_are_lists_by_row_and_by_column():
    table = Table.from_frame(pl.DataFrame({"tags": [["a", "b"], [], None]}))
    assert table.column_values("tags") == [["a", "b"], [], None]
    assert [table.value(row, "tags") for row in range(3)] == [["a", "b"], [], None]
    assert type(table.value(0, "tags")) is list


def test_a_place_is_the_file_of_an_image_or_row_and_column(folder):
    table = Table.from_files(folder, r"(?P<n>\d)\.png")
    assert table.where(1, "image") == str(folder / "1.png")
    assert table.where(1, "n") == f"{folder / '1.png'}, column 'n'"
    assert images(2).where(1, "image") == "arrays, row 1, column 'image'"


@pytest.mark.parametrize("look", ["column", "column_values", "select", "with_column"])
def test_a_column_that_is_not_there_gets_the_nearest_name(look):
    table = words("a", "b")
    arguments = ("wrod", Category()) if look == "with_column" else ("wrod",)
    with pytest.raises(UnknownNameError, match=r"There is no column 'wrod'. Did you mean 'word'\?"):
        getattr(table, look)(*arguments)
    with pytest.raises(UnknownNameError, match="'wrod'"):
        Table(table.frame, {"wrod": Category()})


def test_a_notebook_shows_images_and_escapes_words(folder):
    table = Table.from_files(folder, r"(?P<n>\d)\.png").with_column("note", Category(), ["<b>", None, "c"])
    page = table._repr_html_()
    assert page.count("<img ") == 3
    assert page.count('src="data:image/png;base64,') == 3
    assert "&lt;b&gt;" in page
    assert "<i>missing</i>" in page
    assert "3 rows" in page
    assert len(re.findall("<tr>", words(*"abcdefghijkl")._repr_html_())) == 1 + 8


def test_a_notebook_shows_what_a_value_is_even_where_it_does_not_fit_its_column(folder):
    table = Table.from_arrays(
        {"a": ["x y", "n/a"], "b": ["x y", "z"], "c": ["gone.png", "also"]},
        {"a": Number(), "b": MultiLabel(), "c": Image()},
    )
    page = table._repr_html_()
    assert "x y" in page
    assert "(the file does not exist)" in page


# --- with_column -----------------------------------------------------------------------------------------------------


def test_a_function_of_the_row_makes_a_column():
    table = words("Ab", "cd").with_column("big", Category(), lambda row: row["word"][0].isupper())
    assert table.column_values("big") == [True, False]
    assert table.columns["big"] == Category()
    assert "big" not in words("Ab", "cd").columns


@pytest.mark.parametrize("values", [["x", "y"], ("x", "y"), np.array(["x", "y"]), pl.Series(["x", "y"])])
def test_values_make_a_column(values):
    assert words("a", "b").with_column("new", Category(), values).column_values("new") == ["x", "y"]


def test_without_values_cells_get_another_meaning():
    table = words("1", "2").with_column("word", Number())
    assert isinstance(table.columns["word"], Number)
    assert table.column_values("word") == ["1", "2"]


def test_a_column_can_be_replaced_images_included():
    table = images(2, label=["a", "b"])
    assert table.with_column("image", Category(), ["x", "y"]).arrays == {}
    crops = table.with_column("image", Image(), lambda row: row["image"][:, :2])
    assert crops.arrays["image"].shape == (2, 2, 2)
    assert table.arrays["image"].shape == (2, 2, 3)


def test_a_function_may_give_paths_images_or_nothing(folder):
    table = words("0", "1")
    files = table.with_column("photo", Image(), lambda row: folder / f"{row['word']}.png")
    assert files.value(1, "photo") == str(folder / "1.png")
    drawn = table.with_column("photo", Image(), lambda row: PILImage.new("L", (2, 2), row["n"]) if row["n"] else None)
    assert drawn.value(0, "photo") is None
    assert drawn.value(1, "photo").tolist() == [[1, 1], [1, 1]]


def test_an_error_in_the_users_function_names_the_row():
    table = words("a", None, "c")
    with pytest.raises(DataError, match=r"arrays, row 1: the function for column 'up' raised AttributeError") as caught:
        table.with_column("up", Category(), lambda row: row["word"].upper())
    assert "{'n': 1, 'word': None}" in str(caught.value)
    assert isinstance(caught.value.__cause__, AttributeError)
    with pytest.raises(DataError, match=r"row 1: the filter raised AttributeError"):
        table.filter(lambda row: row["word"].isupper())
    with pytest.raises(DataError, match=r"<image \(2, 3\)>"):
        images(1).filter(lambda row: 1 / 0)


def test_too_few_values_and_values_of_two_types_are_refused():
    with pytest.raises(DataError, match="'new' has 1 values for 2 rows"):
        words("a", "b").with_column("new", Number(), [1])
    with pytest.raises(DataError, match=r"'new' mixes text \(row 0: 'a'\) and numbers \(row 1: 1\)"):
        words("a", "b").with_column("new", Category(), lambda row: row["n"] or row["word"])


# --- fewer rows ------------------------------------------------------------------------------------------------------


def test_filter_by_function_and_by_expression():
    table = words("a", "b", "c")
    assert table.filter(lambda row: row["word"] != "b").column_values("n") == [0, 2]
    assert table.filter(pl.col("n") > 0).column_values("word") == ["b", "c"]
    assert len(table.filter(lambda row: False)) == 0
    with pytest.raises(DataError, match="unable to find column"):
        table.filter(pl.col("m") > 0)


def test_rows_keep_their_images():
    table = images(4, label=list("abcd")).filter(lambda row: row["label"] in "bd")
    assert [int(row["image"][0, 0]) for row in table] == [1, 3]
    assert [int(row["image"][0, 0]) for row in table.take([1, 0, 1])] == [3, 1, 3]


def test_take_reads_a_mask_as_a_mask():
    table = words("a", "b", "c")
    assert table.take(np.array([True, False, True])).column_values("word") == ["a", "c"]
    assert table.take([]).column_values("word") == []
    with pytest.raises(ConfigError, match=r"mask \(2,\) for 3 rows"):
        table.take([True, False])


def test_a_sample_is_seeded_without_repeats_and_in_order():
    table = words(*(str(i) for i in range(50)))
    rows = table.sample(20, seed=3).column_values("n")
    assert len(set(rows)) == 20
    assert rows == sorted(rows)
    assert rows == table.sample(20, seed=3).column_values("n")
    assert rows != table.sample(20, seed=4).column_values("n")
    assert table.sample(50).column_values("n") == list(range(50))
    assert len(table.sample(0)) == 0
    with pytest.raises(ConfigError, match=r"sample\(n=51\) from a table of 50 rows"):
        table.sample(51)


def test_select_keeps_columns_and_drops_their_images():
    table = images(2, label=["a", "b"]).select("label")
    assert list(table.columns) == ["label"]
    assert table.arrays == {}


# --- tables together -------------------------------------------------------------------------------------------------


def test_concat_of_arrays_keeps_every_image_with_its_row():
    one, two = images(2, label=["a", "b"]), images(3, first=10, label=["c", "d", "e"])
    both = one.concat(two.take([2, 0]))
    assert both.column_values("label") == ["a", "b", "e", "c"]
    assert [int(row["image"][0, 0]) for row in both] == [0, 1, 12, 10]
    assert list(both.columns) == ["image", "label"]


def test_concat_of_files_from_two_folders_keeps_every_path(tmp_path):
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir()
        PILImage.new("L", (4, 3)).save(tmp_path / name)
    one, two = Table.from_files(tmp_path / "a", r"(?P<n>\d).png"), Table.from_files(tmp_path / "b", r"(?P<m>\d).png")
    both = one.concat(two)
    assert both.column_values("image") == [str(tmp_path / "a/1.png"), str(tmp_path / "b/2.png")]
    assert both.column_values("n") == ["1", None]
    assert both.column_values("m") == [None, "2"]
    assert both.where(1, "m") == f"{tmp_path / 'b' / '2.png'}, column 'm'"


def test_concat_with_images_in_one_table_only():
    both = images(2, label=["a", "b"]).concat(words("c", name="label"))
    assert [row["image"] is None for row in both] == [False, False, True]
    assert words("c", name="label").concat(images(1, label=["a"])).value(1, "image").tolist() == [[0] * 3] * 2


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: Table.from_arrays({"word": [1.5]}, {"word": Number()}), "is category in one table and number in"),
        (lambda: Table.from_arrays({"word": [1]}, {"word": Category()}), "holds text in one table and numbers in"),
        (lambda: Table.from_arrays({"word": [True]}, {"word": Category()}), "holds text .* and true or false in"),
    ],
)
def test_concat_refuses_columns_of_another_meaning_or_type(other, message):
    with pytest.raises(DataError, match=f"Column 'word' {message}"):
        words("a").concat(other())


@pytest.mark.parametrize(
    ("one", "two", "words"),
    [
        (Number(unit="km/h"), Number(unit="mph"), "has unit='km/h' in one table and unit='mph' in the other"),
        (MultiLabel(separator=";"), MultiLabel(separator="|"), "separator"),
        (Mask(vocab=("a", "b")), Mask(vocab=("b", "a")), "the same number means two classes"),
        (Mask(vocab=("a", "b")), Mask(vocab=("a", "b"), values=(0, 9)), "values"),
        (Mask(vocab=("a", "b")), Mask(vocab=("a", "b"), ignored=()), "ignored"),
        (Category(vocab=("a", "b")), Category(vocab=("a", "c")), "other classes in one table .*'b', 'c'"),
    ],
)
def test_concat_refuses_cells_that_mean_two_things(one, two, words):
    cells = {"x": pl.DataFrame({"x": ["1"]})}
    with pytest.raises(DataError, match=words):
        Table(cells["x"], {"x": one}).concat(Table(cells["x"], {"x": two}))
    assert len(Table(cells["x"], {"x": one}).concat(Table(cells["x"], {"x": one}))) == 2


def test_concat_keeps_labels_by_name_whatever_the_order_of_the_classes():
    one, two = (Table(pl.DataFrame({"x": ["a"]}), {"x": Category(vocab=v)}) for v in (("a", "b"), ("b", "a")))
    assert one.concat(two).column_values("x") == ["a", "a"]
    assert one.concat(two).columns["x"].vocab == ("a", "b")


def test_concat_refuses_images_that_do_not_fit():
    larger = Table.from_arrays({"image": np.zeros((1, 5, 5), np.uint8)}, {"image": Image()})
    with pytest.raises(DataError, match=r"shape \(2, 3\) and \(5, 5\)"):
        images(1).concat(larger)
    files = Table.from_arrays({"image": ["a.png"]}, {"image": Image()})
    with pytest.raises(DataError, match="files in one table and arrays in the other"):
        images(1).concat(files)


def test_join_adds_columns_by_value_and_keeps_order():
    left = words("b", "a", "x", None, "a")
    right = Table.from_arrays({"word": ["a", "b", "c"], "age": [1, 2, 3]}, {"word": Category(), "age": Number()})
    joined = left.join(right, on="word")
    assert joined.column_values("n") == [0, 1, 2, 3, 4]
    assert joined.column_values("age") == [2, 1, None, None, 1]
    assert list(joined.columns) == ["n", "word", "age"]


def test_join_brings_images_along(folder):
    photos = Table.from_files(folder, r"(?P<word>\d)\.png")
    assert words("2", "9").join(photos, on="word").column_values("image") == [str(folder / "2.png"), None]
    arrays = images(2, word=["a", "b"])
    assert words("b", "a").join(arrays, on="word").value(0, "image")[0, 0] == 1


def test_join_refuses_what_would_multiply_or_overwrite_rows():
    left = words("a", "b")
    with pytest.raises(DataError, match="several rows with 'a'"):
        left.join(words("a", "a").select("word"), on="word")
    with pytest.raises(DataError, match=r"Both tables have columns \['n'\]"):
        left.join(words("a"), on="word")
    numbers = Table.from_arrays({"word": [1]}, {"word": Category()})
    with pytest.raises(DataError, match="Cannot join on 'word'"):
        left.join(numbers, on="word")


def test_files_and_arrays_of_the_user_are_never_written_to(folder):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    copy = pixels.copy()
    table = Table.from_files(folder, r"(?P<n>\d)\.png")
    table.concat(table)._repr_html_()
    table.columns["image"].fit(table.column_values("image")).encode(table.value(0, "image"))
    arrays = Table.from_arrays({"image": pixels}, {"image": Image()})
    arrays.concat(arrays)._repr_html_()
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert np.array_equal(pixels, copy)

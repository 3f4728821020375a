import warnings

import pytest
from PIL import Image

import longspan as ls
from longspan.errors import ConfigError, DataError


def write(tmp_path, text, name="a.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    ["0.png,a\n1.png,b\n2.png,a\n", "b,sub/0.JPG\nc,sub/1.JPG\n", "1.5,2.5,0\n3,4,1\n", "7,7,0\n3,4,1\n"],
)
def test_a_first_line_that_is_a_row_is_refused_instead_of_lost(tmp_path, text):
    with pytest.raises(DataError, match="looks like a row, not like a heading"):
        ls.Table.from_csv(write(tmp_path, text))


@pytest.mark.parametrize("head", ["0,1,2", "2019,2020,2021", "x,1,2", ",0,1", "label,1x1,1x2"])
def test_headings_that_count_or_name_columns_are_read(tmp_path, head):
    assert len(ls.Table.from_csv(write(tmp_path, f"{head}\n1,2,3\n4,5,6\n"))) == 2


def test_blank_lines_are_no_rows_and_messages_count_lines_as_an_editor_does(tmp_path):
    table = ls.Table.from_csv(write(tmp_path, "x,y\n1,a\n\n2,b\n\n\n3,a\n"))
    assert (table["x"], table["y"]) == ([1, 2, 3], ["a", "b", "a"])
    path = write(tmp_path, 'image,boxes\na.png,"[]"\n\nb.png,"[[1, 2"\n')
    with pytest.raises(DataError, match="line 4"):
        ls.Table.from_csv(path, {"image": ls.Image(), "boxes": ls.Boxes()})
    assert ls.Table.from_csv(write(tmp_path, "x\n1\n\n2\n"))["x"] == [1, None, 2]  # one column: nothing is a value


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["\u22121", "\u22122", "3"], "commas, signs and units"),
        (["12 kg", "3 kg", "4.5 kg"], "commas, signs and units"),
        (["10%", "20%"], "commas, signs and units"),
        (["(200)", "13", "(7)"], r"such as '\(200\)' look like numbers"),
        (["2026-01-31", "2026-02-01", "01.03.2026"], "two ways, such as 2026-01-31 and 01.03.2026"),
        (
            [*map(str, range(20)), "none of it"],
            r"20 of 21 cells are numbers, but others, such as 'none of it' \(line 22\), make",
        ),
        (["mm", "1.5", "2"], "2 of 3 cells are numbers, but others, such as 'mm'"),
        (["15-", "3", "2"], "commas, signs and units"),
        (["12.5N", "13.5S"], "commas, signs and units"),
        (["1k", "3M"], "commas, signs and units"),
        (["1.2\u00b10.3", "1.5\u00b10.1"], "commas, signs and units"),
        (["12:30", "09:15"], "look like times or durations"),
        (["=A1+1", "=A2+1"], "are formulas, not their values"),
        (["1.23E+11", "1.24E+11"], "what a spreadsheet makes of long numbers"),
        (["EUR 15", "USD 2"], "commas, signs and units"),
        (["1\u00a0234", "4\u202f500"], "commas, signs and units"),
        (["\uff11\uff12", "\uff13"], "commas, signs and units"),
        (["2024-02-30", "2024-03-01"], "2024-02-30 \\(1 such cells\\) is not in the calendar"),
        (
            ["2023-01-01", "44928", "44929"],
            "some cells are dates, such as 2023-01-01, and others numbers, such as 44928",
        ),
        (["5 Jan 2024", "16 Feb 2024"], "look like dates; they are read as labels"),
        (["TP53", "1-Mar", "SEP2"], "'1-Mar' \\(1\\) among other labels look like names that a spreadsheet"),
        ([*map(str, range(20)), "99999999"], "99,999,999 is more than 1,000 times the next number, 19"),
        (["1700000000", "1700000060000"], "some in seconds and others in milliseconds"),
        (["1.5", "#DIV/0!", r"\N"], "'#DIV/0!', .* \\(2 cells\\) among numbers is read as missing"),
        ([*map(str, range(20)), "x"], "the heading itself"),
        ([*map(str, range(20)), "-999", "-999"], "-999 \\(2 cells\\) is read as a quantity"),
    ],
)
def test_numbers_that_a_few_cells_change_are_said(tmp_path, cells, said):
    with pytest.warns(UserWarning, match=said):
        ls.Table.from_csv(write(tmp_path, "x,y\n" + "".join(f"{cell},1\n" for cell in cells)))


def test_labels_and_plain_numbers_are_read_in_silence(tmp_path):
    cells = ["a1", "b2", "3c", "1st", "2nd", *map(str, range(3))]
    ls.Table.from_csv(write(tmp_path, "x,y\n7a,1\n7b,2\n7c,3\n"))
    ls.Table.from_csv(write(tmp_path, "x,y\n0.0,1\n-0.0,2\n1.5,3\n"))
    ls.Table.from_csv(write(tmp_path, "x,y\n" + "".join(f"{cell},-999\n" for cell in cells)))
    ls.Table.from_csv(write(tmp_path, "x,y\n" + "".join(f"{cell},1\n" for cell in ("-99", "5", "-1000", "3"))))


def test_points_that_may_part_thousands_are_said_where_semicolons_part_cells(tmp_path):
    with pytest.warns(UserWarning, match="points such as in 1.234 are read as decimal points"):
        table = ls.Table.read(write(tmp_path, "x;y\n1.234;0\n12.500;1\n3;1\n"))
    assert table["x"] == [1.234, 12.5, 3]
    ls.Table.read(write(tmp_path, "x;y\n1.234;0\n12.5;1\n"))


def test_the_index_of_a_data_frame_is_not_a_column_of_images(tmp_path):
    for number in range(3):
        Image.new("RGB", (9, 9)).save(tmp_path / f"{number}.png")
    table = ls.Table.read(write(tmp_path, ",file,label\n0,2.png,x\n1,1.png,y\n2,0.png,x\n"))
    assert [path.rpartition("/")[2] for path in table["file"]] == ["2.png", "1.png", "0.png"]
    assert table["column_0"] == [0, 1, 2]


def test_a_delimiter_at_the_end_of_each_line_makes_no_column(tmp_path):
    table = ls.Table.read(write(tmp_path, "a,b,\n1,x,\n3,y,\n"))
    assert list(table.columns) == ["a", "b"]


def test_blanks_after_delimiters_are_left_out_and_said(tmp_path):
    with pytest.warns(UserWarning, match="blanks around headings and cells are left out, in the columns 'n', 'label'"):
        table = ls.Table.read(write(tmp_path, "x, n, label\n1, 2, cat\n3, 4, a dog\n"))
    assert (table["n"], table["label"]) == ([2, 4], ["cat", "a dog"])
    some = ls.Table.read(write(tmp_path, "n,label\n2, cat\n4,cat\n"))
    assert some["label"] == [" cat", "cat"]  # told when labels are learned


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('a,b\nx,"y"\nz,"w\nu,v\n', "line 3 has a quotation mark that is not closed"),
        ('a,b\nx,5" pipe\n', "line 2 has a quotation mark"),
        ("# tool\n# version\na,b\n1,2\n", "line 3 has 2 cells, the heading 1; lines 1 to 2 look like comments"),
    ],
)
def test_what_cannot_be_read_names_its_line(tmp_path, text, told):
    with pytest.raises(DataError, match=told):
        ls.Table.read(write(tmp_path, text))


def test_lines_that_end_in_carriage_returns_alone_are_lines(tmp_path):
    path = tmp_path / "mac.csv"
    path.write_bytes(b"a,b\r1,x\r2,y\r")
    table = ls.Table.read(path)
    assert (table["b"], table.row_name(1)) == (["x", "y"], "line 3")


def test_decimal_commas_of_a_declared_number_are_read_and_thousands_are_not(tmp_path):
    with pytest.warns(UserWarning, match="commas are read as decimal points"):
        table = ls.Table.read(write(tmp_path, 'n,v\n1,"0,5"\n2,"1,25"\n'), {"v": ls.Number()})
    assert table["v"] == [0.5, 1.25]
    table = ls.Table.read(write(tmp_path, 'n,v\n1,"1,500"\n2,"2,250"\n'), {"v": ls.Number()})
    assert table["v"] == ["1,500", "2,250"]  # a fault of each row, by line


def test_a_first_line_of_numbers_and_of_words_that_come_again_is_no_heading(tmp_path):
    (tmp_path / "iris.csv").write_text("5.1,3.5,setosa\n4.9,3.0,setosa\n6.2,2.9,virginica\n")
    with pytest.raises(DataError, match="it holds numbers, and 'setosa' is also a cell of its column"):
        ls.Table.read(tmp_path / "iris.csv")
    for name, text in (
        ("spectra.csv", "400.5,401.5,label\n1,2,a\n3,4,b\n"),
        ("years.csv", "country,2019,2020\nA,1,2\nB,3,4\n"),
        ("words.csv", "7,label\na,x\nb,label\n"),
    ):
        (tmp_path / name).write_text(text)
        assert len(ls.Table.read(tmp_path / name)) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5.1\n4.9\n6.2\n", "numbers alone, above others"),
        ("7\n3\n4\n", r"\(7\) looks like a row.*--heading x\)"),
        ("2026-01-31\n2026-02-01\n", "dates alone, above others"),
        ("01/02/2026 10:00,5\n02/02/2026 11:30,6\n", "numbers and dates alone"),
        ("a.wav,yes\nb.wav,no\n", "'a.wav' is the name of a file"),
        ("text,label\ngood,pos\ntext,label\nbad,neg\n", "stands there again 2 lines below. If files were joined"),
    ],
)
def test_a_first_line_like_its_cells_is_refused_and_read_when_it_is_said_to_be_a_row(tmp_path, text, said):
    path, rows = write(tmp_path, text), text.splitlines()
    with pytest.raises(DataError, match=said):
        ls.Table.from_csv(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # days and months
        table = ls.Table.from_csv(path, heading=False)
        assert len(ls.Table.from_csv(path, heading=True)) == len(rows) - 1
    width = len(rows[0].split(","))
    assert (len(table), list(table.columns)) == (len(rows), [f"column_{place}" for place in range(width)])
    assert [str(table[0][f"column_{place}"]) for place in range(width)] == rows[0].split(",")
    assert table.row_name(0) == "line 1"


@pytest.mark.parametrize("text", ["0\n1\n0\n", "cat\ndog\ncat\n", "ham,hi\nham,win\nspam,go\nham,ok\n"])
def test_a_heading_that_may_be_a_cell_is_told(tmp_path, text):
    path = write(tmp_path, text)
    with pytest.warns(UserWarning, match="the first line is taken as the names of the columns, though"):
        assert len(ls.Table.read(path)) == len(text.splitlines()) - 1
    assert len(ls.Table.read(path, heading=True)) == len(text.splitlines()) - 1
    assert len(ls.Table.read(path, heading=False)) == len(text.splitlines())


def test_columns_of_a_file_without_a_heading_get_names(tmp_path):
    table = ls.Table.read(write(tmp_path, "1;a\n\n3;b\n"), heading=["n", "label"])
    assert (table["n"], table["label"], table.row_name(1)) == ([1, 3], ["a", "b"], "line 3")
    with pytest.raises(ConfigError, match=r"names 1 columns \(n\), but .*a.csv has 2"):
        ls.Table.read(write(tmp_path, "1;a\n3;b\n"), heading=["n"])
    with pytest.raises(ConfigError, match=r"is for .csv and .tsv files"):
        ls.Table.read(tmp_path, heading=False)


def test_numbers_and_dates_as_names_of_other_columns_are_headings(tmp_path):
    for text in ("store,2026-01-01,2026-02-01\nA,1,2\nB,3,4\n", "2026-01-01\n3\n4\n", "word\nthe\nword\n"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if text.startswith("word") else "error")
            assert len(ls.Table.read(write(tmp_path, text))) == 2


@pytest.mark.parametrize("text", ["a.png 0\nb.png 1\n", "1 001.Black/a.jpg\n2 002.Blue/b.jpg\n"])
def test_lists_with_blanks_between_cells_are_refused_and_read_with_their_delimiter(tmp_path, text):
    path = write(tmp_path, text, "train.txt")
    with pytest.raises(DataError, match=r"cells with blanks between them.*delimiter=' '"):
        ls.Table.read(path)
    table = ls.Table.from_csv(path, delimiter=" ", heading=["x", "y"])
    assert len(table) == 2
    assert list(table.columns) == ["x", "y"]


def test_invisible_characters_in_headings_are_left_out_and_told(tmp_path):
    with pytest.warns(UserWarning, match="blanks and invisible characters around headings.*'x', 'label'"):
        table = ls.Table.read(write(tmp_path, "\u200bx,label\u00a0\ufeff\n1,a\n2,b\n"))
    assert list(table.columns) == ["x", "label"]

"""Rows that are none: units below the heading, totals at the end; lines that lack cells."""

import pytest

import longspan as ls
from longspan.errors import DataError

SHOPS = "".join(f"s{n % 3},{n},{n + 0.5}\n" for n in range(1, 8))


def write(folder, text):
    (folder / "t.csv").write_text(text)
    return folder / "t.csv"


def test_a_row_of_units_is_refused_unless_somebody_says_what_it_is(tmp_path):
    path = write(tmp_path, f"shop,sales,cost\n-,pieces,EUR\n{SHOPS}")
    with pytest.raises(DataError, match=r"row below the heading \(pieces, EUR\) has no number .* \(--heading yes\)"):
        ls.Table.from_csv(path)
    meant = dict.fromkeys(("sales", "cost"), ls.Category())
    assert ls.Table.from_csv(path, meant)["sales"][:2] == ["pieces", "1"]
    write(tmp_path, f"shop,sales,cost\ns9,unknown,3\n{SHOPS}")
    with pytest.warns(UserWarning, match="'sales': 7 of 8 cells are numbers"):
        assert ls.Table.from_csv(path)["cost"][0] == 3


@pytest.mark.parametrize(
    ("last", "why"),
    [
        ("Total,28,31.5", "it has 'Total' in the column 'shop'"),
        ("GRAND TOTAL:,,", "it has 'GRAND TOTAL:' in the column 'shop'"),
        (",28,", "its 'sales', 28, is the sum of the rows above"),
        (",,31.5", "its 'cost', 31.5, is the sum of the rows above"),
        ("s1,Total,31.5", "it has 'Total' in the column 'sales', which makes labels of the numbers there"),
    ],
)
def test_a_row_of_totals_is_told(tmp_path, last, why):
    with pytest.warns(UserWarning, match=f"the last row looks like a total, because {why}"):
        assert len(ls.Table.from_csv(write(tmp_path, f"shop,sales,cost\n{SHOPS}{last}\n"))) == 8


@pytest.mark.parametrize(
    "text",
    [
        f"shop,sales,cost\n{SHOPS}s1,27,31\n",
        "a,b\n" + "0,x\n" * 5 + "0,y\n",
        "a,b\n" + "0,x\n" * 5 + "1,x\n1,y\n",
        "a,b\n1,x\n2,x\n3,y\n",
        "word,n\ntotal,1\nsum,2\ntotal,5\nsum,9\ntotal,3\n",
    ],
)
def test_rows_that_end_a_table_as_others_do_are_read_in_silence(tmp_path, text):
    ls.Table.from_csv(write(tmp_path, text))


def test_lines_that_lack_cells_are_counted(tmp_path):
    path = write(tmp_path, "name,city,age,note\nA,Bonn,3,x\nB,Paris,France,4\n\nC,Ulm,5\nD,Rom,6,\n")
    with pytest.warns(UserWarning, match="1 line has fewer cells than the heading, such as line 5 with 3 of 4"):
        assert ls.Table.from_csv(path)["note"] == ["x", "4", None, None]

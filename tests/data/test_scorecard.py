import json
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

import longspan as ls
from longspan.errors import UnknownNameError
from longspan.explain import scorecard


def frame(count=200):
    rng = np.random.default_rng(0)
    age = rng.integers(20, 60, count)
    pay = rng.normal(3000, 300, count).round(2)
    pay[:2] = [250000.0, 3e6]
    height = rng.normal(170, 10, count).round(1)
    height[5:9] = -999.0
    town = rng.choice(["Bern", "Chur"], count).tolist()
    town[3], town[4] = "bern ", "Zug"
    return pl.DataFrame(
        {
            "id": range(count),
            "key": [f"k{i:05d}" for i in range(count)],
            "age": age,
            "pay": pay,
            "height": height,
            "town": town,
            "joined": [str(date(2020, 1, 1) + timedelta(days=i)) for i in range(count)],
            "planet": ["earth"] * count,
            "income": pay,
            "notes": [None if i % 4 else "x" if i % 8 else "y" for i in range(count)],
            "rich": ["yes" if i % 25 == 0 else "no" for i in range(count)],
        }
    )


def cards(card):
    return {each.name: each for each in card.columns}


def test_every_column_is_described_with_what_is_unusual():
    card = scorecard(ls.Table.from_frame(frame()), "rich")
    found = cards(card)
    kinds = {name: each.kind for name, each in found.items()}
    assert kinds["id"] == kinds["key"] == kinds["planet"] == "left out"
    assert (kinds["age"], kinds["town"], kinds["joined"], kinds["rich"]) == ("number", "category", "date", "target")
    assert found["id"].reason == "counts the rows from 0 to 199, as an index does"
    assert found["notes"].missing == 0.75
    assert found["pay"].unusual[0] == "2 values far from the others, such as 3,000,000, 250,000"
    assert any("4 values of -999, which may stand for missing ones" in each for each in found["height"].unusual)
    assert any("differ only in case or spaces: 'Bern', 'bern '" in each for each in found["town"].unusual)
    assert found["town"].values.startswith(("Bern", "Chur"))
    assert found["joined"].values == "2020-01-01 to 2020-07-18"
    assert found["age"].unusual == ()
    assert card.equal_columns == (("pay", "income"),)
    assert card.copies == 0
    json.dumps(card.to_json(), default=str)


def test_copies_and_cells_of_another_type_are_named_by_row(tmp_path):
    some = frame(60).select("age", "town").head(50)
    both = pl.concat([some, some.head(3)]).with_columns(
        age=pl.Series([str(each) for each in range(48)] + ["old", "49"] + ["0", "1", "2"])
    )
    card = scorecard(ls.Table.from_frame(both))
    assert card.copies == 3
    assert card.first_copies[0] == ("row 0", "row 50")
    assert cards(card)["age"].unusual == ("1 cell that is no number, unlike the others: row 48: 'old'",)
    assert card.findings[0] == "3 rows equal to an earlier one, such as row 0 and row 50"


def test_targets_are_summed_up():
    table = ls.Table.from_frame(frame())
    (rich,) = scorecard(table, "rich").targets
    assert rich.classes == (("no", 192), ("yes", 8))
    assert rich.notes == ("'yes' is rare (8 rows): look at F1 and average precision, not at accuracy",)
    (pay,) = scorecard(table, "pay").targets
    assert sum(rows for _, _, rows in pay.histogram) == 200
    assert "Regress(scale='log')" in pay.notes[0]
    with pytest.raises(UnknownNameError, match="ritch"):
        scorecard(table, "ritch")


def test_drift_is_told_where_there_is_a_split():
    table = ls.Table.from_frame(frame().select("joined", "age", "rich").with_columns(age=pl.int_range(200) % 90))
    split = table.split(valid=0.3, time="joined")
    card = scorecard(table, "rich", drifts=[split.drift(leave_out=["rich"])])
    assert card.findings[0].startswith("valid rows differ from training rows: AUC")


def test_the_page_shows_it_all(tmp_path):
    card = scorecard(ls.Table.from_frame(frame()), ["rich", "pay"])
    page = ls.explain.write_scorecard(tmp_path / "card.html", card).read_text("utf-8")
    for words in ("Findings", "Target rich", "Target pay", "Columns", "Missing values", "which may stand for missing"):
        assert words in page, words
    plain = scorecard(ls.Table.from_frame(frame().select(pl.col("pay").tail(150))))
    ls.explain.write_scorecard(tmp_path / "plain.html", plain)
    assert "Nothing unusual was found." in (tmp_path / "plain.html").read_text("utf-8")


def test_minus_999_below_numbers_that_spread_far_is_told():
    cells = [-999.0, -999.0, *(float(number) ** 3 for number in range(40))]
    card = ls.explain.scorecard(ls.Table.from_frame(pl.DataFrame({"pay": cells, "y": list(range(42))})), "y")
    [pay] = [each for each in card.columns if each.name == "pay"]
    assert "2 values of -999, which may stand for missing ones" in pay.unusual

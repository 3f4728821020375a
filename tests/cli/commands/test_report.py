import json

import numpy as np
import polars as pl


def test_a_table_is_described_and_a_page_written(longspan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 7, 18), eager=True)
    sold = rng.poisson(20, len(days)) + np.arange(len(days)) // 10
    pl.DataFrame({"day": days, "price": rng.normal(5, 1, len(days)), "sold": sold, "shop": "a"}).write_csv("sales.csv")
    answer = longspan("report", "sales.csv", "--target", "sold", "--split-by", "time:day")
    assert (answer.code, answer.err) == (0, "")
    assert "200 rows, 4 columns" in answer.out
    assert "shop: left out: 'a' in every row that has a value" in answer.out
    assert (tmp_path / "scorecard.html").is_file()
    assert "exists already" in longspan("report", "sales.csv").err
    answer = longspan("report", "sales.csv", "--target", "sold", "--json")
    assert {each["name"]: each["kind"] for each in json.loads(answer.out)["columns"]} == {
        "day": "date", "price": "number", "sold": "target", "shop": "left out",
    }  # fmt: skip
    assert longspan("report", "nowhere.csv").code == 2
    assert "solt" in longspan("report", "sales.csv", "--target", "solt", "--json").err

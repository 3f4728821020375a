import longspan as ls


def test_the_page_shows_everything(loans, tmp_path):
    trees, table = loans
    found = ls.explain.write_explanation(tmp_path / "page.html", trees, table, "paid", rows=300)
    page = (tmp_path / "page.html").read_text()
    for words in (
        "What predicts paid",
        "300 held-out rows",
        "Importance",
        "Dependence",
        "Calibration",
        "Slices",
        "<svg",
    ):
        assert words in page
    assert found.rows == 300

"""Parquet files, whole and damaged."""

import io

import polars as pl
import pytest
from PIL import Image as PILImage

from longspan.columns import Category, Image, MultiLabel, Number, Raw
from longspan.data import Table
from longspan.data.readers import csv_files, parquet_files
from longspan.errors import DataError


def test_parquet_keeps_lists_and_types(tmp_path):
    frame = pl.DataFrame({"tags": [["a", "b"], []], "n": [1, 2], "s": ["x", None]})
    frame.write_parquet(tmp_path / "a.parquet")
    table = Table.from_parquet(tmp_path / "a.parquet")
    assert [type(column) for column in table.columns.values()] == [MultiLabel, Number, Category]
    assert table[0] == {"tags": ["a", "b"], "n": 1, "s": "x"}
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 is not enough")
    with pytest.raises(DataError, match=r"bad.parquet cannot be read as Parquet"):
        Table.from_parquet(tmp_path / "bad.parquet")


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


def test_a_panic_of_polars_is_a_data_error(tmp_path, monkeypatch):
    def panics(*_, **__):
        raise pl.exceptions.PanicException("entered unreachable code")  # no Exception: it passes by `except Exception`

    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a.parquet")
    monkeypatch.setattr(csv_files.pl, "read_csv", panics)
    monkeypatch.setattr(parquet_files.pl, "read_parquet", panics)
    for read, name in ((Table.from_csv, "a.csv"), (Table.from_parquet, "a.parquet")):
        with pytest.raises(DataError, match="unreachable"):
            read(tmp_path / name)


def test_a_parquet_file_of_more_cells_than_can_be_in_it_is_refused_by_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_files, "_CELLS_FROM", 1000)
    monkeypatch.setattr(parquet_files, "_CELLS_PER_BYTE", 1)
    pl.DataFrame({"x": [0] * 100_000}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"claims 100,000 rows of 1 column in [\d,]+ bytes"):
        Table.from_parquet(tmp_path / "a.parquet")

"""Adult census income: does a person earn more than 50,000 dollars a year?"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from longspan.columns import Category
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source

__all__ = ["ADULT", "ADULT_SMALL"]

_COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race",
    "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "salary",
)  # fmt: skip
_LICENCE = "CC BY 4.0 (UCI; Becker, Kohavi)"
_HOME = "https://archive.ics.uci.edu/dataset/2/adult"
_TASK = "14 features -> salary"
_UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases/adult/"


def _load(root: Path) -> Table:
    """Columns `age` ... `native-country`, `salary` ("<=50K" or ">50K") and `part`: "train" or "test".

    "?" stands for a missing value, as published. The test file ends its salaries with a full stop and begins with a
    line of its own; both are left out.
    """
    frames = []
    for part, name in (("train", "adult.data"), ("test", "adult.test")):
        lines = [line for line in (root / name).read_text("utf-8").splitlines() if line.count(",") == len(_COLUMNS) - 1]
        cells = [[cell.strip() for cell in line.split(",")] for line in lines]
        frame = pl.DataFrame(cells, schema=dict.fromkeys(_COLUMNS, pl.String), orient="row")
        frames.append(frame.with_columns(pl.col("salary").str.strip_suffix("."), part=pl.lit(part)))
    return _typed(pl.concat(frames))


def _load_copy(root: Path) -> Table:
    """The same columns without `part`."""
    return _typed(pl.read_csv(root / "adult_sample" / "adult.csv", infer_schema=False))


def _typed(frame: pl.DataFrame) -> Table:
    numbers = ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
    frame = frame.with_columns(pl.col(name).cast(pl.Int64) for name in numbers)
    return Table.from_frame(frame, {name: Category() for name in frame.columns if name not in numbers})


ADULT = NamedData(
    name="adult",
    title="Adult census income",
    rows=48_842,
    task=_TASK,
    licence=_LICENCE,
    home=_HOME,
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="adult.data",
                    size=3_974_305,
                    sha256="5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
                    urls=(_UCI + "adult.data",),
                    stated_by="UCI (address); several projects that pin the file (size, SHA-256)",
                ),
                RemoteFile(
                    path="adult.test",
                    size=2_003_153,
                    sha256="a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
                    urls=(_UCI + "adult.test",),
                    stated_by="UCI (address); several projects that pin the file (size, SHA-256)",
                ),
            ),
            load=_load,
        ),
    ),
    small="adult-small",
    note="32,561 training rows and the official 16,281 test rows. Missing values are written '?'.",
)

ADULT_SMALL = NamedData(
    name="adult-small",
    title="Adult census income, the 32,561 training rows",
    rows=32_561,
    task=_TASK,
    licence=_LICENCE,
    home=_HOME,
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="adult_sample.tgz",
                    size=398_900,
                    sha256="8ee2a2c9712ed5e91eea48bc4e8a1a73c624b57c0a18ed9a0c0e159f9059949d",
                ),
            ),
            load=_load_copy,
            differs="It has the training part only, with the published values.",
        ),
    ),
    note="Missing values are written '?'.",
)

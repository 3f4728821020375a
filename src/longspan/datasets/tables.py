"""Tables that people compare on: Titanic, housing, credit, churn, diamonds, store sales, and hours of bike hire.

Those on GitHub are pinned to a commit, so their content cannot change.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from longspan.columns import Category, Column, Text
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source
from longspan.errors import DataError

__all__ = ["TABLES"]

_PACK = RemoteFile(
    path="tabular.tar.gz",
    size=1_427_760,
    sha256="341a02e0f6296b6703fc7abed7acbbec090f4cc6a2b5e1ce8ebe36e19447891a",
)
_RAW = "https://raw.githubusercontent.com/"
_CREDIT = (
    "checking_status", "duration", "credit_history", "purpose", "credit_amount", "savings_status", "employment",
    "installment_commitment", "personal_status", "other_parties", "residence_since", "property_magnitude", "age",
    "other_payment_plans", "housing", "existing_credits", "job", "num_dependents", "own_telephone", "foreign_worker",
    "class",
)  # fmt: skip


_BIKE_COLUMNS = {name: Category() for name in ("season", "yr", "holiday", "weekday", "workingday", "weathersit")}
_Recode = Callable[[pl.DataFrame], pl.DataFrame]


def _read(folder: Path, *, names: tuple[str, ...], columns: Mapping[str, Column], recode: _Recode | None) -> Table:
    """The rows of the first of `names` that is in the folder, types from `columns` or else from the values."""
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise DataError(f"{folder} holds none of {', '.join(names)}.")
    # Texts are read as written: as a number, a ticket "0113" would lose its zero.
    texts = {name: pl.String for name, column in columns.items() if isinstance(column, Text)}
    header = path.name != "german.csv"
    frame = pl.read_csv(path, has_header=header, infer_schema_length=None, schema_overrides=texts if header else None)
    return Table.from_frame(frame if recode is None else recode(frame), columns)


def _name_credit(frame: pl.DataFrame) -> pl.DataFrame:
    """Column names, which the published file lacks, and words for the classes 1 and 2."""
    frame = frame.rename(dict(zip(frame.columns, _CREDIT, strict=True)))
    return frame.with_columns(pl.col("class").replace_strict({1: "good", 2: "bad"}))


def _blank_charges(frame: pl.DataFrame) -> pl.DataFrame:
    """Total charges as numbers; customers of the first month have a blank."""
    charges = pl.col("TotalCharges").cast(pl.String).str.strip_chars()
    return frame.with_columns(pl.when(charges != "").then(charges).cast(pl.Float64).alias("TotalCharges"))


def _iso_dates(frame: pl.DataFrame) -> pl.DataFrame:
    """Dates as year-month-day, so that they sort; published as day-month-year."""
    day_first = pl.col("Date").str.to_date("%d-%m-%Y", strict=False)
    return frame.with_columns(pl.coalesce(day_first, pl.col("Date").str.to_date("%Y-%m-%d", strict=False)))


def _github(
    name: str,
    repository: str,
    commit: str,
    path: str,
    size: int,
    sha256: str,
    *,
    title: str,
    rows: int,
    task: str,
    licence: str,
    home: str,
    columns: Mapping[str, Column],
    recode: _Recode | None = None,
    note: str = "",
) -> NamedData:
    """A CSV file of a GitHub repository, and its copy in the pack of tables."""
    file = RemoteFile(
        path=Path(path).name,
        size=size,
        sha256=sha256,
        urls=(f"{_RAW}{repository}/{commit}/{path}",),
        stated_by="the file itself at this commit (size, SHA-256)",
    )
    own = f"tabular/{name.replace('-', '_')}.csv"
    load = functools.partial(_read, names=(file.path, own), columns=columns, recode=recode)
    return NamedData(
        name=name,
        title=title,
        rows=rows,
        task=task,
        licence=licence,
        home=home,
        sources=(Source(files=(file,), load=load), Source(files=(_PACK,), load=load)),
        note=note,
    )


_BIKE = NamedData(
    name="bike-sharing",
    title="Bikes hired in Washington, hour by hour, 2011 and 2012",
    rows=17_379,
    task="season, hour, weather -> cnt",
    licence="CC BY 4.0 (UCI; Fanaee-T, Gama)",
    home="https://archive.ics.uci.edu/dataset/275/bike+sharing+dataset",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="bike+sharing+dataset.zip",
                    size=279_992,
                    sha256="b70182d0d0508e9abbb79306ce5c0cec34869000f8220175ac83d11dbe845401",
                    urls=("https://archive.ics.uci.edu/static/public/275/bike+sharing+dataset.zip",),
                    stated_by="UCI (address); several projects that pin the file (size, SHA-256)",
                ),
            ),
            load=functools.partial(_read, names=("hour.csv",), columns=_BIKE_COLUMNS, recode=None),
            layout=(("hour.csv", 1),),
        ),
        Source(
            files=(
                RemoteFile(
                    path="bike_sharing.tar.gz",
                    size=255_759,
                    sha256="2b20023874129099fec928932c13de9027b9b66bd61c51784b902cd78967bbec",
                ),
            ),
            load=functools.partial(_read, names=("bike_sharing/hour.csv",), columns=_BIKE_COLUMNS, recode=None),
        ),
    ),
    note="Rows follow one another in time (dteday, hr). casual + registered = cnt: leave both out of the inputs.",
)

TABLES = (
    _BIKE,
    _github(
        "titanic",
        "mwaskom/seaborn-data",
        "71e2436a092d714350de0fc409ca8a8714e7e78f",
        "raw/titanic.csv",
        57_726,
        "04e495fcfcf0d1159f4c0a1727bfd3a06370632ae7def0a9407eefdd9ea387eb",
        title="Passengers of the Titanic",
        rows=891,
        task="class, sex, age, ... -> survived",
        licence="none stated (Kaggle's training part)",
        home="https://github.com/mwaskom/seaborn-data",
        columns={"survived": Category(), "pclass": Category(), "name": Text(), "ticket": Text()},
    ),
    _github(
        "california-housing",
        "ageron/handson-ml2",
        "1e2115277b50f6c584cd668fa30e3af309a5b136",
        "datasets/housing/housing.csv",
        1_423_529,
        "8a3727f4cf54ac1a327f69b1d5b4db54c5834ea81c6e4efc0d163300022a685e",
        title="House prices of Californian districts, 1990",
        rows=20_640,
        task="place, age, rooms, income -> median_house_value",
        licence="none stated (Pace and Barry 1997)",
        home="https://github.com/ageron/handson-ml2/tree/master/datasets/housing",
        columns={},
        note="207 districts have no total_bedrooms; prices are capped at 500,001.",
    ),
    _github(
        "ames-housing",
        "Migs/AmesHousingData",
        "f9cd74fe8777624a5433a005460bad539deca17d",
        "AmesHousing.csv",
        963_741,
        "9be4e178af290abcc41e82402e9eca2bd767f22aa148d155531fed4f7c5b55da",
        title="House sales in Ames, Iowa, 2006 to 2010",
        rows=2930,
        task="79 features -> SalePrice",
        licence="none stated (De Cock 2011)",
        home="https://jse.amstat.org/v19n3/decock.pdf",
        columns={"PID": Text(), "MS SubClass": Category()},
    ),
    _github(
        "german-credit",
        "jbrownlee/Datasets",
        "d20fcb6402ae34e653d4513b00f39257bb37ed7f",
        "german.csv",
        79_793,
        "ec12a88b9fc14d74ba646ea0410cf7ff4533bec2eb61652f8ad76796bbfec017",
        title="German credit (Statlog)",
        rows=1000,
        task="20 features -> class",
        licence="CC BY 4.0 (UCI; H. Hofmann)",
        home="https://archive.ics.uci.edu/dataset/144/statlog+german+credit+data",
        columns={},
        recode=_name_credit,
        note="Column names are those of OpenML's credit-g; categories are UCI's codes.",
    ),
    _github(
        "telco-churn",
        "emreyesilyurt/churn-prediction",
        "aab43ca729722f81974b17333b6ebff259ca005c",
        "WA_Fn-UseC_-Telco-Customer-Churn.csv",
        970_453,
        "1c6c0d8d803fa79fcab878de40dd17698ef2681bb6b52af8bae0ebdff9045158",
        title="Telephone customers who leave",
        rows=7043,
        task="19 features -> Churn",
        licence="none stated (IBM sample data)",
        home="https://github.com/IBM/telco-customer-churn-on-icp4d",
        columns={"customerID": Text(), "SeniorCitizen": Category()},
        recode=_blank_charges,
        note="TotalCharges is missing for the 11 customers in their first month.",
    ),
    _github(
        "diamonds",
        "mwaskom/seaborn-data",
        "71e2436a092d714350de0fc409ca8a8714e7e78f",
        "diamonds.csv",
        2_772_143,
        "9574730b03aba241d899c4a97511c5061b19358fab89510774fb6c24168345c4",
        title="Prices of diamonds",
        rows=53_940,
        task="carat, cut, color, clarity, size -> price",
        licence="MIT (ggplot2)",
        home="https://ggplot2.tidyverse.org/reference/diamonds.html",
        columns={},
    ),
    _github(
        "walmart-weekly",
        "ZarahShibli/Retail-Analysis-with-Walmart-Data",
        "58cd74d5468ce96947f14e5aa9af835d81204ec9",
        "Walmart_Store_sales.csv",
        357_297,
        "9cd52db918f0249288b8bdb35dcdaeede5ed7a55f8ed1f8b910a93a550cbf893",
        title="Weekly sales of 45 stores, 2010 to 2012",
        rows=6435,
        task="store, week, weather, prices -> Weekly_Sales",
        licence="none stated (derived from a Kaggle competition)",
        home="https://www.kaggle.com/c/walmart-recruiting-store-sales-forecasting",
        columns={"Store": Category(), "Holiday_Flag": Category()},
        recode=_iso_dates,
        note="Rows of a store follow one another in time (Date).",
    ),
)

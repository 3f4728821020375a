"""Tables and texts, in the layout that they are published in."""

import datetime
import gzip

import pytest

from longspan import datasets
from longspan.columns import Category, Number, Text
from longspan.datasets.fetching.fetch import fetch_dataset
from longspan.datasets.tables import TABLES


@pytest.fixture
def read(places, server, kit):
    """The table of a set whose files are `contents` at its addresses."""

    def read_published(name, contents, layout=None):
        fetched = fetch_dataset(kit.published_at(datasets.info(name), server, contents, layout))
        return fetched.source.load(fetched.folder)

    return read_published


def test_adult_of_uci(read):
    row = "39, State-gov, 77516, Bachelors, 13, Never-married, ?, Not-in-family, White, Male, 2174, 0, 40, Cuba, {}\n"
    contents = {
        "adult.data": (row.format("<=50K") + row.format(">50K") + "\n").encode(),
        "adult.test": ("|1x3 Cross validator\n" + row.format(">50K.") + "\n").encode(),
    }
    table = read("adult", contents)
    assert table.column_values("salary") == ["<=50K", ">50K", ">50K"]
    assert table.column_values("part") == ["train", "train", "test"]
    assert (table[0]["age"], table[0]["workclass"], table[0]["occupation"]) == (39, "State-gov", "?")
    assert isinstance(table.columns["capital-gain"], Number)


def test_bike_sharing_of_uci(read, kit):
    hours = b"instant,dteday,season,yr,mnth,hr,holiday,weekday,workingday,weathersit,temp,cnt\n"
    hours += b"1,2011-01-01,1,0,1,0,0,6,0,1,0.24,16\n"
    contents = kit.zipped({"Readme.txt": b"", "day.csv": b"", "hour.csv": hours})
    table = read("bike-sharing", {"bike+sharing+dataset.zip": contents})
    assert table[0]["cnt"] == 16
    assert isinstance(table.columns["weathersit"], Category)


def test_texts_of_tables_keep_their_zeros(read):
    csv = b"survived,pclass,name,sex,age,sibsp,parch,ticket,fare,cabin,embarked\n"
    csv += b'0,3,"Braund, Mr. Owen",male,,1,0,0113,7.25,,S\n1,1,"B, C",female,2,0,0,17,7,C85,S\n'
    table = read("titanic", {"titanic.csv": csv})
    assert table[0]["ticket"] == "0113"
    assert table[0]["age"] is None
    assert table.columns["survived"].kind == "category"
    assert isinstance(table.columns["name"], Text)


def test_german_credit_gets_its_names(read):
    csv = b"A11,6,A34,A43,1169,A65,A75,4,A93,A101,4,A121,67,A143,A152,2,A173,1,A192,A201,1\n"
    csv += b"A12,48,A32,A43,5951,A61,A73,2,A92,A101,2,A121,22,A143,A152,1,A173,1,A191,A201,2\n"
    table = read("german-credit", {"german.csv": csv})
    assert table.column_values("class") == ["good", "bad"]
    assert table.column_values("credit_amount") == [1169, 5951]
    assert len(table.columns) == 21


def test_tables_of_numbers_and_words(read):
    csv = b"longitude,latitude,total_bedrooms,median_house_value,ocean_proximity\n"
    csv += b"-122.23,37.88,129,452600,NEAR BAY\n-122.22,37.86,,358500,NEAR BAY\n"
    table = read("california-housing", {"housing.csv": csv})
    assert table.column_values("total_bedrooms") == [129, None]
    assert isinstance(table.columns["ocean_proximity"], Category)

    csv = b"Order,PID,MS SubClass,Lot Frontage,SalePrice\n1,0526301100,020,141,215000\n2,526350040,20,,105000\n"
    table = read("ames-housing", {"AmesHousing.csv": csv})
    assert table.column_values("PID") == ["0526301100", "526350040"]
    assert isinstance(table.columns["MS SubClass"], Category)
    assert isinstance(table.columns["SalePrice"], Number)

    csv = b'"carat","cut","color","clarity","price"\n0.23,"Ideal","E","SI2",326\n0.21,"Premium","E","SI1",326\n'
    table = read("diamonds", {"diamonds.csv": csv})
    assert table[1] == {"carat": 0.21, "cut": "Premium", "color": "E", "clarity": "SI1", "price": 326}


def test_blank_charges_of_telco_are_missing(read):
    csv = b"customerID,SeniorCitizen,tenure,TotalCharges,Churn\n7590-VHVEG,0,1,29.85,No\n4472-LVYGI,0,0, ,No\n"
    table = read("telco-churn", {"WA_Fn-UseC_-Telco-Customer-Churn.csv": csv})
    assert table.column_values("TotalCharges") == [29.85, None]


def test_dates_of_walmart_are_day_first(read):
    csv = b"Store,Date,Weekly_Sales,Holiday_Flag\n1,05-02-2010,1643690.9,0\n1,12-11-2010,5,1\n"
    table = read("walmart-weekly", {"Walmart_Store_sales.csv": csv})
    assert [str(date) for date in table.column_values("Date")] == ["2010-02-05", "2010-11-12"]
    assert datetime.date.fromisoformat(str(table[0]["Date"])) == datetime.date(2010, 2, 5)


@pytest.mark.parametrize("data", TABLES, ids=lambda data: data.name)
def test_tables_of_the_pack(data, data_folder, places, monkeypatch):
    monkeypatch.setenv("LONGSPAN_DATA", str(data_folder))
    assert len(datasets.load(data.name)) == data.rows


def test_adult_of_the_pack(data_folder, places, monkeypatch):
    monkeypatch.setenv("LONGSPAN_DATA", str(data_folder))
    table = datasets.load("adult-small")
    assert len(table) == 32_561
    assert table.column_values("salary").count(">50K") == 7841


def test_imdb_sample_of_fastai(read, kit):
    csv = b'label,text,is_valid\nnegative,"bad, bad",False\npositive,good,True\n'
    contents = kit.tar_gz({"imdb_sample/texts.csv": csv})
    table = read("imdb-sample", {"imdb_sample.fastai.tgz": contents})
    assert table.column_values("text") == ["bad, bad", "good"]
    assert table.column_values("part") == ["train", "valid"]
    assert table.column_values("label") == ["negative", "positive"]


def test_rt_polarity_is_latin_1(read, kit):
    members = {
        "rt-polaritydata.README.1.0.txt": b"",
        "rt-polaritydata/rt-polarity.pos": "a café \nand \x85 so on\n".encode("latin-1"),
        "rt-polaritydata/rt-polarity.neg": b"dull . \n",
    }
    table = read("rt-polarity", {"rt-polaritydata.public.tar.gz": kit.tar_gz(members)})
    assert table.column_values("text") == ["a café", "and \x85 so on", "dull ."]
    assert table.column_values("label") == ["positive", "positive", "negative"]


def test_sst2_of_glue(read, kit):
    members = {
        "SST-2/train.tsv": b'sentence\tlabel\n"hide" new secretions \t0\nloves its characters\t1\n',
        "SST-2/dev.tsv": b"sentence\tlabel\nit 's a charming journey\t1\n",
        "SST-2/test.tsv": b"index\tsentence\n0\tuneasy mishmash\n",
        "SST-2/original/README.txt": b"",
    }
    table = read("sst2", {"SST-2.zip": kit.zipped(members)})
    assert table.column_values("label") == ["negative", "positive", "positive"]
    assert table.column_values("part") == ["train", "train", "valid"]
    assert table[0]["text"] == '"hide" new secretions'


@pytest.mark.parametrize(("name", "rows"), [("imdb-sample", 1000), ("rt-polarity", 10_662), ("sst2", 70_042)])
def test_texts_of_the_packs(name, rows, data_folder, places, monkeypatch):
    monkeypatch.setenv("LONGSPAN_DATA", str(data_folder))
    table = datasets.load(name, tell=lambda line: None)
    assert len(table) == rows
    assert set(table.column_values("label")) == {"negative", "positive"}


@pytest.mark.parametrize(
    ("name", "parts", "shown"),
    [
        (
            "multi30k",
            {"train": 29_000, "valid": 1014, "test": 1000, "test_2017": 1000},
            {"en": "Two young, White males are outside near many bushes."},
        ),
        pytest.param(
            "tatoeba-en-fr",
            {"train": 160_468, "valid": 3337, "test": 3325},
            {"en": "Go.", "fr": "Va !"},
            marks=pytest.mark.slow,
        ),
        ("flickr8k-small", {"train": 7000, "valid": 1000, "test": 1500}, {"number": "0"}),
    ],
)
def test_sentences_and_captions_of_the_packs(name, parts, shown, data_folder, places, monkeypatch):
    monkeypatch.setenv("LONGSPAN_DATA", str(data_folder))
    table = datasets.load(name, tell=lambda line: None)
    found = table.column_values("part")
    assert {part: found.count(part) for part in set(found)} == parts
    assert shown.items() <= table[0].items()
    if "en" in table.columns:  # all translations of a sentence are in one part
        where = {}
        for text, part in zip(table["en"], found, strict=True):
            where.setdefault(text, set()).add(part)
        assert name == "multi30k" or all(len(each) == 1 for each in where.values())


def test_flickr8k_in_its_own_layout(tmp_path):
    from longspan.datasets.captions import read_flickr8k

    (tmp_path / "Flicker8k_Dataset").mkdir()
    for name in ("a.jpg", "b.jpg", "d.jpg"):
        (tmp_path / "Flicker8k_Dataset" / name).write_bytes(b"")
    for part, names in (("train", "a.jpg\nc.jpg\n"), ("dev", "b.jpg\n"), ("test", "")):
        (tmp_path / f"Flickr_8k.{part}Images.txt").write_text(names)
    lines = ["a.jpg#0\tA dog .", "a.jpg#1\tOne dog", "b.jpg#0\tA cat .", "c.jpg#0\tgone", "d.jpg#0\tin no list"]
    (tmp_path / "Flickr8k.token.txt").write_text("\n".join(lines))
    table = read_flickr8k(tmp_path)
    assert list(zip(table["caption"], table["number"], table["part"], strict=True)) == [
        ("A dog .", "0", "train"),
        ("One dog", "1", "train"),
        ("A cat .", "0", "valid"),
    ]


def test_multi30k_as_published(read, kit):
    parts = ("train", "val", "test_2016_flickr", "test_2017_flickr")
    packed = {
        f"multi30k/{part}.{language}.gz": gzip.compress(f"{language} of {part} .\n".encode())
        for part in parts
        for language in ("en", "fr", "de")
    }
    table = read("multi30k", packed)
    assert table["fr"] == [f"fr of {part} ." for part in parts]
    assert table["part"] == ["train", "valid", "test", "test_2017"]

"""What holds for every registered data set: its record, and a reader that reads the published layout."""

import re
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from longspan import datasets
from longspan.datasets.fetching.fetch import fetch_dataset
from longspan.datasets.fetching.integrity import check_layout

every = pytest.mark.parametrize("name", datasets.names())
READERS = {path.name: path.read_text("utf-8") for path in (Path(__file__).parents[1] / "datasets").rglob("test_*.py")}
MADE_UP = ["mnist", "pets", "camvid", "penn-fudan", "coco128", "wider-face", "fsdd", "speech-commands-test"]
"""Sets that conftest.py makes up, in the published layout."""


@every
def test_it_is_described(name):
    data = datasets.info(name)
    assert data.name == name
    assert data.rows > 0
    assert re.fullmatch(r"[^>]+ -> [^>]+(, [^>]+ -> [^>]+)?", data.task)
    assert re.match(r"https?://", data.home)
    assert data.title[0].isupper()
    assert not data.title.endswith(".")
    assert data.licence
    assert not data.note or data.note.endswith(".")
    assert data.small is None or data.small in datasets.names()


@every
def test_its_files_can_be_found_and_recognised(name):
    for source in datasets.info(name).sources:
        for file in source.files:
            path = PurePosixPath(file.path)
            assert not path.is_absolute()
            assert ".." not in path.parts
            assert file.size > 0
            for digits, value in ((64, file.sha256), (32, file.md5), (32, file.head_md5)):
                assert value is None or re.fullmatch(rf"[0-9a-f]{{{digits}}}", value)
            assert all(re.match(r"https?://[^/]+/\S+$", url) for url in file.urls)
            # What nobody can download must be recognised by its content; an address has a witness.
            assert file.stated_by if file.urls else file.sha256 or file.md5
            assert file.sha256 or file.md5 or file.head_md5 or source.layout or file.exact, "nothing checks this file"
        assert source.differs == "" or source.differs.endswith(".")
        assert all(pattern and count > 0 for pattern, count in source.layout)


@every
def test_its_reader_is_tested_on_a_made_up_archive(name):
    if not any(source.files for source in datasets.info(name).sources):
        table = datasets.load(name)  # comes with the package
        assert len(table) == datasets.info(name).rows
        return
    called = (f'"{name}"', f"def test_{name.replace('-', '_')}_")
    assert any(each in text for text in READERS.values() for each in called) or name in MADE_UP, (
        "write a test in tests/datasets that reads a tiny archive in the published layout"
    )


@pytest.mark.filterwarnings("ignore:Of the classes")  # a dozen rows have few of them
@pytest.mark.parametrize("name", MADE_UP)
def test_it_is_built_and_its_parts_are_disjoint(name, made_up_data):
    fetched = fetch_dataset(made_up_data.records[name])
    check_layout(fetched.source, fetched.folder, name)
    table = fetched.source.load(fetched.folder)
    assert datasets.info(name).task.split(" -> ")[0] in table.columns
    for column in table.columns:
        known = [value for value in table.column_values(column) if value is not None]
        kind = table.columns[column].fit(known)
        assert known
        assert [fault for value in known if (fault := kind.check(value)) is not None] == []
    if "part" not in table.columns:
        return
    parts = np.asarray(table.column_values("part"))
    assert "train" in parts
    assert len(set(parts)) > 1
    split = table.split(column="part", **({} if "valid" in parts else {"valid": 0}))
    rows = [set(map(int, each)) for each in (split.train, split.valid, np.flatnonzero(parts == "test"))]
    assert sum(map(len, rows)) == len(set.union(*rows)) == len(table)

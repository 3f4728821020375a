import dataclasses
import re
import textwrap
from pathlib import Path

import pytest

import longspan as ls
from longspan import datasets
from longspan.datasets import DATASETS, NamedData, Source, register_dataset
from longspan.errors import ConfigError, UnknownNameError


def test_names_and_their_records():
    assert datasets.names()[:3] == ["digits", "mnist", "fashion-mnist"]
    assert {"pets", "pets-small", "camvid", "penn-fudan", "coco128", "wider-face", "cifar10"} <= set(datasets.names())
    with pytest.raises(UnknownNameError, match="Did you mean 'mnist'"):
        datasets.load("mnits")


@pytest.mark.parametrize("name", datasets.names())
def test_every_set_can_be_fetched_by_people_with_a_network(name):
    data = datasets.info(name)
    if not data.sources[0].public:
        whole = [each for each in DATASETS.values() if each.small == name]
        assert len(whole) == 1, "a copy without an address must be the small version of a set that has one"
        assert whole[0].sources[0].public
    for source in data.sources:
        for file in source.files:
            assert all(re.match(r"https?://", url) for url in file.urls)
            assert file.sha256 is None or len(file.sha256) == 64
            assert file.sha1 is None or len(file.sha1) == 40
            assert all(each is None or len(each) == 32 for each in (file.md5, file.head_md5))
            assert file.checked_by or source.contents, "without a checksum of the file one of its contents"
            assert bool(file.stated_by) == bool(file.urls)
        assert all(len(digest) == 64 for _, digest in source.contents)
    assert data.licence
    assert data.home.startswith("http")


def test_the_data_of_every_system_has_a_public_address():
    folder = Path(ls.__file__).parent / "systems"
    loaded = {
        name
        for path in folder.rglob("*.py")
        for name in re.findall(r'datasets\.load\(\s*"(.+?)"', path.read_text("utf-8"))
    }
    assert loaded >= {"mnist", "pets", "camvid", "penn-fudan", "coco128", "wider-face"}
    assert all(DATASETS[name].sources[0].public for name in loaded)


def test_paths_in_the_folder_of_packs_do_not_clash():
    files = {file for data in DATASETS.values() for source in data.sources for file in source.files}
    assert len({file.path for file in files}) == len(files)


@pytest.mark.parametrize("name", ["cifar10", "pets-small", "camvid", "penn-fudan", "coco128", "wider-face-small"])
def test_copies_with_other_pixels_say_how_they_differ(name):
    assert "JPEG" in datasets.info(name).sources[-1].differs or "px" in datasets.info(name).sources[-1].differs


def test_a_set_from_outside_works_by_its_name(tmp_path):
    (tmp_path / "rows.csv").write_text(
        textwrap.dedent("""\
        size,kind
        1.5,a
        2.5,b
    """)
    )
    source = Source(files=(), load=lambda folder: ls.Table.from_csv(tmp_path / "rows.csv"))
    data = NamedData(
        name="mine", title="Mine", rows=2, task="size -> kind", licence="mine", home="http://x", sources=(source,)
    )
    try:
        assert register_dataset(data) is data
        assert register_dataset(data) is data
        assert ls.datasets.load("mine").column_values("kind") == ["a", "b"]
        assert datasets.names()[-1] == "mine"
        with pytest.raises(ConfigError, match="already a data set called 'mine'"):
            register_dataset(dataclasses.replace(data, rows=3))
    finally:
        DATASETS.unregister("mine")


@pytest.mark.parametrize("name", ["", " a", "a/b", "a.csv"])
def test_names_that_a_command_line_takes_for_files_are_refused(name):
    digits = datasets.info("digits")
    with pytest.raises(ConfigError, match="cannot be called"):
        dataclasses.replace(digits, name=name)


def test_former_names_work_and_warn():
    with pytest.warns(FutureWarning, match="'oxford-pets' is now called 'pets-small'"):
        assert datasets.info("oxford-pets").name == "pets-small"
    with pytest.warns(FutureWarning, match="'wider-face-small'"):
        assert datasets.info("wider-face-subset").rows == 270
    digits = dataclasses.replace(datasets.info("digits"), name="oxford-pets")
    with pytest.raises(ConfigError, match="old name"):
        register_dataset(digits)


def test_where_a_set_is_in_words(places, data_folder, monkeypatch):
    assert datasets.status("digits") == "needs no download"
    assert datasets.status("mnist") == "to download, 11.6 MB"
    assert datasets.status("pets-small") == "not here, and at no public address"
    monkeypatch.setenv("LONGSPAN_DATA", str(data_folder))
    assert datasets.status("camvid") == "in LONGSPAN_DATA (copy)"
    assert datasets.status("pets-small") == "in LONGSPAN_DATA"
    assert datasets.at_hand("pets") is None
    datasets.fetch("wider-face-small")
    assert (datasets.status("wider-face-small"), datasets.at_hand("wider-face-small")) == ("in the cache", "cache")

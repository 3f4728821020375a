"""On a fresh machine with a network, every system finds its data at a public address."""

import pytest

import longspan as ls
from longspan.systems import SYSTEMS, SystemRun

MADE_HERE = ("quickstart", "read-numbers", "claim-feedback", "claim-two-layers", "drive", "play-games")


class LoadedError(Exception):
    pass


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name not in MADE_HERE])
def test_the_data_of_a_system_has_a_public_address(name, monkeypatch, tmp_path):
    asked = []

    def fetch_dataset(data, **_):
        asked.append(data)
        raise LoadedError

    monkeypatch.setattr("longspan.datasets.fetch_dataset", fetch_dataset)
    monkeypatch.setattr("longspan.datasets.where", lambda data: None)
    system = SYSTEMS[name]
    with pytest.raises(LoadedError):
        system.run(system.options(), SystemRun(name, tmp_path, quiet=True))
    assert ls.datasets.info(asked[0].name).sources[0].public, asked[0].name


@pytest.mark.parametrize("name", MADE_HERE)
def test_these_need_no_data(name):
    assert SYSTEMS[name].needs.startswith("no download")

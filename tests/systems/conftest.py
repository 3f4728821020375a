"""Runs of systems write their unpacked data into a folder of the tests'."""

import pytest


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, cache_folder):
    monkeypatch.setenv("LONGSPAN_CACHE", str(cache_folder))

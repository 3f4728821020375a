"""Runs of systems write their unpacked data into a folder of the tests', and train in the process of the test."""

import os

import pytest

import longspan as ls


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, cache_folder):
    monkeypatch.setenv("LONGSPAN_CACHE", str(cache_folder))


@pytest.fixture(autouse=True)
def _studies_in_this_process(monkeypatch):
    """Processes of their own would import PyTorch for longer than they train; a run has one thread."""
    run = ls.Study.run

    def inline(study, *_, **options):
        return run(study, **{**options, "jobs": os.cpu_count() or 1, "backend": "inline"})

    monkeypatch.setattr(ls.Study, "run", inline)

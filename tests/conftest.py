"""Fixtures for every test: seeds, and the folder with real data packs."""

import os
import signal
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded():
    """Each test starts from the same random state, so that order and selection do not matter."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data packs that LONGSPAN_DATA names; tests that need it skip without it."""
    folder = os.environ.get("LONGSPAN_DATA")
    if not folder:
        pytest.skip("needs real data: set LONGSPAN_DATA to the folder of data packs")
    return Path(folder)


@pytest.fixture
def ctrl_c_is_heard():
    """Whatever started the tests: a shell lets what runs in its background ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)

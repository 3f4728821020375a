from pathlib import Path

import pytest

from longspan.storage.cache_dir import cache_dir


@pytest.fixture
def clean(monkeypatch, tmp_path):
    for name in ("LONGSPAN_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return monkeypatch


@pytest.mark.parametrize(
    ("platform", "expected"),
    [("linux", ".cache/longspan"), ("darwin", "Library/Caches/longspan"), ("win32", "AppData/Local/longspan")],
)
def test_each_platform_has_its_place(clean, tmp_path, platform, expected):
    clean.setattr("sys.platform", platform)
    assert cache_dir() == tmp_path / expected


def test_xdg_moves_it_and_longspan_cache_moves_it_further(clean, tmp_path):
    clean.setattr("sys.platform", "linux")
    clean.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "longspan"
    clean.setenv("LONGSPAN_CACHE", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"

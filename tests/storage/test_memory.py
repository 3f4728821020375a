from longspan.storage import memory


def test_a_container_may_use_less_than_is_built_in(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_LIMITS", (str(tmp_path / "none"), str(limit)))
    monkeypatch.setattr(memory, "installed_bytes", lambda: 8000)
    assert memory.memory_bytes() == 8000
    for written, allowed in (("max\n", 8000), ("3000\n", 3000), ("9000\n", 8000)):
        limit.write_text(written, encoding="ascii")
        assert memory.memory_bytes() == allowed
    monkeypatch.setattr(memory, "installed_bytes", lambda: None)
    limit.write_text("max", encoding="ascii")
    assert memory.memory_bytes() is None

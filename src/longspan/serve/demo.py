"""The model of `longspan serve --demo`: the quickstart's, which reads handwritten numbers in stages."""

from __future__ import annotations

from pathlib import Path

from longspan.storage.cache_dir import cache_dir

__all__ = ["demo_model"]


def demo_model() -> str:
    """`numbers=FILE` of the quickstart's model in the cache folder; it is trained first if it is not there."""
    from longspan.systems import SystemRun, find_system

    folder = cache_dir() / "demo"
    file = folder / "model.safetensors"
    if not file.is_file():
        system = find_system("quickstart")
        started = SystemRun(system.name, str(folder), seed=0, force=True, quiet=False)
        with started.lock():
            system.run(system.options(), started)
    return f"numbers={Path(file)}"

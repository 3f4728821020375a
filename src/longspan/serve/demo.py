"""The model of `longspan serve --demo`: the quickstart's, which reads handwritten numbers."""

from __future__ import annotations

from pathlib import Path

from longspan.storage.cache_dir import cache_dir

__all__ = ["demo_model"]


def demo_model() -> str:
    """`numbers=FILE` of the quickstart's model in the cache folder; it is trained first if it is not there."""
    from longspan.systems import SystemRun, find_system
    from longspan.systems.numbers.quickstart import QuickstartOptions

    folder = cache_dir() / "demo"
    file = folder / "model.safetensors"
    if not file.is_file():
        system = find_system("quickstart")
        started = SystemRun(system.name, str(folder), seed=0, force=True, quiet=False)
        with started.lock():
            # The quickstart's best model comes from its largest size: the curves below it are not needed here.
            system.run(QuickstartOptions(sizes="400", seeds=1), started)
    return f"numbers={Path(file)}"

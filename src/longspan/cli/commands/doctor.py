"""`longspan doctor`: what this machine can do, and what longspan will use of it."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from pathlib import Path

from longspan.cli.shell import label
from longspan.version import __version__

__all__ = ["doctor"]

# Module and what is missing without it, by the extra that brings it.
_EXTRAS = {"notebook": ("ipywidgets", "progress bars in notebooks"), "test": ("pytest", "longspan's own tests")}


def doctor() -> None:
    """Tell what this machine can do.

    And what longspan will use of it: device, precision, threads, data and weights that are here, extras that are not.
    """
    import torch

    from longspan.inference.precision import native_bfloat16, pick_device, pick_dtype
    from longspan.report import describe_environment

    device = pick_device()
    facts = describe_environment(device=str(device))
    print(label("longspan", f"{__version__}, in {Path(__file__).parents[2]}"))
    print(label("python", f"{platform.python_version()}, {sys.executable}"))
    print(label("torch", f"{torch.__version__}, torchvision {facts['torchvision']}"))
    print(label("processor", f"{facts['processor']}, {facts['cores']} cores to use, {facts['system']}"))
    print(label("memory", _memory()))
    print(label("GPU", _gpus()))
    native = native_bfloat16(device)
    dtype = str(pick_dtype("auto", device)).removeprefix("torch.")
    why = "which it has instructions for" if native else "because bfloat16 would be emulated"
    threads = torch.get_num_threads()
    using = f"{device} with {threads} thread{'s' if threads != 1 else ''}"
    print(label("will use", f"{using}, training in {dtype}, {why}"))
    print(label("data", _data()))
    print(label("weights", _weights()))
    print(label("extras", _extras()))


def _memory() -> str:
    try:
        pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        total = f"{pages * page / 2**30:.1f} GB"
    except (AttributeError, ValueError, OSError):
        return "not told by this system"
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limit = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if limit.isdigit() and int(limit) < pages * page:
            return f"{total}, of which this container may use {int(limit) / 2**30:.1f} GB"
    return total


def _gpus() -> str:
    import torch

    if torch.cuda.is_available():
        known = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        return "\n".join(f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GB" for gpu in known)
    if torch.backends.mps.is_available():
        return "the one in this Apple processor"
    built = torch.version.cuda or torch.version.hip
    return "none found" if built else "none found; this build of torch knows none"


def _data() -> str:
    """Where data is looked for, and what is there."""
    from longspan import datasets
    from longspan.storage.cache_dir import cache_dir

    mirror = os.environ.get("LONGSPAN_DATA", "").strip()
    lines = [f"cache {cache_dir()}{'' if cache_dir().is_dir() else ' (not made yet)'}"]
    if not mirror:
        lines.append("LONGSPAN_DATA is not set: what the cache lacks is downloaded")
    elif mirror.lower().startswith(("http://", "https://")):
        lines.append(f"LONGSPAN_DATA {mirror}")
    else:
        folder = Path(mirror).expanduser()
        lines.append(f"LONGSPAN_DATA {folder}{'' if folder.is_dir() else ' (THERE IS NO SUCH FOLDER)'}")
    for name in datasets.names():
        lines.append(f"{name}: {datasets.status(name)}")
    return "\n".join(lines)


def _weights() -> str:
    """ImageNet weights that need no network."""
    from longspan.models import model_names
    from longspan.models.vision.imagenet import weights_cache

    mirror = os.environ.get("LONGSPAN_DATA", "").strip()
    places = [weights_cache(), *([Path(mirror).expanduser() / "weights"] if mirror else [])]
    # In the cache a name ends in the checksum of what was published.
    stems = {path.stem.partition("-")[0] for place in places if place.is_dir() for path in place.glob("*.safetensors")}
    found = sorted(stems & set(model_names()))
    return f"imagenet, found here: {', '.join(found) or 'none'}; others are downloaded when asked for"


def _extras() -> str:
    missing = [
        f"{extra} is not installed ({what}): python -m pip install 'longspan[{extra}]'"
        for extra, (module, what) in _EXTRAS.items()
        if importlib.util.find_spec(module) is None
    ]
    return "\n".join(missing) or "all installed"

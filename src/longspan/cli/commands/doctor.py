"""`longspan doctor`: what this machine can do, and what longspan will use of it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Annotated, Any

from longspan.cli.options import Opt
from longspan.cli.shell import label
from longspan.extras import EXTRAS
from longspan.storage.memory import installed_bytes, memory_bytes
from longspan.version import __version__

__all__ = ["doctor"]

_SPEED_S = 5.0
_WIDTH = 100


def doctor(
    as_json: Annotated[bool, Opt("--json", help="Print everything as one JSON object.")] = False,
    speed: Annotated[
        bool, Opt("--speed/--no-speed", help="Measure for five seconds how fast a network trains.")
    ] = True,
) -> None:
    """Show what this machine can do, and what longspan will use of it.

    Device, precision and threads; extras, with what each enables and how to install it; data sets and weights that are
    here; free disk; and how fast a known network trains, so that you know what to expect.
    """
    import torch

    from longspan.inference.precision import native_bfloat16, pick_device, pick_dtype
    from longspan.report import describe_environment

    device = pick_device()
    environment = describe_environment(device=str(device))
    native = native_bfloat16(device)
    threads = torch.get_num_threads()
    facts: dict[str, Any] = {
        "longspan": f"{__version__}, in {Path(__file__).parents[2]}",
        "python": f"{platform.python_version()}, {sys.executable}",
        "torch": f"{torch.__version__}, torchvision {environment['torchvision']}",
        "processor": f"{environment['processor']}, {environment['cores']} cores to use, {environment['system']}",
        "memory": _memory(),
        "gpu": _gpus(),
        "device": str(device),
        "threads": threads,
        "precision": str(pick_dtype("auto", device)).removeprefix("torch."),
        "disk": _disk(),
        "data": _data_facts(),
        "weights": _weights(),
        "extras": {name: _extra(name) for name in EXTRAS},
    }
    if as_json:
        if speed:
            facts["speed"] = _speed().to_json()
        print(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    for name in ("longspan", "python", "torch", "processor", "memory"):
        print(label(name, facts[name]))
    print(label("GPU", facts["gpu"]))
    why = "which it has instructions for" if native else "because bfloat16 would be emulated"
    using = f"{device} with {threads} thread{'s' if threads != 1 else ''}"
    print(label("will use", f"{using}, training in {facts['precision']}, {why}"))
    print(
        label(
            "disk",
            "\n".join(f"{what}: {each['free_gb']:g} GB free in {each['path']}" for what, each in facts["disk"].items()),
        )
    )
    print(label("data", _data()))
    found = ", ".join(facts["weights"]) or "none"
    print(label("weights", f"of ImageNet, here: {found}; others are downloaded when needed"))
    print(label("extras", _extras(facts["extras"])))
    if speed:
        print(label("speed", _speed().sentences()))


def _speed() -> Any:
    from longspan.cli.speed_test import speed_test

    return speed_test(seconds=_SPEED_S)


def _disk() -> dict[str, dict[str, Any]]:
    """Free space where data, weights and temporary files go."""
    from longspan.storage.cache_dir import cache_dir

    found = {}
    for what, folder in (("cache", cache_dir()), ("temporary", Path(tempfile.gettempdir()))):
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        found[what] = {"path": str(folder), "free_gb": round(shutil.disk_usage(there).free / 1e9, 1)}
    return found


def _data_facts() -> dict[str, str]:
    from longspan import datasets

    return {name: datasets.status(name) for name in datasets.names()}


def _extra(name: str) -> dict[str, Any]:
    extra = EXTRAS[name]
    missing = extra.missing()
    return {"installed": not missing, "missing": missing, "enables": extra.enables, "install": extra.install}


def _extras(found: dict[str, dict[str, Any]]) -> str:
    width = max(map(len, found))
    lines = []
    for name, extra in found.items():
        state = "installed" if extra["installed"] else "missing"
        lines.append(f"{name:<{width}}  {state:<9}  {extra['enables']}")
        if not extra["installed"]:
            lines.append(f"{'':<{width + 13}}{extra['install']}")
    return "\n".join(lines)


def _memory() -> str:
    built_in, allowed = installed_bytes(), memory_bytes()
    if built_in is None or allowed is None:
        return "unknown: this system does not say"
    total = f"{built_in / 2**30:.1f} GB"
    return total if allowed >= built_in else f"{total}, of which this container may use {allowed / 2**30:.1f} GB"


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
    found: dict[str, list[str]] = {}
    for name in datasets.names():
        where, _, size = datasets.status(name).partition(", ")
        found.setdefault(where, []).append(f"{name} ({size})" if size else name)
    for where, names in found.items():
        what = where.replace("(copy)", "(copies that differ from the published files)")
        lines += textwrap.wrap(f"{what}: {', '.join(names)}", _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)


def _weights() -> list[str]:
    """Networks whose ImageNet weights need no download."""
    from longspan.models.vision.imagenet import weights_cache
    from longspan.valid_values import stored_networks

    mirror = os.environ.get("LONGSPAN_DATA", "").strip()
    places = [weights_cache(), *([Path(mirror).expanduser() / "weights"] if mirror else [])]
    # In the cache a name ends in the checksum of what was published.
    stems = {path.stem.partition("-")[0] for place in places if place.is_dir() for path in place.glob("*.safetensors")}
    return sorted(stems & {network["name"] for network in stored_networks() if network["imagenet"]})

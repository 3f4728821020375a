"""What a result was made with: versions and hardware, but nothing that names a person, a host or a folder."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

__all__ = ["describe_environment"]


def describe_environment(*, device: str = "cpu", precision: str = "float32") -> dict[str, str | int]:
    """Versions, processor and settings, as printed in the report and in `result.json`.

    Args:
        device: torch device that trained; a GPU is named by its model.
        precision: of the arithmetic that trained ("float32", "bfloat16").
    """
    import torch

    facts: dict[str, str | int] = {
        "longspan": _version("longspan"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": _version("torchvision"),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "device": device,
        "precision": precision,
    }
    if device.startswith("cuda") and torch.cuda.is_available():
        facts["device"] = f"{device} ({torch.cuda.get_device_name(device)})"
    return facts


def _version(package: str) -> str:
    """The installed version; a source tree that was never installed says so."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "source tree" if package == "longspan" else "not installed"


def _processor() -> str:
    """The processor's trade name where the system tells it, else its architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass  # not Linux: the platform module knows
    return platform.processor() or platform.machine()

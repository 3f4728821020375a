"""Which device trains, and in which numbers."""

from __future__ import annotations

import platform
from typing import Literal, get_args

import torch

from longspan.errors import ConfigError, unknown_name

__all__ = ["PRECISIONS", "Precision", "native_bfloat16", "pick_device", "pick_dtype"]

Precision = Literal["auto", "float32", "bfloat16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)


def native_bfloat16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 matrices itself: GPUs since Ampere, AVX512-BF16, AMX.

    Elsewhere bfloat16 is emulated and slower than float32.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and platform.machine() in ("x86_64", "AMD64"):
        known = torch.cpu.get_capabilities()
        return bool(known.get("avx512_bf16") or known.get("amx_bf16"))
    return device.type == "mps"


def pick_device(wanted: str = "auto") -> torch.device:
    """The named device, or the fastest there is.

    Raises:
        ConfigError: this machine has no such device.
    """
    if wanted != "auto":
        try:
            device = torch.device(wanted)
        except RuntimeError as error:
            raise ConfigError(f"There is no device {wanted!r}. Valid: auto, cpu, cuda, cuda:0, mps.") from error
        there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
        if (device.index or 0) >= there.get(device.type, 0):
            found = [kind for kind, count in there.items() if count]
            raise ConfigError(f"This machine has no device {wanted!r}. It has {', '.join(found)}; or use 'auto'.")
        return device
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def pick_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The number type for the layers that autocast knows; weights and losses stay float32."""
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if precision == "bfloat16" or (precision == "auto" and native_bfloat16(device)):
        return torch.bfloat16
    return torch.float32

"""Which device trains, and in which numbers."""

from __future__ import annotations

import platform
from typing import Literal

import torch

from longspan.errors import ConfigError

__all__ = ["Precision", "native_bfloat16", "pick_device", "pick_dtype"]

Precision = Literal["auto", "float32", "bfloat16"]


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
    """The named device, or the fastest there is."""
    if wanted != "auto":
        try:
            return torch.device(wanted)
        except RuntimeError as error:
            raise ConfigError(f"There is no device {wanted!r}. Valid: auto, cpu, cuda, cuda:0, mps.") from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def pick_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The number type for the layers that autocast knows; weights and losses stay float32."""
    if precision not in ("auto", "float32", "bfloat16"):
        raise ConfigError(f"precision must be 'auto', 'float32' or 'bfloat16', got {precision!r}.")
    if precision == "bfloat16" or (precision == "auto" and native_bfloat16(device)):
        return torch.bfloat16
    return torch.float32

"""PyTorch, imported when it is first used, so that files are read without it and options are checked before it.

`longspan predict model.onnx` needs columns to read and encode what is to be predicted, but no tensors. Rooms up to
`columns` therefore take `torch` and `functional` from here; the others import PyTorch themselves.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, final

from longspan.errors import DependencyError

__all__ = ["functional", "is_tensor", "torch"]


@final
class _Lazy(ModuleType):
    """A module that is imported when an attribute of it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        """An attribute of the real module; all others are copied with it, so that this is called once."""
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            from torch.nn import functional  # which imports torch

            module = functional if self.__name__ == "torch.nn.functional" else sys.modules["torch"]
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise DependencyError(
                "This needs PyTorch, which is not installed: python -m pip install torch torchvision"
            ) from error
        self.__dict__.update(module.__dict__)
        return getattr(module, name)


def is_tensor(value: object) -> bool:
    """Whether a value is a tensor; where PyTorch was never imported there are none."""
    return "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor)


def _module(name: str) -> ModuleType:
    return sys.modules.get(name) or _Lazy(name)


if TYPE_CHECKING:
    import torch as torch
    from torch.nn import functional as functional
else:
    torch = _module("torch")
    functional = _module("torch.nn.functional")

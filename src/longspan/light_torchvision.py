"""torchvision without PyTorch's compiler, which takes a second and a half to import and serves one of its functions."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any, final

__all__ = ["import_torchvision"]

_COMPILER = ("torch._dynamo", "torch._dynamo.utils")


def import_torchvision() -> ModuleType:
    """torchvision, imported if it is not yet.

    It asks the compiler whether it may compile `roi_align` for a device. While it is imported a stand-in takes the
    compiler's place, which imports the compiler when it is asked. A torchvision that wants more of it gets it.

    Raises:
        ImportError: there is no torchvision.
    """
    if "torchvision" not in sys.modules and _COMPILER[0] not in sys.modules:
        sys.modules.update({name: _StandIn(name) for name in _COMPILER})
        try:
            return importlib.import_module("torchvision")
        finally:
            _remove_stand_ins()
    return importlib.import_module("torchvision")


@final
class _StandIn(ModuleType):
    """A module of the compiler while torchvision is imported."""

    def __getattr__(self, name: str) -> Any:
        """The deferred function, or whatever else is wanted from the module itself."""
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "is_compile_supported":
            return _is_compile_supported
        _remove_stand_ins()
        importlib.import_module("torch._dynamo.utils")
        return getattr(sys.modules[self.__name__], name)


def _remove_stand_ins() -> None:
    for name in _COMPILER:
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]


def _is_compile_supported(device: Any) -> Any:
    from torch._dynamo.utils import is_compile_supported

    return is_compile_supported(device)

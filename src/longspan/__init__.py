"""longspan: deep learning, end to end or in stages: measure which.

Every name that a room lists in its `__all__` is a name here: `longspan.Learner` is `longspan.train.Learner`. Names are
loaded when they are first used, so that the command line answers at once: `import longspan` alone costs milliseconds,
and `longspan.Learner` brings PyTorch.
"""

from __future__ import annotations

import importlib
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

from longspan.allocator import keep_freed_memory
from longspan.openmp import set_short_waits
from longspan.version import __version__ as __version__

set_short_waits()  # before PyTorch is loaded
keep_freed_memory()

if TYPE_CHECKING:  # what editors and pyright follow; star imports take exactly the rooms' `__all__`
    from longspan import audio as audio
    from longspan import datasets as datasets
    from longspan import explain as explain
    from longspan import generative as generative
    from longspan import models as models
    from longspan.audio import *  # noqa: F403
    from longspan.columns import *  # noqa: F403
    from longspan.control import *  # noqa: F403
    from longspan.data import *  # noqa: F403
    from longspan.deploy import *  # noqa: F403
    from longspan.errors import LongspanError as LongspanError
    from longspan.heads import *  # noqa: F403
    from longspan.inference import *  # noqa: F403
    from longspan.models.audio import *  # noqa: F403
    from longspan.models.tabular import *  # noqa: F403
    from longspan.models.text import *  # noqa: F403
    from longspan.models.vision import *  # noqa: F403
    from longspan.pipeline import *  # noqa: F403
    from longspan.portable import *  # noqa: F403
    from longspan.study import *  # noqa: F403
    from longspan.text import *  # noqa: F403
    from longspan.train import *  # noqa: F403
    from longspan.vision import *  # noqa: F403

# In the order of imports, so that looking for a name loads no room that its own room does not need.
_ROOMS = (
    "audio",
    "text",
    "vision",
    "columns",
    "data",
    "portable",
    "models.audio",
    "models.vision",
    "models.tabular",
    "models.text",
    "heads",
    "inference",
    "train",
    "pipeline",
    "deploy",
    "study",
    "control",
)
_ELSEWHERE = {"LongspanError": "errors", "load": "pipeline"}  # `inference.load` reads no pipelines


if not TYPE_CHECKING:  # a module with `__getattr__` would have every name for a type checker

    def __getattr__(name: str) -> Any:
        """Load a public name on first use (PEP 562); the names of version 1 work and warn."""
        if name == "__all__":
            return __dir__()
        if name.islower() and PathFinder.find_spec(f"longspan.{name}", __path__) is not None:  # noqa: F405 - a package has it
            return importlib.import_module(f"longspan.{name}")
        if name.startswith("_"):
            raise AttributeError(f"module 'longspan' has no attribute {name!r}")
        for home in [_ELSEWHERE[name]] if name in _ELSEWHERE else _ROOMS:
            room = importlib.import_module(f"longspan.{home}")
            if name in room.__all__:
                globals()[name] = getattr(room, name)  # the next use does not come here
                return globals()[name]
        from longspan.old_names import CLASSES, warn_renamed

        if name in CLASSES:
            warn_renamed(f"longspan.{name}", f"longspan.{CLASSES[name]}")
            return __getattr__(CLASSES[name])
        raise AttributeError(f"module 'longspan' has no attribute {name!r}")

    def __dir__() -> list[str]:
        rooms = (importlib.import_module(f"longspan.{room}") for room in _ROOMS)
        return sorted(
            {
                "__version__",
                "datasets",
                "explain",
                "generative",
                "models",
                *_ELSEWHERE,
                *(name for room in rooms for name in room.__all__),
            }
        )

"""The registry of named data sets; anyone can add to it."""

from __future__ import annotations

import warnings

from longspan.datasets.named import NamedData
from longspan.errors import ConfigError, unknown_name

__all__ = ["DATASETS", "find_dataset", "register_dataset"]

DATASETS: dict[str, NamedData] = {}
"""Every data set by its name, in the order of registration."""

_RENAMED = {"oxford-pets": "pets-small", "wider-face-subset": "wider-face-small"}


def register_dataset(data: NamedData) -> NamedData:
    """Make a data set loadable by its name, in Python and on the command line.

    Args:
        data: What to register. Registering the same object again changes nothing.

    Returns:
        `data`, so that a module can write `MINE = register_dataset(NamedData(...))`.

    Raises:
        ConfigError: the name belongs to another data set.

    """
    if data.name in _RENAMED:
        raise ConfigError(f"{data.name!r} is the former name of {_RENAMED[data.name]!r}; choose another name.")
    if DATASETS.get(data.name, data) is not data:
        raise ConfigError(f"There is already a data set called {data.name!r}; choose another name.")
    DATASETS[data.name] = data
    return data


def find_dataset(name: str) -> NamedData:
    """The data set called `name`; UnknownNameError with the nearest name if there is none.

    Former names still work and warn.
    """
    if name in _RENAMED and name not in DATASETS:
        warnings.warn(f"The data set {name!r} is now called {_RENAMED[name]!r}.", FutureWarning, stacklevel=3)
        name = _RENAMED[name]
    if name not in DATASETS:
        raise unknown_name("data set", name, DATASETS)
    return DATASETS[name]

"""The registry of named data sets; anyone can add to it."""

from __future__ import annotations

from longspan import old_names
from longspan.datasets.named import NamedData
from longspan.registry import Registry

__all__ = ["DATASETS", "find_dataset", "register_dataset"]

DATASETS = Registry[NamedData](
    "data set", name_of=lambda data: data.name, summary_of=lambda data: data.title, old_names=old_names.DATASETS
)
"""Every data set by its name, in the order of registration."""


def register_dataset(data: NamedData) -> NamedData:
    """Make a data set loadable by its name, in Python and on the command line.

    Args:
        data: What to register. Registering the same object again changes nothing.

    Returns:
        `data`, so that a module can write `MINE = register_dataset(NamedData(...))`.

    Raises:
        ConfigError: the name belongs to another data set.

    """
    return DATASETS.register()(data)


def find_dataset(name: str) -> NamedData:
    """The data set called `name`; UnknownNameError with the nearest name if there is none.

    Former names still work and warn.
    """
    return DATASETS.find(name)

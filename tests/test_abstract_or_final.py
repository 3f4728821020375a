"""Every class of the package is abstract or final: an implemented method is never overridden from afar."""

import enum
import importlib
import inspect
import pkgutil
from abc import ABC
from typing import Protocol, TypedDict, final

import pytest

import longspan


def classes():
    """Every class that a module of the package defines."""
    found = []
    for module in pkgutil.walk_packages(longspan.__path__, "longspan."):
        if not module.name.endswith("__main__"):
            known = vars(importlib.import_module(module.name)).values()
            found += [each for each in known if inspect.isclass(each) and each.__module__ == module.name]
    return found


def fault(kind, extended):
    """What is wrong with one class, given all classes that others derive from; None when it is fine."""
    is_final = vars(kind).get("__final__", False)
    if is_final:
        return "is final and others derive from it" if kind in extended else None
    if issubclass(kind, BaseException | enum.Enum) or (issubclass(kind, tuple) and hasattr(kind, "_fields")):
        return None
    is_protocol = getattr(kind, "_is_protocol", False)
    if is_protocol or hasattr(kind, "__total__") or inspect.isabstract(kind) or ABC in kind.__bases__:
        return None
    return "is neither abstract nor final"


def test_every_class_is_abstract_or_final():
    every = classes()
    assert len(every) > 300
    extended = {base for each in every for base in each.__mro__[1:]}
    assert {f"{each.__module__}.{each.__name__}": found for each in every if (found := fault(each, extended))} == {}


class Open:
    pass


class Derived(Open):
    pass


@final
class Closed:
    pass


class Interface(ABC):  # noqa: B024
    pass


class Form(Protocol):
    pass


class Fields(TypedDict):
    name: str


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Open, "neither"),
        (Derived, "neither"),
        (Closed, None),
        (Interface, None),
        (Form, None),
        (Fields, None),
        (KeyError, None),
    ],
)
def test_what_counts_as_abstract_or_final(kind, says):
    found = fault(kind, set())
    assert found is None if says is None else says in found
    assert "derive from it" in fault(Closed, {Closed})

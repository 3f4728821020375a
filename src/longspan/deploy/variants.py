"""The names of variants: which steps make one of a model, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from longspan.errors import ConfigError, unknown_name

__all__ = ["ORIGINAL", "PRUNED", "VARIANTS", "Recipe", "default_variants", "parse_variant"]

ORIGINAL = "original"
PRUNED = {"prune30": 0.3, "prune50": 0.5, "prune70": 0.7}
"""Fraction of the multiply-adds that goes."""
_FORMATS = ("bfloat16", "onnx", "int8")
VARIANTS = ("student", *PRUNED, *_FORMATS)
"""Every step; a variant is one, or several with a plus sign between, such as "prune50+int8"."""


@final
@dataclass(frozen=True, slots=True)
class Recipe:
    """The steps of a variant."""

    name: str
    student: bool
    pruned: str | None
    """Its step of pruning."""
    format: Literal["bfloat16", "onnx", "int8"] | None

    @property
    def network(self) -> str:
        """The steps before the format: variants that share them share a network."""
        return "+".join((["student"] if self.student else []) + ([self.pruned] if self.pruned else [])) or ORIGINAL

    @property
    def file(self) -> str:
        """Name of the file."""
        return f"{self.name}{'.onnx' if self.format in ('onnx', 'int8') else '.safetensors'}"


def default_variants(student: bool) -> tuple[str, ...]:
    """What is made where nothing is named."""
    taught = ("student", "student+int8") if student else ()
    return ("bfloat16", "onnx", "int8", *PRUNED, "prune50+int8", *taught)


def parse_variant(name: str) -> Recipe:
    """The steps that a name stands for, in the order in which they are done.

    Raises:
        UnknownNameError: a step that does not exist.
        ConfigError: two steps that exclude each other.

    Example:
        >>> parse_variant("int8+prune50").name
        'prune50+int8'
    """
    steps = name.split("+")
    for step in steps:
        if step not in VARIANTS:
            raise unknown_name("variant", step, VARIANTS)
    ordered = sorted(set(steps), key=VARIANTS.index)
    _one_of(name, ordered, tuple(PRUNED))
    _one_of(name, ordered, _FORMATS)
    return Recipe(
        "+".join(ordered),
        "student" in ordered,
        next((step for step in ordered if step in PRUNED), None),
        next((step for step in ordered if step in _FORMATS), None),  # type: ignore[arg-type]
    )


def _one_of(name: str, steps: Sequence[str], exclusive: Sequence[str]) -> None:
    found = [step for step in steps if step in exclusive]
    if len(found) > 1:
        raise ConfigError(f"Variant {name!r}: {' and '.join(found)} exclude each other.")

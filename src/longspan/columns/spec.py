"""What a network sees of one input: the shape and meaning of the tensor that `Column.prepare` gives.

Backbones are built from the specs of all inputs, so a network never asks what kind of column a value came from.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from abc import ABC
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

from longspan.errors import ConfigError, unknown_name

__all__ = ["SPECS", "FeaturesSpec", "ImageSpec", "SequenceSpec", "Spec", "TokensSpec", "VectorSpec", "spec_from_json"]


class Spec(ABC):
    """Shape and meaning of one prepared input. Subclasses are frozen dataclasses."""

    kind: ClassVar[str]
    """Name in files and messages."""

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this spec again."""
        assert dataclasses.is_dataclass(self)
        return {"kind": self.kind, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The spec that `to_json` described; lists become tuples again.

        Raises:
            ConfigError: values that no spec has.
        """
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in fields.items() if name != "kind"})


@final
@dataclass(frozen=True)
class ImageSpec(Spec):
    """An image: `(B, channels, H, W)` float32, normalised."""

    kind: ClassVar[str] = "image"

    channels: int
    size_px: tuple[int, int]
    """Height and width."""

    def __post_init__(self) -> None:
        """Check channels and size."""
        _check_counts(self, "channels", [self.channels])
        _check_counts(self, "size_px", self.size_px, length=2)


@final
@dataclass(frozen=True)
class SequenceSpec(Spec):
    """A sequence of vectors: a `Ragged` of values `(B, T, features)` float32; 0 after the end."""

    kind: ClassVar[str] = "sequence"

    features: int
    rate_hz: float | None = None
    """Steps a second, where steps are moments."""
    max_length: int | None = None
    """Most steps of a sequence, where there is a limit."""

    def __post_init__(self) -> None:
        """Check counts and rate."""
        _check_counts(self, "features", [self.features])
        _check_counts(self, "max_length", [] if self.max_length is None else [self.max_length])
        if self.rate_hz is not None and not 0 < self.rate_hz < math.inf:
            raise ConfigError(f"SequenceSpec.rate_hz must be above 0 and finite, got {self.rate_hz!r}.")


@final
@dataclass(frozen=True)
class TokensSpec(Spec):
    """A sequence of tokens: a `Ragged` of values `(B, T)` int64 in `0 .. vocab_size - 1`."""

    kind: ClassVar[str] = "tokens"

    vocab_size: int
    """Different tokens, padding included."""
    max_length: int | None = None
    """Most tokens of a sequence, where there is a limit."""
    padding: int = 0
    """The token after the end of a sequence."""

    def __post_init__(self) -> None:
        """Check counts and the padding token."""
        _check_counts(self, "vocab_size", [self.vocab_size])
        _check_counts(self, "max_length", [] if self.max_length is None else [self.max_length])
        if not 0 <= self.padding < self.vocab_size:
            raise ConfigError(
                f"TokensSpec.padding must be one of the {self.vocab_size} tokens, counted from 0; got {self.padding!r}."
            )


@final
@dataclass(frozen=True)
class VectorSpec(Spec):
    """Numbers, categories, or both, of a fixed count.

    An input of numbers alone is `(B,)` float32 if there is one of them, else `(B, numbers)`; an input of categories
    alone is `(B,)` int64 if there is one, else `(B, len(categories))`. No column has both.
    """

    kind: ClassVar[str] = "vector"

    numbers: int = 0
    """How many numbers, standardised."""
    categories: tuple[int, ...] = ()
    """For each category, how many classes it has."""

    def __post_init__(self) -> None:
        """Check the counts."""
        _check_counts(self, "categories", self.categories)
        if not isinstance(self.numbers, int) or self.numbers < 0:
            raise ConfigError(f"VectorSpec.numbers must be a whole number of at least 0, got {self.numbers!r}.")
        if not self.numbers and not self.categories:
            raise ConfigError("VectorSpec needs at least one number or category.")


@final
@dataclass(frozen=True)
class FeaturesSpec(Spec):
    """Numbers and categories of a table: `(B, numbers + len(categories))` float32, class numbers behind the numbers."""

    kind: ClassVar[str] = "features"

    numbers: int = 0
    """How many numbers, scaled; indicators of missing values among them."""
    categories: tuple[int, ...] = ()
    """For each category, how many classes it has; class 0 is that of unknown labels."""
    edges: tuple[tuple[float, ...], ...] = ()
    """For each number, the ascending edges of its bins, at least two."""

    def __post_init__(self) -> None:
        """Check counts and edges."""
        object.__setattr__(self, "edges", tuple(tuple(each) for each in self.edges))
        _check_counts(self, "categories", self.categories)
        if not isinstance(self.numbers, int) or self.numbers < 0 or not self.numbers + len(self.categories):
            raise ConfigError("FeaturesSpec needs at least one number or category.")
        if len(self.edges) != self.numbers or any(
            len(each) < 2 or any(low >= high for low, high in itertools.pairwise(each)) for each in self.edges
        ):
            raise ConfigError("FeaturesSpec.edges must hold, for each number, two or more ascending edges.")


SPECS: dict[str, type[Spec]] = {
    spec.kind: spec for spec in (ImageSpec, SequenceSpec, TokensSpec, VectorSpec, FeaturesSpec)
}
"""Every kind of spec by its name in files."""


def spec_from_json(fields: dict[str, Any]) -> Spec:
    """The spec that `Spec.to_json` described.

    Raises:
        UnknownNameError: its kind does not exist.
        ConfigError: values that no spec has.
    """
    kind = str(fields.get("kind"))
    if kind not in SPECS:
        raise unknown_name("input spec", kind, SPECS)
    return SPECS[kind].from_json(fields)


def _check_counts(spec: Spec, name: str, counts: Any, length: int | None = None) -> None:
    """ConfigError unless every count is a whole number of at least 1."""
    whole = isinstance(counts, list | tuple) and all(
        isinstance(each, int) and not isinstance(each, bool) and each >= 1 for each in counts
    )
    if not whole or (length is not None and len(counts) != length):
        raise ConfigError(
            f"{type(spec).__name__}.{name} must hold whole numbers of at least 1, got {getattr(spec, name)!r}."
        )

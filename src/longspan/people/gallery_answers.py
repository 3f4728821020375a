"""What a gallery answers: who is enrolled, who somebody is, and what became of photos and of people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

__all__ = ["Answer", "Enrolment", "Match", "Person", "Removal"]


@final
@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is enrolled."""

    id: str
    """A random number, by which the log names them."""
    name: str
    entries: int
    """Photos that their vector comes from."""
    added: str
    changed: str


@final
@dataclass(frozen=True, slots=True)
class Match:
    """A person, and how similar they are: the cosine of the angle between two vectors, -1 to 1."""

    name: str
    similarity: float


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """Who a vector is of, or that nobody enrolled is similar enough."""

    name: str | None
    """None: unknown."""
    similarity: float
    """Of the most similar person; -1 in an empty gallery."""
    reason: str
    """In words."""

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {"name": self.name, "similarity": round(self.similarity, 4), "reason": self.reason}


@final
@dataclass(frozen=True, slots=True)
class Enrolment:
    """What became of photos that were given for a person."""

    person: Person
    taken: int
    refused: tuple[str, ...]
    """A reason for each photo that was left out."""
    conflicts: tuple[Match, ...]
    """People who are as similar as the threshold asks, though somebody else."""


@final
@dataclass(frozen=True, slots=True)
class Removal:
    """What proves that somebody is gone."""

    id: str
    entries: int
    searched_bytes: int
    """Of the file and its journals, in which none of the removed vectors was found."""
    people_left: int
    file_sha256: str
    """Of the file as it is now."""

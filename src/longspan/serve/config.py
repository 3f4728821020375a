"""The limits of a server, and the names of what it serves."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import final

from longspan.errors import ConfigError

__all__ = ["ServeConfig", "split_name"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ServeConfig:
    """What a server accepts, and how it puts requests together."""

    max_body_mb: float = 20
    """Largest body of a request; larger ones are refused before they are read to the end."""
    max_pixels: int = 50_000_000
    """Largest image, by its header, before it is decoded."""
    max_seconds: float = 60
    """Longest recording, by its header."""
    max_characters: int = 20_000
    """Longest text."""
    max_queue: int = 256
    """Requests that wait for one model; more are refused with 503."""
    max_batch: int = 32
    """Requests that are computed together."""
    threads: int = 1
    """Threads that compute, for each model that can be used by several at once; each computes requests of its own."""
    wait_ms: float = 2
    """How long the first request of a batch waits for others, where the batch before had several."""
    timeout_s: float = 30
    """Longest time from request to answer."""
    per_minute: int = 0
    """Requests of one client in a minute; more are refused with 429. 0: any number."""
    memory_mb: float = 0
    """Files of all models together; more are refused at the start. 0: any size."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for field in fields(self):
            value, least = (
                getattr(self, field.name),
                0 if field.name in ("per_minute", "memory_mb", "wait_ms") else 1e-9,
            )
            if not isinstance(value, int | float) or not least <= value < float("inf"):
                at_least = "at least 0" if least == 0 else "above 0"
                raise ConfigError(f"ServeConfig.{field.name} must be {at_least}, got {value!r}.")


def split_name(given: str) -> tuple[str | None, str]:
    """`pets=models/a.onnx` as name and file; no name where none is given."""
    name, equals, file = given.partition("=")
    return (name, file) if equals and name.replace("-", "").replace("_", "").isalnum() else (None, given)

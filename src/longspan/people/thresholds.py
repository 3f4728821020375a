"""From which similarity two photos are taken for one person."""

from __future__ import annotations

__all__ = ["DEFAULT_THRESHOLD"]

DEFAULT_THRESHOLD = 0.5
"""For vectors of `mobilefacenet` with the weights "faces": few false accepts among many enrolled people, some refusals;
docs/guides/people.md has the figures."""

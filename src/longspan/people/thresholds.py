"""From which similarity two photos are taken for one person."""

from __future__ import annotations

__all__ = ["DEFAULT_THRESHOLD"]

DEFAULT_THRESHOLD = 0.5
"""For vectors of `mobilefacenet` with the weights "faces"; see docs/guides/people.md for its errors."""

"""What is wrong with a recording that can be read: silence, clipping, loudness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

__all__ = ["Quality", "is_clipped", "measure_quality", "quality_fault"]

_FULL_SCALE = 32767
_AT_FULL_SCALE = 32700
_RUN = 3  # samples at full scale one after another: a loud peak touches it once, a clipped one stays there
_CLIPPED = 0.01
_SILENT_DBFS = -90.0  # the last bit of 16


@final
@dataclass(frozen=True, slots=True)
class Quality:
    """Levels of a recording, in decibels relative to full scale (dBFS)."""

    peak_dbfs: float
    """Of the loudest sample; -inf for digital silence."""
    loudness_dbfs: float
    """Root mean square; -inf for digital silence."""
    clipped: float
    """Fraction of samples that stay at full scale for three samples and more."""

    @property
    def silent(self) -> bool:
        """Whether nothing is above the last bit of 16."""
        return self.peak_dbfs <= _SILENT_DBFS


def measure_quality(samples: np.ndarray) -> Quality:
    """The levels of samples `(num_samples,)` int16.

    Example:
        >>> measure_quality(np.zeros(100, np.int16)).silent
        True
    """
    if not len(samples):
        return Quality(-math.inf, -math.inf, 0.0)
    wide = np.abs(samples.astype(np.int32))
    power = float(np.mean(np.square(wide, dtype=np.float64)))
    return Quality(_dbfs(float(wide.max())), _dbfs(math.sqrt(power)), _clipped(wide >= _AT_FULL_SCALE))


def is_clipped(samples: np.ndarray) -> bool:
    """Whether more than 1 % of samples `(num_samples,)` int16 stay at full scale."""
    return _clipped(np.abs(samples.astype(np.int32)) >= _AT_FULL_SCALE) > _CLIPPED


def quality_fault(samples: np.ndarray, refuse: tuple[str, ...]) -> str | None:
    """Why samples `(num_samples,)` int16 are of no use, where that is to be refused; None where they are fine.

    Args:
        samples: Of one recording.
        refuse: Any of "silent" and "clipped".
    """
    if not refuse:
        return None
    quality = measure_quality(samples)
    if "silent" in refuse and quality.silent:
        return "it is silent; leave it out, or accept silence with Audio(refuse=()) (--column NAME=audio:refuse:none)"
    if "clipped" in refuse and quality.clipped > _CLIPPED:
        return f"{quality.clipped:.1%} of its samples are clipped; record it at a lower level, or leave it out"
    return None


def _dbfs(amplitude: float) -> float:
    return 20 * math.log10(amplitude / _FULL_SCALE) if amplitude > 0 else -math.inf


def _clipped(full: np.ndarray) -> float:
    """Fraction of samples in runs of at least `_RUN`."""
    if not full.any():
        return 0.0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], full.astype(np.int8), [0]])))
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= _RUN].sum()) / len(full)

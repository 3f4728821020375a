"""Approximate search for galleries beyond a million people, with its recall measured against exact search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from longspan.errors import ConfigError
from longspan.extras import require_extra

__all__ = ["ApproximateIndex"]

_PROBES = 500
_BLOCK = 1 << 17


@final
@dataclass
class ApproximateIndex:
    """A graph of neighbours (HNSW, by usearch) over the vectors of a gallery: `gallery.use_index(ApproximateIndex())`.

    It may miss the most similar person. `recall` says how often it finds that person, measured at every build for
    probes around enrolled vectors, as exact search finds them. A person who is missed is refused, never taken for
    another above the threshold who is not at least as similar.

    Source: Malkov and Yashunin 2018, "Efficient and robust approximate nearest neighbor search using hierarchical
    navigable small world graphs".
    """

    neighbours: int = 32
    """Links of a vector in the graph."""
    effort: int = 256
    """Candidates that a search keeps; more find more and take longer."""
    probe_noise: float = 1.5
    """How far probes for the recall lie from an enrolled vector: the length of a random vector added to it. 1.5 is a
    cosine of 0.55 on average, a little less than that of two photos of one person with MobileFaceNet."""
    recall: float | None = None
    """Fraction of probes whose most similar person was found; None before the first build."""

    def __post_init__(self) -> None:
        """Check the numbers and the library."""
        if self.neighbours < 2 or self.effort < 1 or not self.probe_noise >= 0:
            raise ConfigError("ApproximateIndex needs neighbours >= 2, effort >= 1 and probe_noise >= 0.")
        require_extra("index", "An approximate index")
        self._index: Any = None

    def build(self, means: npt.NDArray[np.float32]) -> None:
        """The index of these unit vectors `(people, D)`, made anew, and its recall."""
        from usearch.index import Index

        self._index = Index(
            ndim=means.shape[1], metric="ip", dtype="f32", connectivity=self.neighbours,
            expansion_add=2 * self.neighbours, expansion_search=self.effort,
        )  # fmt: skip
        self.recall = None
        if not len(means):
            return
        self._index.add(np.arange(len(means)), means)
        random = np.random.default_rng(0)
        chosen = random.integers(0, len(means), _PROBES)
        noise = random.normal(size=(_PROBES, means.shape[1]))
        probes = means[chosen] + self.probe_noise * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        probes = (probes / np.linalg.norm(probes, axis=1, keepdims=True)).astype(np.float32)
        exact, best = np.zeros(_PROBES, np.int64), np.full(_PROBES, -np.inf)
        for start in range(0, len(means), _BLOCK):
            scores = probes @ means[start : start + _BLOCK].T
            better = scores.max(axis=1) > best
            exact[better] = scores.argmax(axis=1)[better] + start
            best = np.maximum(best, scores.max(axis=1))
        self.recall = float((self.search(probes, 1)[1][:, 0] == exact).mean())

    def search(self, rows: npt.NDArray[np.float32], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Similarities and places of about the k nearest, most similar first: `(N, k)` each."""
        found = self._index.search(np.ascontiguousarray(rows), k)
        keys, distances = (np.asarray(each).reshape(len(rows), -1) for each in (found.keys, found.distances))
        return 1 - distances, keys.astype(np.int64)

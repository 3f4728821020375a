"""Boosted decision trees as plain arrays: they predict and are stored without the library that grew them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self, final

import numpy as np
import torch

from longspan.errors import ModelFileError

__all__ = ["Trees"]

_BITS = 32


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Trees:
    """T trees with M nodes in all; each adds the value of a leaf to one of K outputs.

    A node sends a row to the left if its number is at most `threshold`, or its category is in `left_categories`; a
    missing number, or category that the training rows lack, goes as `missing_left` says. Children and roots are numbers
    of nodes.
    """

    roots: np.ndarray
    """`(T,)` int64."""
    outputs: np.ndarray
    """`(T,)` int64: which output a tree adds to."""
    feature: np.ndarray
    """`(M,)` int64."""
    threshold: np.ndarray
    """`(M,)` float64."""
    left: np.ndarray
    """`(M,)` int64."""
    right: np.ndarray
    """`(M,)` int64."""
    leaf: np.ndarray
    """`(M,)` bool."""
    value: np.ndarray
    """`(M,)` float64: of a leaf."""
    missing_left: np.ndarray
    """`(M,)` bool."""
    categorical: np.ndarray
    """`(M,)` bool."""
    left_categories: np.ndarray
    """`(M, 8)` int64: bits of the categories 0 to 255 that go to the left."""
    baseline: np.ndarray
    """`(K,)` float64: outputs without any tree."""

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Outputs `(N, K)` of rows `(N, F)` float64, NaN where missing."""
        found = np.tile(self.baseline, (len(rows), 1))
        every = np.arange(len(rows))
        for root, output in zip(self.roots.tolist(), self.outputs.tolist(), strict=True):
            nodes = np.full(len(rows), root)
            active = every[~self.leaf[nodes]]
            while len(active):
                at = nodes[active]
                nodes[active] = np.where(self._goes_left(rows, active, at), self.left[at], self.right[at])
                active = active[~self.leaf[nodes[active]]]
            found[:, output] += self.value[nodes]
        return found

    def _goes_left(self, rows: np.ndarray, which: np.ndarray, at: np.ndarray) -> np.ndarray:
        values = rows[which, self.feature[at]]
        missing = np.isnan(values)
        category = np.where(missing | (values < 0), 0, values).astype(np.int64) % (8 * _BITS)
        in_left = (self.left_categories[at, category // _BITS] >> (category % _BITS)) & 1 == 1
        left = np.where(self.categorical[at], in_left, values <= self.threshold[at])
        return np.where(missing, self.missing_left[at], left)

    def tensors(self) -> dict[str, torch.Tensor]:
        """The arrays by name."""
        return {field.name: torch.from_numpy(np.ascontiguousarray(getattr(self, field.name))) for field in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor], num_features: int) -> Self:
        """The trees that `tensors` gave.

        Raises:
            ModelFileError: an array is missing, or a number in it leads nowhere or back.
        """
        try:
            trees = cls(**{field.name: tensors[field.name].numpy() for field in fields(cls)})
        except KeyError as error:
            raise ModelFileError(f"its trees lack {error}") from error
        nodes, outputs = len(trees.feature), len(trees.baseline)
        inner = np.flatnonzero(~trees.leaf)
        children = np.concatenate([trees.left[inner], trees.right[inner]])
        sound = (
            _inside(trees.roots, 0, nodes)
            and _inside(trees.outputs, 0, outputs)
            and _inside(trees.feature[inner], 0, num_features)
            and _inside(children, 0, nodes)
            and bool((children > np.concatenate([inner, inner])).all())  # no way back: prediction ends
        )
        if not sound:
            raise ModelFileError("its trees are damaged: a node leads nowhere")
        return trees

    @classmethod
    def joined(cls, trees: Sequence[Mapping[str, Any]], outputs: Sequence[int], baseline: np.ndarray) -> Self:
        """Trees one after the other.

        Args:
            trees: Of each the arrays of its nodes, by the names above; children count from its own root, node 0.
            outputs: Which output each adds to.
            baseline: `(K,)`.
        """
        sizes = [len(tree["feature"]) for tree in trees]
        roots = np.cumsum([0, *sizes])[: len(sizes)].astype(np.int64)
        names = [field.name for field in fields(cls) if field.name not in ("roots", "outputs", "baseline")]
        joined = {}
        for name in names:
            parts = [np.asarray(tree[name]) for tree in trees]
            if name in ("left", "right"):
                parts = [part.astype(np.int64) + root for part, root in zip(parts, roots, strict=True)]
            shape = (0, 8) if name == "left_categories" else (0,)
            joined[name] = np.concatenate(parts) if parts else np.zeros(shape, _TYPES.get(name, np.int64))
            joined[name] = joined[name].astype(_TYPES.get(name, np.int64))
        return cls(
            roots=roots, outputs=np.asarray(outputs, np.int64), baseline=np.asarray(baseline, np.float64), **joined
        )


_TYPES: dict[str, type] = {
    **dict.fromkeys(("threshold", "value"), np.float64),
    **dict.fromkeys(("leaf", "missing_left", "categorical"), np.bool_),
}


def _inside(numbers: np.ndarray, low: int, high: int) -> bool:
    return bool(((numbers >= low) & (numbers < high)).all())

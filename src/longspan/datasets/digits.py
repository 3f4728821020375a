"""The 1,797 real handwritten digits that scikit-learn carries: 8 x 8 grey, no network, no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from longspan.columns import Category, Image
from longspan.data.table import Table
from longspan.datasets.named import NamedData, Source

__all__ = ["DIGITS"]


def _load(root: Path) -> Table:
    """Columns `image` (8, 8) and `digit` (0..9). Grey levels 0..16 are stretched to 0..255."""
    del root
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    images = np.round(np.asarray(pixels).reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return Table.from_arrays({"image": images, "digit": classes}, {"image": Image(), "digit": Category()})


DIGITS = NamedData(
    name="digits",
    title="Optical recognition of handwritten digits",
    rows=1797,
    task="image -> digit",
    licence="CC BY 4.0 (UCI; the test part, by E. Alpaydin and C. Kaynak)",
    home="https://archive.ics.uci.edu/dataset/80",
    sources=(Source(files=(), load=_load),),
    note="Comes with scikit-learn, so it works without a network.",
)

"""Paintings and photos, to paint the photos in the style of the paintings."""

from __future__ import annotations

from pathlib import Path

from longspan.columns import Category, Image
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source

__all__ = ["PAINTINGS"]

_FOLDERS = {"painting": "styles", "photo": "content"}


def _load(root: Path) -> Table:
    """Columns `image`, `name` and `kind`: "painting" or "photo"."""
    folder = root / "style_transfer"
    found = [(path, kind) for kind, below in _FOLDERS.items() for path in sorted((folder / below).glob("*.jpg"))]
    cells = {
        "image": [str(path) for path, _ in found],
        "name": [path.stem for path, _ in found],
        "kind": [kind for _, kind in found],
    }
    return Table.from_arrays(cells, {"image": Image(), "name": Category(), "kind": Category()})


PAINTINGS = NamedData(
    name="paintings",
    title="Four paintings and three photos, for style transfer",
    rows=7,
    task="image -> kind",
    licence="paintings in the public domain (Hokusai, Munch, van Gogh, Kandinsky); photos of J. Johnson and of COCO",
    home="https://github.com/jcjohnson/fast-neural-style",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="style_transfer.tar.gz",
                    size=1_366_429,
                    sha256="5906574d1b7a5da01df75702ea809b4ef54649adf48bd365ce113e728aa1b67f",
                ),
            ),
            load=_load,
            layout=(("style_transfer/styles/*.jpg", 4), ("style_transfer/content/*.jpg", 3)),
        ),
    ),
    note="The Great Wave, The Scream, The Starry Night, Composition VII; two photos of cities and one of COCO.",
)

"""Paintings and photos, to paint the photos in the style of the paintings."""

from __future__ import annotations

from pathlib import Path

from longspan.columns import Category, Image
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source

__all__ = ["PAINTINGS"]

_FOLDERS = {"painting": "styles", "photo": "content"}
_PUBLIC_DOMAIN = ("composition_vii", "starry_night", "the_scream", "wave")
_COMMIT = "813c83441953ead2adb3f65f4cc2d5599d735fa7"


def _published(root: Path) -> Table:
    return _table(next(root.glob("*/images")))


def _copy(root: Path) -> Table:
    return _table(root / "style_transfer")


def _table(folder: Path) -> Table:
    """Columns `image`, `name` and `kind`: "painting" or "photo"; paintings in copyright are left out."""
    found = [
        (path, kind)
        for kind, below in _FOLDERS.items()
        for path in sorted((folder / below).glob("*.jpg"))
        if kind == "photo" or path.stem in _PUBLIC_DOMAIN
    ]
    cells = {
        "image": [str(path) for path, _ in found],
        "name": [path.stem for path, _ in found],
        "kind": [kind for _, kind in found],
    }
    return Table.from_arrays(cells, {"image": Image(), "name": Category(), "kind": Category()})


PAINTINGS = NamedData(
    name="paintings",
    title="Four paintings and two photos, for style transfer",
    rows=6,
    task="image -> kind",
    licence="paintings in the public domain (Hokusai, Munch, van Gogh, Kandinsky); photos of J. Johnson and of COCO",
    home="https://github.com/jcjohnson/fast-neural-style",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="fast-neural-style.zip",
                    size=5_200_000,
                    exact=False,
                    urls=(f"https://github.com/jcjohnson/fast-neural-style/archive/{_COMMIT}.zip",),
                    stated_by="the data set's page (address)",
                ),
            ),
            load=_published,
            layout=(("*/images/styles/*.jpg", 11), ("*/images/content/*.jpg", 2)),
            contents=(
                ("*/images/styles/*.jpg", "e84dbb183a57bedd35322c3fe81ce82ba190f6edd76c9d61c28df52eb1b0d571"),
                ("*/images/content/*.jpg", "bf64007f6098a4b8aec964211e0fd73a5f01a9f08f10aca9c2035c9c9dc23487"),
            ),
        ),
        Source(
            files=(
                RemoteFile(
                    path="style_transfer.tar.gz",
                    size=1_366_429,
                    sha256="5906574d1b7a5da01df75702ea809b4ef54649adf48bd365ce113e728aa1b67f",
                ),
            ),
            load=_copy,
            differs="One more photo, of COCO.",
            layout=(("style_transfer/styles/*.jpg", 4), ("style_transfer/content/*.jpg", 3)),
        ),
    ),
    note="The Great Wave, The Scream, The Starry Night, Composition VII; two photos of cities.",
)

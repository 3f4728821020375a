"""WIDER FACE, a subset: 270 photos with 958 faces."""

from __future__ import annotations

from pathlib import Path

from longspan.columns import Category
from longspan.data.annotations import read_wider
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile

__all__ = ["WIDER_FACE"]


def _load(root: Path) -> Table:
    """Columns `image`, `boxes` (all "face") and `part`: "train" for 210 rows, "valid" for 60."""
    parts = []
    for part, name in (("train", "train"), ("valid", "val")):
        lines = root / "wider_face_split" / f"wider_face_{name}_bbx_gt.txt"
        table = read_wider(lines, root / f"WIDER_{name}" / "images")
        parts.append(table.with_column("part", Category(), [part] * len(table)))
    return parts[0].concat(parts[1])


WIDER_FACE = NamedData(
    name="wider-face-subset",
    title="WIDER FACE (270 photos)",
    rows=270,
    task="image -> boxes",
    licence="research use; images CC BY-NC-ND as stated by the authors (Yang, Luo, Loy, Tang)",
    home="http://shuoyang1213.me/WIDERFACE/",
    files=(
        RemoteFile(
            path="wider_face_subset.tar.gz",
            size=13_025_941,
            sha256="3acacdf9a22512b7c5c22237d0ed30028736fb8f7f5260c82a8dc39e1e840785",
        ),
    ),
    load=_load,
    note="210 training photos of two events with 671 faces, 60 validation photos of four with 287, one of them marked "
    "invalid and ignored. Only photos with 1 to 25 faces; longer side 640 px, boxes scaled and rounded with it.",
)

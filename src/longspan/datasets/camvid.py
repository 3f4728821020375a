"""CamVid: 701 street scenes seen from a driving car, with the class of every pixel."""

from __future__ import annotations

from pathlib import Path

from longspan.columns import Category
from longspan.data.annotations import read_masks
from longspan.data.annotations.files import read_list
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile

__all__ = ["CAMVID"]


def _load(root: Path) -> Table:
    """Columns `image`, `mask` (11 classes, "Unlabelled" ignored) and `part`: "train", "valid" or "test"."""
    folder = root / "camvid"
    table = read_masks(
        folder / "images",
        folder / "labels",
        mask_name="{stem}_P.png",
        codes=folder / "codes.txt",
        colours=folder / "colors.txt",
        ignored=("Unlabelled",),
    )
    part_of = {name: part for part in ("train", "valid", "test") for name in read_list(folder / f"{part}.txt")}
    return table.with_column("part", Category(), lambda row: part_of.get(Path(row["image"]).name))


CAMVID = NamedData(
    name="camvid",
    title="CamVid street scenes (11 classes, 480 x 360)",
    rows=701,
    task="image -> mask",
    licence="no explicit licence; research use (Brostow, Fauqueur, Cipolla; University of Cambridge)",
    home="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
    files=(
        RemoteFile(
            path="camvid.tar.gz",
            size=37_733_180,
            sha256="4740b2daa1cd6855b9d7873550f7e0744de8b82b22a1468b510f63f43af32187",
        ),
    ),
    load=_load,
    note="The classes and the split of SegNet's copy. Images were stored as JPEG (quality 90), masks as they are.",
)

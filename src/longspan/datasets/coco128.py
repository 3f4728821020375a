"""COCO 2017, a small subset: 192 photos with boxes and instances of 80 kinds of things."""

from __future__ import annotations

from pathlib import Path

from longspan.columns import Category
from longspan.data.annotations import read_coco, read_yolo
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile

__all__ = ["COCO128"]


def _load(root: Path) -> Table:
    """Columns `image`, `boxes`, `instances` and `part`: "train" for 128 rows, "valid" for 64.

    Boxes are missing for two training photos and instances for 28, which nobody has labelled. Instances come from the
    panoptic annotations: they do not overlap, and crowds, which the boxes leave out, are marked `ignore`.
    """
    folder = root / "coco128"
    parts = []
    for part, name in (("train", "train2017"), ("valid", "val2017")):
        images = folder / "images" / name
        table = read_yolo(
            folder / "object_detection" / "labels" / name,
            images,
            folder / "object_detection" / "config.yaml",
            no_file="missing",
        )
        things = read_coco(folder / "annotations" / f"instances_{name}.json", images)
        table = table.join(things.select("image", "instances"), on="image")
        parts.append(table.with_column("part", Category(), [part] * len(table)))
    return parts[0].concat(parts[1])


COCO128 = NamedData(
    name="coco128",
    title="COCO 2017 (192 photos)",
    rows=192,
    task="image -> boxes, image -> instances",
    licence="annotations CC BY 4.0 (COCO Consortium); photos under their Flickr licences",
    home="https://cocodataset.org/",
    files=(
        RemoteFile(
            path="coco128.tar.gz",
            size=12_285_519,
            sha256="7896f7879df81c9fa4ef47d4d72b82d3151c5d83ea28dcf37fff79ed2a2d6d55",
        ),
    ),
    load=_load,
    note="128 photos of train2017, 64 of val2017, stored as JPEG of quality 76. Two training photos have no boxes and "
    "28 no instances on record: their values are missing. For checks and images, not for published figures.",
)

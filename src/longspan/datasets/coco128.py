"""COCO128: the first 128 photos of COCO train2017, with boxes of 80 classes."""

from __future__ import annotations

from pathlib import Path

from longspan.columns import Category
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source

__all__ = ["COCO128"]

_HELD_OUT = 32
_CLASSES = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,"
    "bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,"
    "skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,"
    "cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,"
    "refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
)


def _load_published(root: Path) -> Table:
    """Columns `image`, `boxes` and `part`: "valid" for the last 32 photos by name, "train" for the others.

    Ultralytics validates on the training photos; here some are held out. Photos without a file of labels have a
    missing value: nobody has labelled them.
    """
    folder = root / "coco128"
    labels, images = folder / "labels" / "train2017", folder / "images" / "train2017"
    table = Table.from_yolo(labels, images, _CLASSES.split(","), no_file="missing")
    held_out = min(_HELD_OUT, len(table) // 4)
    parts = ["train"] * (len(table) - held_out) + ["valid"] * held_out
    return table.with_column("part", Category(), parts)


def _load_copy(root: Path) -> Table:
    """Columns `image`, `boxes`, `instances` and `part`: "train" for 128 rows, "valid" for 64 of val2017.

    Boxes are missing for two training photos and instances for 28, which nobody has labelled. Instances come from the
    panoptic annotations: they do not overlap, and crowds, which the boxes leave out, are marked `ignore`.
    """
    folder = root / "coco128"
    parts = []
    for part, name in (("train", "train2017"), ("valid", "val2017")):
        images = folder / "images" / name
        table = Table.from_yolo(
            folder / "object_detection" / "labels" / name,
            images,
            folder / "object_detection" / "config.yaml",
            no_file="missing",
        )
        instances = Table.from_coco(folder / "annotations" / f"instances_{name}.json", images)
        table = table.join(instances.select("image", "instances"), on="image")
        parts.append(table.with_column("part", Category(), [part] * len(table)))
    return parts[0].concat(parts[1])


COCO128 = NamedData(
    name="coco128",
    title="COCO128: the first 128 photos of COCO train2017",
    rows=128,
    task="image -> boxes",
    licence="annotations CC BY 4.0 (COCO Consortium); photos under their Flickr licences",
    home="https://docs.ultralytics.com/datasets/detect/coco128/",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="coco128.zip",
                    size=7_000_000,
                    exact=False,
                    urls=("https://github.com/ultralytics/assets/releases/download/v0.0.0/coco128.zip",),
                    stated_by="Ultralytics (address, size rounded to MB). Nobody states size or checksum exactly. The "
                    "digest of the photos is that of two copies on GitHub (lightly-ai/coco128_yolo, "
                    "developer0hye/COCO128); of the labels only the number of files is checked",
                ),
            ),
            load=_load_published,
            layout=(("coco128/images/train2017/*.jpg", 128), ("coco128/labels/train2017/*.txt", 126)),
            contents=(
                (
                    "coco128/images/train2017/*.jpg",
                    "541c6f353f0299e9bedc4ac140e956c3ca89d51d2edf8ce982c3b80dbbcd4105",
                ),
            ),
        ),
        Source(
            files=(
                RemoteFile(
                    path="coco128.tar.gz",
                    size=12_285_519,
                    sha256="7896f7879df81c9fa4ef47d4d72b82d3151c5d83ea28dcf37fff79ed2a2d6d55",
                ),
            ),
            load=_load_copy,
            differs="It has the same 128 photos for training, 64 of val2017 for validation, and a column of instances; "
            "all are stored as JPEG of quality 76.",
        ),
    ),
    note="Without an official split: the last 32 photos by name are held out. For checks, not for published results.",
)

"""CamVid: 701 street scenes seen from a driving car, with the class of every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from longspan.columns import Category
from longspan.data.annotations.files import read_list
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source
from longspan.errors import DataError

__all__ = ["CAMVID"]

_COLOURS = {
    "Sky": (128, 128, 128), "Building": (128, 0, 0), "Pole": (192, 192, 128), "Road": (128, 64, 128),
    "Pavement": (60, 40, 222), "Tree": (128, 128, 0), "SignSymbol": (192, 128, 128), "Fence": (64, 64, 128),
    "Car": (64, 0, 128), "Pedestrian": (64, 64, 0), "Bicyclist": (0, 128, 192), "Unlabelled": (0, 0, 0),
}  # fmt: skip
_GROUPS = {
    "Sky": ("Sky",),
    "Building": ("Archway", "Bridge", "Building", "Tunnel", "Wall"),
    "Pole": ("Column_Pole", "TrafficCone"),
    "Road": ("Road", "LaneMkgsDriv", "LaneMkgsNonDriv"),
    "Pavement": ("Sidewalk", "ParkingBlock", "RoadShoulder"),
    "Tree": ("Tree", "VegetationMisc"),
    "SignSymbol": ("SignSymbol", "Misc_Text", "TrafficLight"),
    "Fence": ("Fence",),
    "Car": ("Car", "OtherMoving", "SUVPickupTruck", "Train", "Truck_Bus"),
    "Pedestrian": ("Animal", "CartLuggagePram", "Child", "Pedestrian"),
    "Bicyclist": ("Bicyclist", "MotorcycleScooter"),
    "Unlabelled": ("Void",),
}
"""SegNet's 11 classes, as groups of the 32 published ones (MathWorks and OpenVINO list the same groups)."""


def _group_classes(root: Path) -> None:
    """Write `camvid/labels11`: the masks with SegNet's 11 classes (and 11 for unlabelled) for the 32 of `labels`."""
    folder = root / "camvid"
    number_of = {old: number for number, group in enumerate(_GROUPS) for old in _GROUPS[group]}
    names = [name.strip() for name in (folder / "codes.txt").read_text("utf-8").split("\n") if name.strip()]
    unknown = sorted(set(names) - set(number_of))
    if unknown:
        raise DataError(f"{folder / 'codes.txt'} names classes that CamVid does not have: {', '.join(unknown)}.")
    table = np.array([number_of[name] for name in names], np.uint8)
    (folder / "labels11").mkdir()
    for path in sorted((folder / "labels").glob("*.png")):
        with PillowImage.open(path) as mask:
            numbers = np.asarray(mask)
        if numbers.ndim != 2 or numbers.max() >= len(table):
            raise DataError(f"{path} does not hold class numbers from 0 to {len(table) - 1}.")
        PillowImage.fromarray(table[numbers]).save(folder / "labels11" / path.name)


def _load_published(root: Path) -> Table:
    """Columns `image`, `mask` (11 classes, "Unlabelled" ignored) and `part`: SegNet's "train", "valid" or "test"."""
    folder = root / "camvid"
    table = _read(folder, folder / "labels11", tuple(_COLOURS), tuple(_COLOURS.values()))
    return _with_part(table, {Path(image).stem: _part(Path(image).stem) for image in table.column_values("image")})


def _load_copy(root: Path) -> Table:
    """The same columns from images of half the size."""
    folder = root / "camvid"
    table = _read(folder, folder / "labels", folder / "codes.txt", folder / "colors.txt")
    parts = ("train", "valid", "test")
    return _with_part(table, {Path(name).stem: part for part in parts for name in read_list(folder / f"{part}.txt")})


def _read(
    folder: Path, masks: Path, codes: Path | Sequence[str], colours: Path | Sequence[tuple[int, int, int]]
) -> Table:
    return Table.from_masks(
        folder / "images", masks, mask_name="{stem}_P.png", codes=codes, colours=colours, ignored=("Unlabelled",)
    )


def _part(stem: str) -> str:
    """SegNet's split, which goes by drive and frame: "Seq05VD_f02370" -> "test"."""
    drive, _, frame = stem.partition("_")
    number = int(frame.lstrip("f"))
    if drive == "Seq05VD" or (drive == "0001TP" and number >= 8550):
        return "test"
    return "valid" if drive == "0016E5" and 7959 <= number <= 8159 else "train"


def _with_part(table: Table, part_of: Mapping[str, str]) -> Table:
    return table.with_column("part", Category(), lambda row: part_of.get(Path(row["image"]).stem))


CAMVID = NamedData(
    name="camvid",
    title="CamVid street scenes, 11 classes",
    rows=701,
    task="image -> mask",
    licence="no explicit licence; research use (Brostow, Fauqueur, Cipolla; University of Cambridge)",
    home="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="camvid.tgz",
                    size=598_913_237,
                    head_md5="648371e4f3a833682afb39b08a3ce2aa",
                    urls=("https://s3.amazonaws.com/fast-ai-imagelocal/camvid.tgz",),
                    stated_by="fastai (address, size, MD5 of the first MiB)",
                ),
            ),
            load=_load_published,
            layout=(("camvid/images/*.png", 701), ("camvid/labels/*_P.png", 701)),
            prepare=_group_classes,
        ),
        Source(
            files=(
                RemoteFile(
                    path="camvid.tar.gz",
                    size=37_733_180,
                    sha256="4740b2daa1cd6855b9d7873550f7e0744de8b82b22a1468b510f63f43af32187",
                ),
            ),
            load=_load_copy,
            differs="Images are those of SegNet's copy, 480 x 360 px in place of 960 x 720, stored as JPEG (quality "
            "90); masks are unchanged.",
        ),
    ),
    note="The classes and the split of SegNet: 367 images to train on, 101 for validation, 233 to test. The 32 "
    "original classes stay in the folder `labels` of the published copy.",
)

"""Oxford-IIIT Pets: photos of 37 breeds of cats and dogs; here a subset of 1,029."""

from __future__ import annotations

from pathlib import Path

from longspan.columns import Boxes, Category
from longspan.data.annotations import read_masks, read_voc
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile

__all__ = ["PETS"]

_COLOURS = ((213, 94, 0), (0, 114, 178), (240, 228, 66))
_HEAD = Boxes(vocab=("cat", "dog"))


def _load(root: Path) -> Table:
    """Columns `image`, `breed`, `cat` (bool: the breed's name starts with a capital), `part`, `trimap` and `head_box`.

    `part` is the official list's: "train" (its trainval.txt) or "test"; missing for the two photos in neither list.
    `trimap` has the classes "pet", "background" and "border", for 693 photos; `head_box` the box of the head, a "cat"
    or a "dog", for 636. Both are missing for the others.
    """
    folder = root / "oxford-iiit-pet"
    part_of: dict[str, str] = {}
    for part, file in (("train", "trainval.txt"), ("test", "test.txt")):
        for line in (folder / "annotations" / file).read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                part_of[line.split()[0]] = part
    table = Table.from_files(folder / "images", r"(?P<breed>.+)_\d+\.jpg")
    table = table.with_column("cat", Category(), lambda row: row["breed"][0].isupper()).with_column(
        "part", Category(), lambda row: part_of.get(Path(row["image"]).stem)
    )
    trimaps = read_masks(
        folder / "images",
        folder / "annotations" / "trimaps",
        codes={1: "pet", 2: "background", 3: "border"},
        colours=_COLOURS,
        mask="trimap",
    )
    heads = read_voc(folder / "annotations" / "xmls", folder / "images", labels=("cat", "dog"), no_file="missing")
    heads = Table(heads.frame.rename({"boxes": "head_box"}), {"image": heads.columns["image"], "head_box": _HEAD})
    return table.join(trimaps, on="image").join(heads, on="image")


PETS = NamedData(
    name="oxford-pets",
    title="Oxford-IIIT Pets (subset)",
    rows=1029,
    task="image -> breed, cat, trimap or head_box",
    licence="CC BY-SA 4.0 (Parkhi, Vedaldi, Zisserman, Jawahar)",
    home="https://www.robots.ox.ac.uk/~vgg/data/pets/",
    files=(
        RemoteFile(
            path="oxford-iiit-pet-subset.tar.gz",
            size=25_172_796,
            sha256="1a0493e87b17bc0163ac6d445c1a2a8d6230f94d19a7106b4972d393c7039208",
        ),
    ),
    load=_load,
    note="1,029 of 7,349 photos, shorter side 256 px; some breeds are missing in the official test part. 693 have a "
    "trimap and 636 a head box, both scaled with the photo.",
)

"""Oxford-IIIT Pets: photos of 37 breeds of cats and dogs, with trimaps and head boxes."""

from __future__ import annotations

import functools
from pathlib import Path

import polars as pl

from longspan.columns import Boxes, Category
from longspan.data.annotations.faults import OnError
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source

__all__ = ["PETS", "PETS_SMALL"]

_COLOURS = ((213, 94, 0), (0, 114, 178), (240, 228, 66))
_HEAD = Boxes(vocab=("cat", "dog"))
_LICENCE = "CC BY-SA 4.0 (Parkhi, Vedaldi, Zisserman, Jawahar)"
_HOME = "https://www.robots.ox.ac.uk/~vgg/data/pets/"


def _load(root: Path, *, listed_only: bool, on_error: OnError) -> Table:
    """Columns `image`, `breed`, `cat` (bool: the breed's name starts with a capital), `part`, `trimap` and `head_box`.

    `part` is the official list's: "train" (its trainval.txt) or "test". `trimap` has the classes "pet", "background"
    and "border"; `head_box` is the box of the head, a "cat" or a "dog". Both are missing where nobody has drawn them;
    the published set has no head boxes for its test part.
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
    if listed_only:
        table = table.filter(pl.col("part").is_not_null())
    trimaps = Table.from_masks(
        folder / "images",
        folder / "annotations" / "trimaps",
        codes={1: "pet", 2: "background", 3: "border"},
        colours=_COLOURS,
        mask="trimap",
        on_error=on_error,
    )
    xmls = folder / "annotations" / "xmls"
    heads = Table.from_voc(xmls, folder / "images", labels=("cat", "dog"), no_file="missing", on_error=on_error)
    heads = Table(heads.frame.rename({"boxes": "head_box"}), {"image": heads.columns["image"], "head_box": _HEAD})
    return table.join(trimaps, on="image").join(heads, on="image")


PETS = NamedData(
    name="pets",
    title="Oxford-IIIT Pets: cats and dogs of 37 breeds",
    rows=7349,
    task="image -> breed, cat, trimap or head_box",
    licence=_LICENCE,
    home=_HOME,
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="images.tar.gz",
                    size=791_918_971,
                    sha256="67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
                    md5="5c4f3ee8e5d25df40f4fd59a7f44e54c",
                    urls=(
                        "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz",
                        "https://thor.robots.ox.ac.uk/~vgg/data/pets/images.tar.gz",
                    ),
                    into="oxford-iiit-pet",
                    stated_by="torchvision (address, MD5), TensorFlow Datasets (address, size, SHA-256)",
                ),
                RemoteFile(
                    path="annotations.tar.gz",
                    size=19_173_078,
                    sha256="52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
                    md5="95a8c909bbe2e81eed6a22bccdf3f68f",
                    urls=(
                        "https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz",
                        "https://thor.robots.ox.ac.uk/~vgg/data/pets/annotations.tar.gz",
                    ),
                    into="oxford-iiit-pet",
                    stated_by="torchvision (address, MD5), TensorFlow Datasets (address, size, SHA-256)",
                ),
            ),
            load=functools.partial(_load, listed_only=True, on_error="skip"),
            layout=(("oxford-iiit-pet/annotations/trainval.txt", 1), ("oxford-iiit-pet/annotations/test.txt", 1)),
        ),
    ),
    small="pets-small",
    note="The rows of the official lists, 3,680 to train on and 3,669 to test; the few images in no list are left out. "
    "Some files named .jpg are PNG or GIF.",
)

PETS_SMALL = NamedData(
    name="pets-small",
    title="Oxford-IIIT Pets, 1,029 of 7,349 photos",
    rows=1029,
    task="image -> breed, cat, trimap or head_box",
    licence=_LICENCE,
    home=_HOME,
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="oxford-iiit-pet-subset.tar.gz",
                    size=25_172_796,
                    sha256="1a0493e87b17bc0163ac6d445c1a2a8d6230f94d19a7106b4972d393c7039208",
                ),
            ),
            load=functools.partial(_load, listed_only=False, on_error="raise"),
            differs="Photos were reduced to a shorter side of 256 px and stored as JPEG (quality 88).",
        ),
    ),
    note="Some breeds are missing in the official test part, and two photos are in neither list. 693 photos have a "
    "trimap and 636 a head box, both scaled with the photo.",
)

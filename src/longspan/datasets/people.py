"""Photos of people with their names: Labeled Faces in the Wild, whole or half, and the faces of AT&T."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from longspan.columns import Category, Image, Keypoints, Raw
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source
from longspan.errors import DataError

__all__ = ["ATT_FACES", "LFW", "LFW_FACES_HALF", "lfw_pairs"]

_POINTS = {
    "left eye": "left_eye", "right eye": "right_eye", "nose": "nose", "left mouth": "mouth_left",
    "right mouth": "mouth_right",
}  # fmt: skip


def _published_lfw(root: Path) -> Table:
    """Columns `image`, 250 x 250 px, and `person`."""
    files = sorted((root / "lfw").glob("*/*.jpg"))
    if not files:
        raise DataError(f"{root / 'lfw'} holds no PERSON/PERSON_NUMBER.jpg.")
    return _with_folders_as_people(files)


def _lfw(root: Path) -> Table:
    """Columns `image`, `person`, `fold` (of View 2; nobody is in two) and `points`, five in each crop."""
    folder = root / "lfw_faces"
    folds = {row["name"]: int(row["fold"]) for row in _rows(folder / "people.csv")}
    cells: dict[str, list[Any]] = {"image": [], "person": [], "fold": [], "points": []}
    for row in _rows(folder / "landmarks.csv"):
        person = row["file"].partition("/")[0]
        cells["image"].append(str(folder / "images" / row["file"]))
        cells["person"].append(person)
        cells["fold"].append(folds[person])
        points = {name: [float(row[f"{short}_x"]), float(row[f"{short}_y"])] for name, short in _POINTS.items()}
        # Found with a network whose points count from the middle of the first pixel.
        cells["points"].append({name: [x + 0.5, y + 0.5] for name, (x, y) in points.items()})
    kinds = {"image": Image(), "person": Category(), "fold": Raw(), "points": Keypoints(names=tuple(_POINTS))}
    return Table.from_arrays(cells, kinds)


def lfw_pairs(root: Path) -> list[tuple[int, bool, str, str]]:
    """The official pairs of View 2 in `lfw-faces-half`: fold, whether it is one person, and the two files.

    Args:
        root: As `datasets.fetch("lfw-faces-half")` gives it.
    """
    folder = root / "lfw_faces"
    return [
        (int(row["fold"]), row["same"] == "1", *(str(folder / "images" / row[side]) for side in ("first", "second")))  # type: ignore[misc]
        for row in _rows(folder / "pairs.csv")
    ]


def _att(root: Path) -> Table:
    """Columns `image`, 92 x 112 grey, and `person`, s1 to s40."""
    files = sorted((root / "att_faces").glob("s*/*.pgm"), key=lambda file: (int(file.parent.name[1:]), int(file.stem)))
    if not files:
        raise DataError(f"{root / 'att_faces'} holds no sPERSON/N.pgm.")
    return _with_folders_as_people(files)


def _with_folders_as_people(files: list[Path]) -> Table:
    cells = {"image": [str(file) for file in files], "person": [file.parent.name for file in files]}
    return Table.from_arrays(cells, {"image": Image(), "person": Category()})


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


LFW = NamedData(
    name="lfw",
    title="Labeled Faces in the Wild: 13,233 photos of 5,749 people",
    rows=13_233,
    task="image -> person",
    licence="research use (Huang, Ramesh, Berg, Learned-Miller)",
    home="http://vis-www.cs.umass.edu/lfw/",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="lfw.tgz",
                    size=180_566_744,
                    sha256="055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
                    urls=("https://ndownloader.figshare.com/files/5976018", "http://vis-www.cs.umass.edu/lfw/lfw.tgz"),
                    stated_by="scikit-learn (address, SHA-256)",
                ),
            ),
            load=_published_lfw,
            layout=(("lfw/*/*.jpg", 13_233),),
        ),
    ),
    small="lfw-faces-half",
    note="Faces as a detector found them, with their surroundings. For new people leave people out: "
    "split(group='person').",
)

LFW_FACES_HALF = NamedData(
    name="lfw-faces-half",
    title="Labeled Faces in the Wild, 4,654 of 13,233 photos, aligned",
    rows=4654,
    task="image -> person, image -> points",
    licence="research use (Huang, Ramesh, Berg, Learned-Miller)",
    home="http://vis-www.cs.umass.edu/lfw/",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="lfw_faces_half.tar.gz",
                    size=5_352_511,
                    sha256="18c0a79a660b57683ad74f2e023ecfccdc02aad9738b651080ff314c6fd28873",
                ),
            ),
            load=_lfw,
            differs="Faces are cut out and aligned to ArcFace's template, 112 x 128 px, WebP quality 45.",
        ),
    ),
    note="Folds 0 to 4 of View 2 with 3,000 of its 6,000 pairs, 2,086 people; `datasets.people.lfw_pairs` reads them.",
)

ATT_FACES = NamedData(
    name="att-faces",
    title="AT&T (ORL) faces, 40 people with 10 photos each",
    rows=400,
    task="image -> person",
    licence="research use with credit (AT&T Laboratories Cambridge)",
    home="https://cam-orl.co.uk/facedatabase.html",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="att_faces.zip",
                    size=3_900_000,
                    exact=False,
                    urls=("https://www.cl.cam.ac.uk/research/dtg/attarchive/pub/data/att_faces.zip",),
                    into="att_faces",
                    stated_by="the data set's page (address)",
                ),
            ),
            load=_att,
            layout=(("att_faces/s*/*.pgm", 400),),
            contents=(("att_faces/s*/*.pgm", "c564a0374a50c76506693968ae757c435837414399f8a8688f1f290512344495"),),
        ),
        Source(
            files=(
                RemoteFile(
                    path="att_faces.tar.gz",
                    size=3_705_435,
                    sha256="ef9c870882b8985ea1d8d4ce63b43176d3c394ddeb2a72b1c07ae1543d91d7c1",
                ),
            ),
            load=_att,
            layout=(("att_faces/s*/*.pgm", 400),),
        ),
    ),
)

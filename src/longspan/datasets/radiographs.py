"""X-rays of hands with bone age (RSNA) and of chests, and ultrasound of breasts (MedMNIST)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PILImage

from longspan.columns import Boxes, Category, Image, Keypoints, Number, Raw
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source
from longspan.errors import DataError

__all__ = [
    "BONE_AGE", "BONE_AGE_100", "BREAST", "HAND_POINTS", "JOINTS", "OLDEST_MONTHS",
    "PNEUMONIA", "joint_boxes", "large_radiographs", "read_bone_age",
]  # fmt: skip

OLDEST_MONTHS = 240
"""Bones have stopped growing by then: no bone age is higher."""
HAND_POINTS = ("middle tip", "thumb tip", "capitate")
JOINTS = ("DIP", "PIP", "MCP", "Radius", "Ulna", "Wrist")
"""Joint regions of Koitka et al. 2018: of the fingers distal, proximal and at the palm; of the arm three."""

_SEXES = {"true": "male", "false": "female", "m": "male", "f": "female", "male": "male", "female": "female"}
_OLDEST_YEARS = 20
_POINT_COLUMNS = {"middle tip": "middle_tip", "thumb tip": "thumb_tip", "capitate": "capitate"}
_RSNA = "https://s3.amazonaws.com/east1.public.rsna.org/AI/2017/"
_RSNA_HOME = "https://www.rsna.org/rsnai/ai-image-challenge/rsna-pediatric-bone-age-challenge-2017"
_RSNA_LICENCE = "non-commercial research use (RSNA Pediatric Bone Age Challenge 2017)"


def read_bone_age(folder: str | Path, labels: str | Path | None = None) -> Table:
    """Hand radiographs in the layout of the RSNA challenge: `image`, `sex`, `age_months`, `height_px`, `width_px`.

    The labels are a CSV file with `id`, `boneage` (months) and `male`; the radiograph of each is ID.png, or ID.jpg.
    Labels without an image are left out, as copies of the set hold some of the images only.

    Args:
        folder: Of the images, directly or one folder below.
        labels: The CSV file; None: the one CSV file in `folder` with these columns.

    Raises:
        DataError: no such file or column, no image, or ages that cannot be months.
    """
    root = Path(folder)
    table = Path(labels) if labels is not None else _labels_in(root)
    rows = _rows(table)
    names = {name.strip().lower(): name for name in (rows[0] if rows else ())}
    missing = [each for each in ("id", "boneage", "male") if each not in names]
    if missing:
        raise DataError(f"{table}: no column {', '.join(map(repr, missing))}; the RSNA layout has id, boneage, male.")
    images = {path.stem: path for path in sorted(root.rglob("*")) if path.suffix.lower() in (".png", ".jpg", ".jpeg")}
    cells: dict[str, list[Any]] = {"image": [], "sex": [], "age_months": [], "height_px": [], "width_px": []}
    faults, ages = [], []
    for number, row in enumerate(rows, 2):  # the heading is line 1
        identity, age, male = (row[names[each]].strip() for each in ("id", "boneage", "male"))
        ages.append(_months(age))
        if ages[-1] is None:
            faults.append(f"line {number}: boneage {age!r} is not a number of months of 0 to {OLDEST_MONTHS}")
        if male.lower() not in _SEXES:
            faults.append(f"line {number}: male {male!r} is neither True nor False")
        if identity in images:
            cells["image"].append(str(images[identity]))
            cells["sex"].append(_SEXES.get(male.lower()))
            cells["age_months"].append(ages[-1])
            width, height = _size_of(images[identity])
            cells["height_px"].append(height)
            cells["width_px"].append(width)
    if faults:
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise DataError(f"{table}: {'; '.join(faults[:5])}{more}.")
    check_months([each for each in ages if each is not None], str(table))
    if not cells["image"]:
        raise DataError(f"{root} holds no ID.png or ID.jpg of the {len(rows):,} ids in {table}.")
    return Table.from_arrays(cells, _columns())


def check_months(ages: Iterable[float], where: str) -> None:
    """Refuse ages that are years.

    Raises:
        DataError: a dozen ages or more, and none above 20: as months they would all be infants.
    """
    found = list(ages)
    if len(found) >= 12 and max(found) <= _OLDEST_YEARS:
        raise DataError(
            f"{where}: the highest of {len(found):,} ages is {max(found):g}. These look like years, and months are "
            "meant: multiply them by 12."
        )


def joint_boxes(root: Path) -> Table:
    """The joint boxes of `bone-age-100`: columns `image`, `boxes`, `koitka` and `part`.

    `koitka` is the part of Koitka et al. 2018, "train" or "eval" (boxes of the expert); `part` is that of the ages:
    leave rows of "test" out where a network serves to tell ages.

    Args:
        root: As `datasets.fetch("bone-age-100")` gives it.
    """
    folder = root / "bone_age_100"
    part_of = {row["id"]: row["split"] for row in _rows(folder / "labels.csv")}
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in _rows(folder / "rois.csv"):
        if row["part"] != "eval_nonexpert":
            box = [100 * float(row[each]) for each in ("xmin", "ymin", "xmax", "ymax")]
            key = ("eval" if row["part"] == "eval_expert" else "train", row["id"])
            found.setdefault(key, []).append({"box": box, "label": row["name"]})
    cells = {
        "image": [str(folder / "images" / f"{identity}.jpg") for _, identity in found],
        "boxes": list(found.values()),
        "koitka": [part for part, _ in found],
        "part": [part_of[identity] for _, identity in found],
    }
    columns = {"image": Image(channels=1), "boxes": Boxes(vocab=JOINTS), "koitka": Category(), "part": Category()}
    return Table.from_arrays(cells, columns)


def large_radiographs(root: Path) -> Table:
    """39 radiographs with a shorter side of 256 px: columns `image`, `sex`, `age_months`, `source` and `known`.

    `known`: whether `bone-age-100` holds it too, reduced. `height_px` and `width_px`, as taken, of these only.

    Args:
        root: As `datasets.fetch("bone-age-100")` gives it.
    """
    folder = root / "bone_age_100"
    known = {row["id"]: row for row in _rows(folder / "labels.csv")}
    rows = _rows(folder / "large.csv")
    sizes = {
        side: [known.get(row["id"], {}).get(f"orig_{side}") or None for row in rows] for side in ("height", "width")
    }
    cells = {
        "image": [str(folder / "large" / f"{row['id']}.jpg") for row in rows],
        "sex": [_SEXES[row["male"].lower()] for row in rows],
        "age_months": [float(row["boneage"]) for row in rows],
        **{f"{side}_px": [each and float(each) for each in found] for side, found in sizes.items()},
        "source": [row["source"] for row in rows],
        "known": [row["id"] in known for row in rows],
    }
    return Table.from_arrays(cells, {**_columns(), "source": Category(), "known": Raw()})


def _columns() -> dict[str, Any]:
    size = Number(unit="px", missing="mean")
    return {
        "image": Image(channels=1, resize="pad"), "sex": Category(vocab=("female", "male")),
        "age_months": Number(unit="months"), "height_px": size, "width_px": size,
    }  # fmt: skip


def _size_of(path: Path) -> tuple[float, float] | tuple[None, None]:
    """Width and height in pixels; none of an image that cannot be read, which is told where its pixels are needed."""
    try:
        with PILImage.open(path) as image:
            return float(image.width), float(image.height)
    except OSError:
        return None, None


def _bone_age(root: Path) -> Table:
    return read_bone_age(root)


def _bone_age_100(root: Path) -> Table:
    """Columns `image`, `sex`, `age_months`, `points` (three, of two thirds of the hands) and `part`.

    `height_px` and `width_px` are those of the radiograph as taken, before it was squeezed into a square.
    """
    folder = root / "bone_age_100"
    points = {
        row["id"]: {
            name: [100 * float(row[f"{short}_x"]), 100 * float(row[f"{short}_y"])]
            for name, short in _POINT_COLUMNS.items()
        }
        for row in _rows(folder / "keypoints.csv")
    }
    rows = _rows(folder / "labels.csv")
    cells = {
        "image": [str(folder / "images" / f"{row['id']}.jpg") for row in rows],
        "sex": [_SEXES[row["male"].lower()] for row in rows],
        "age_months": [float(row["boneage"]) for row in rows],
        "height_px": [float(row["orig_height"]) if row["orig_height"] else None for row in rows],
        "width_px": [float(row["orig_width"]) if row["orig_width"] else None for row in rows],
        "points": [points.get(row["id"]) for row in rows],
        "part": [row["split"] for row in rows],
    }
    return Table.from_arrays(cells, {**_columns(), "points": Keypoints(names=HAND_POINTS), "part": Category()})


def _med_mnist(root: Path, name: str, vocab: tuple[str, str]) -> Table:
    """Columns `image`, 28 x 28 grey, `finding` and `part`."""
    with np.load(next(root.rglob(f"{name}.npz")), allow_pickle=False) as file:
        parts = [(part, file[f"{key}_images"], file[f"{key}_labels"]) for part, key in _PARTS.items()]
    cells: Mapping[str, Any] = {
        "image": np.concatenate([images for _, images, _ in parts]),
        "finding": [vocab[int(each)] for _, _, labels in parts for each in labels.ravel()],
        "part": [part for part, images, _ in parts for _ in images],
    }
    return Table.from_arrays(cells, {"image": Image(), "finding": Category(vocab=vocab), "part": Category()})


_PARTS = {"train": "train", "valid": "val", "test": "test"}


def _pneumonia(root: Path) -> Table:
    return _med_mnist(root, "pneumoniamnist", ("normal", "pneumonia"))


def _breast(root: Path) -> Table:
    return _med_mnist(root, "breastmnist", ("malignant", "normal or benign"))


def _labels_in(root: Path) -> Path:
    found = []
    for path in sorted({*root.glob("*.csv"), *root.glob("*/*.csv")}):
        with path.open(encoding="utf-8-sig", newline="") as file:
            heading = {name.strip().lower() for name in next(csv.reader(file), [])}
        if {"id", "boneage", "male"} <= heading:
            found.append(path)
    whole = [path for path in found if "sample" not in path.name]  # one of some rows lies beside the table of all
    found = whole if len(whole) == 1 else found
    if len(found) != 1:
        what = "no CSV file" if not found else f"{len(found)} CSV files ({', '.join(path.name for path in found)})"
        raise DataError(f"{root} holds {what} with the columns id, boneage, male. Name it: labels=.")
    return found[0]


def _months(text: str) -> float | None:
    try:
        age = float(text)
    except ValueError:
        return None
    return age if 0 <= age <= OLDEST_MONTHS else None


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


BONE_AGE = NamedData(
    name="bone-age",
    title="RSNA bone age: 12,611 radiographs of children's hands",
    rows=12_611,
    task="image, sex, height_px, width_px -> age_months",
    licence=_RSNA_LICENCE,
    home=_RSNA_HOME,
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="Bone+Age+Training+Set.zip",
                    size=9_600_000_000,
                    exact=False,
                    sha256="9eab917f59bf520b4eb10803d33e7007ea3b3c2bd4df1c55aff45bc339b2736a",
                    urls=(f"{_RSNA}Bone+Age+Training+Set.zip",),
                    into="images",
                    stated_by="public readers (address, SHA-256)",
                ),
                RemoteFile(
                    path="Bone+Age+Training+Set+Annotations.zip",
                    size=100_000,
                    exact=False,
                    sha256="f6373249b6ec85d182c62ab83f05fa76dff90ba03315e455dd6de332dffc7215",
                    urls=(f"{_RSNA}Bone+Age+Training+Set+Annotations.zip",),
                    into="labels",
                    stated_by="public readers (address, SHA-256)",
                ),
            ),
            load=_bone_age,
        ),
    ),
    small="bone-age-100",
    note="Patients are not published, so radiographs of one child may be on both sides of a split.",
)

BONE_AGE_100 = NamedData(
    name="bone-age-100",
    title="RSNA bone age, 7,000 of 12,611 radiographs at 100 x 100 px",
    rows=7000,
    task="image, sex, height_px, width_px -> age_months, image -> points",
    licence=f"{_RSNA_LICENCE}; key points and boxes MIT",
    home=_RSNA_HOME,
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="bone_age_100.tar.gz",
                    size=9_653_142,
                    sha256="a6a70b00daa088e282cc68c805563aac3bb918d8a3c7d67fa9ca9b280a28e568",
                ),
            ),
            load=_bone_age_100,
            differs="Radiographs are reduced to 100 x 100 px, whatever their shape; `height_px` and `width_px` are "
            "those of the whole set.",
        ),
    ),
    note="5,001 for training, 999 for validation, 1,000 for testing, a random split. 4,644 have three key points, 328 "
    "joint boxes (`datasets.radiographs.joint_boxes`); 39 larger ones: `datasets.radiographs.large_radiographs`.",
)


def _med_mnist_set(
    name: str, title: str, rows: int, file: RemoteFile, load: Any, note: str, *, differs: str = "", more: Any = ()
) -> NamedData:
    return NamedData(
        name=name,
        title=title,
        rows=rows,
        task="image -> finding",
        licence="CC BY 4.0 (MedMNIST v2)",
        home="https://medmnist.com",
        sources=(Source(files=(file,), load=load, differs=differs), *more),
        note=note,
    )


_ZENODO = "https://zenodo.org/records/10519652/files/"
PNEUMONIA = _med_mnist_set(
    "pneumonia",
    "PneumoniaMNIST: 5,856 chest X-rays of children, 28 x 28 px",
    5856,
    RemoteFile(
        path="medmnist/pneumoniamnist.npz",  # the copy below has its name and other bytes
        size=4_170_669,
        exact=False,
        md5="28209eda62fecd6e6a2d98b1501bb15f",
        urls=(f"{_ZENODO}pneumoniamnist.npz",),
        stated_by="MedMNIST (address, MD5)",
    ),
    _pneumonia,
    "4,708 for training, 524 for validation, 624 for testing: other children, of whom fewer are ill. Patients are not "
    "published.",
    more=(
        Source(
            files=(
                RemoteFile(
                    path="pneumoniamnist.npz",
                    size=4_170_314,
                    sha256="31010242097ace3a3fe9b97190125695de381f11e8b5d74b7b9610ea6c6e4819",
                ),
            ),
            load=_pneumonia,
            differs="The training rows are in another order.",
        ),
    ),
)
BREAST = _med_mnist_set(
    "breast-ultrasound",
    "BreastMNIST: 780 ultrasound images of breasts, 28 x 28 px",
    780,
    RemoteFile(
        path="breastmnist.npz",
        size=559_580,
        md5="750601b1f35ba3300ea97c75c52ff8f6",
        sha256="3a22d2a4625e7dd8903f0f59030e81a3d0c222bece2e5e10927456cb50efdec1",
        urls=(f"{_ZENODO}breastmnist.npz",),
        stated_by="MedMNIST (address, MD5)",
    ),
    _breast,
    "546 for training, 78 for validation, 156 for testing.",
)

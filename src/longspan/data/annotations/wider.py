"""WIDER FACE's text file: an image's path, the number of its faces, then a line for each face.

Source: the readme of the WIDER FACE split: x, y, width, height, blur, expression, illumination, invalid, occlusion,
pose. An image without faces has the number 0 and still one line of zeros. The public files hold a few faces of
width or height 0, which are faults; faces marked invalid are ignored.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from longspan.columns import Boxes, Image
from longspan.data.annotations.annotation_series import boxes_cells
from longspan.data.annotations.faults import Faults, OnError, left_of
from longspan.data.annotations.files import IMAGE_ENDINGS, ImageFiles, lines_of, read_text
from longspan.data.annotations.geometry import check_pixels, checked_box, flag_of, number_of
from longspan.data.table_parts import TableParts
from longspan.errors import DataError

__all__ = ["read_wider"]

_LIMIT_BYTES = 1 << 30
_INVALID = 7  # place of the mark in a face's line


def read_wider(
    annotations: str | Path, images: str | Path, *, image: str = "image", on_error: OnError = "raise"
) -> TableParts:
    """The images that a file lists, in its order, with their faces: columns `image` and `boxes`, all "face".

    Args:
        annotations: `wider_face_train_bbx_gt.txt` or the like.
        images: The folder that its paths start from.
        image: Name of the image column.
        on_error: "raise" refuses the file and names every fault; "skip" leaves bad faces, and images that are not
            there, out and warns once.

    Raises:
        DataError: the file or the folder is not there, or faults; `faults` lists them all.
    """
    path = Path(annotations)
    try:
        lines = lines_of(read_text(path, limit_bytes=_LIMIT_BYTES))
    except ValueError as error:
        raise DataError(f"{path}: {error}.") from None
    faults = Faults(str(path), on_error)
    files = ImageFiles(images)
    cells: dict[str, list[dict[str, object]] | None] = {}
    place = 0
    while place < len(lines):
        name, start = lines[place].strip(), place + 1
        place += 1
        if not name:
            continue
        if not _is_path(name):
            faults.add(f"{path.name}, line {start}", f"{name[:40]!r} should be the path of an image")
            while place < len(lines) and not _is_path(lines[place]):  # up to the next one: one fault, not a hundred
                place += 1
            continue
        count = lines[place].strip() if place < len(lines) else ""
        if not count.isdecimal():
            faults.add(f"{path.name}, line {place + 1}", f"{count[:40]!r} should be the number of faces in {name!r}")
            continue
        first, place = place + 1, place + 1
        while place < len(lines) and not _is_path(lines[place]):
            place += 1
        faces = [(n + 1, lines[n].split()) for n in range(first, place) if lines[n].strip()]
        if int(count) == 0:  # then one line of zeros follows
            faces = [(n, parts) for n, parts in faces if any(part != "0" for part in parts)]
        if len(faces) != int(count):
            faults.add(f"{path.name}, line {first}", f"{name!r} should have {count} faces, and {len(faces)} follow")
        try:
            found = files.find(name)
            size = files.size_px(found)
        except ValueError as error:
            faults.add(f"{path.name}, line {start}", error, "Put it there, or name another folder.")
            continue
        if found in cells:
            faults.add(f"{path.name}, line {start}", f"the image {found!r} occurs twice", "Delete one of them.")
            continue
        good: list[dict[str, object]] = []
        for number, parts in faces:
            try:
                good.append(_face(parts, size))
            except ValueError as error:
                faults.add(f"{path.name}, line {number} ({name})", error)
        cells[found] = left_of(good, len(faces) - len(good))
    faults.close()
    if not cells:
        raise DataError(f"{path} lists no image that is in {files.folder}.")
    frame = pl.DataFrame(
        [pl.Series(image, [files.full(name) for name in cells]), boxes_cells("boxes", list(cells.values()))]
    )
    return TableParts(frame=frame, columns={image: Image(), "boxes": Boxes(vocab=("face",))}, source=str(path))


def _is_path(line: str) -> bool:
    return Path(line.strip()).suffix.lower() in IMAGE_ENDINGS


def _face(parts: list[str], size: tuple[int, int]) -> dict[str, object]:
    if len(parts) not in (4, 10):
        raise ValueError(f"a face has 10 numbers (or 4: x y width height), this line has {len(parts)}")
    x, y, width, height, *marks = (number_of(part) for part in parts)
    if width <= 0 or height <= 0:
        raise ValueError(f"the face x={x:g}, y={y:g} has width {width:g} and height {height:g}: no area")
    check_pixels([x, y, x + width, y + height], size)
    box = checked_box([x, y, x + width, y + height], size)
    return {"box": box, "label": "face", "ignore": bool(marks) and flag_of(marks[_INVALID - 4])}

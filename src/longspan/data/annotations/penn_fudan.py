"""Penn-Fudan's own files: masks with a number for each person, and boxes in text files of PASCAL version 1.00.

Source: the readme of the Penn-Fudan database. Pixels count from 1, and the last one belongs to the box.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from longspan.columns import Boxes
from longspan.data.annotations.annotation_series import boxes_cells
from longspan.data.annotations.faults import Faults, OnError
from longspan.data.annotations.files import ImageFiles, lines_of, read_text, stem_of
from longspan.data.annotations.geometry import checked_box, size_fault
from longspan.data.annotations.instance_masks import read_instance_masks
from longspan.data.table_parts import TableParts

__all__ = ["read_penn_fudan"]

_LABEL = "person"
_LIMIT_BYTES = 1 << 20
_SIZE = re.compile(r"Image size \(X x Y x C\)\s*:\s*(\d+) x (\d+)")
_BOX = re.compile(r"Bounding box for object (\d+) .*:\s*\((-?\d+), (-?\d+)\) - \((-?\d+), (-?\d+)\)\s*")


def read_penn_fudan(folder: str | Path, *, image: str = "image", on_error: OnError = "raise") -> TableParts:
    """The images in PNGImages with the boxes in Annotation and the people in PedMasks: all are "person".

    Args:
        folder: The unpacked folder PennFudanPed.
        image: Name of the image column.
        on_error: "raise" refuses all and names every fault; "skip" leaves bad boxes and masks out and warns once.

    Returns:
        A row for each image, sorted by name, with `image`, `boxes` (as the text files have them, which may be a few
        pixels wider than the mask) and `instances`.

    Raises:
        DataError: folders that are not there, or faults; `faults` lists them all.
    """
    root = Path(folder)
    parts = read_instance_masks(
        root / "PNGImages",
        root / "PedMasks",
        mask_name="{stem}_mask.png",
        label=_LABEL,
        image=image,
        on_error=on_error,
    )
    images = ImageFiles(root / "PNGImages")
    faults = Faults(str(root / "Annotation"), on_error)
    rows = []
    for cell, entries in zip(parts.frame[image], parts.frame["instances"].to_list(), strict=True):
        path = Path(cell).relative_to(images.folder).as_posix()
        text = f"{stem_of(path)}.txt"
        try:
            size = images.size_px(path)
        except ValueError:  # an image that cannot be opened was a fault when its mask was read
            rows.append(None)
            continue
        rows.append(_boxes(root / "Annotation" / text, text, size, faults))
        if rows[-1] is not None and entries is not None and len(rows[-1]) != len(entries):
            faults.add(
                text, f"it has {len(rows[-1])} boxes, the mask {len(entries)} people", "Take both from one release."
            )
    faults.close()
    # Boxes as written, in place of the masks' own.
    frame = parts.frame.with_columns(boxes_cells("boxes", rows)).select(image, "boxes", pl.col("instances"))
    return TableParts(frame=frame, columns={**parts.columns, "boxes": Boxes(vocab=(_LABEL,))}, source=str(root))


def _boxes(path: Path, text: str, size: tuple[int, int], faults: Faults) -> list[dict[str, object]] | None:
    try:
        lines = lines_of(read_text(path, limit_bytes=_LIMIT_BYTES))
    except ValueError as error:
        faults.add(text, error)
        return None
    boxes = []
    for number, line in enumerate(lines, 1):
        stated = _SIZE.match(line)
        what = size_fault((int(stated[2]), int(stated[1])), size, lambda: False) if stated else None
        if what is not None:
            faults.add(f"{text}, line {number}", what)
            return None
        found = _BOX.fullmatch(line)
        if found is None:
            if line.startswith("Bounding box"):
                faults.add(f"{text}, line {number}", f"{line!r} has no box such as (160, 182) - (302, 431)")
            continue
        x0, y0, x1, y1 = (int(part) for part in found.groups()[1:])
        try:
            boxes.append({"box": checked_box([x0 - 1, y0 - 1, x1, y1], size), "label": _LABEL})
        except ValueError as error:
            faults.add(f"{text}, line {number}", error)
    return boxes

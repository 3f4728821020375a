"""Captions of images, as Flickr8k and COCO write them down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import polars as pl

from longspan.columns import Image, Text
from longspan.data.annotations.files import inside, lines_of, read_text
from longspan.data.table_parts import TableParts
from longspan.errors import DataError, Fault, data_error

__all__ = ["read_captions"]

_LIMIT_BYTES = 1 << 31


def read_captions(
    path: str | Path,
    *,
    root: str | Path | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    tell: Callable[[str], None] = lambda sentence: None,
) -> TableParts:
    """A row for each caption: columns `image` and `caption`. An image with five captions has five rows.

    - Flickr8k: lines `NAME.jpg#NUMBER`, a tab, and the caption; also without the number.
    - COCO: a .json file with `images` (`id`, `file_name`) and `annotations` (`image_id`, `caption`).

    Args:
        path: The file.
        root: The folder of the images; None: that of the file.
        on_error: "raise" refuses captions that are empty or of images that are not there, all by name; "skip" leaves
            them out.
        tell: Called with a sentence about what was left out.

    Raises:
        DataError: the file cannot be read, is of neither kind, or has bad captions.
    """
    file = Path(path)
    folder = file.parent if root is None else Path(root)
    try:
        text = read_text(file, limit_bytes=_LIMIT_BYTES)
    except ValueError as error:
        raise DataError(f"{file}: {error}.") from None
    faults: list[Fault] = []
    rows: list[tuple[str, str]] = []
    known: dict[str, bool] = {}
    for where, name, caption in _coco(file, text) if file.suffix.lower() == ".json" else _lines(file, text):
        try:
            image = str(inside(name))
        except ValueError as error:
            faults.append(Fault(where, str(error)))
            continue
        if image not in known:
            known[image] = (folder / image).is_file()
        if not known[image]:
            faults.append(Fault(where, f"there is no image {folder / image}"))
        elif not isinstance(caption, str) or not caption.strip():
            faults.append(Fault(where, f"the caption of {image} is empty"))
        else:
            rows.append((image, caption.strip()))
    if faults and (on_error == "raise" or not rows):
        lost = sum(not there for there in known.values())
        raise data_error(
            f"{file}: {len(faults):,} captions cannot be used; {lost:,} of {len(known):,} images are not there:",
            faults,
            "Say where the images are (root=), or leave these captions out (on_error='skip').",
        )  # fmt: skip
    if faults:
        tell(f"{file}: {len(faults):,} of {len(faults) + len(rows):,} captions were left out, such as {faults[0]!r}.")
    if not rows:
        raise DataError(f"{file} holds no caption.")
    frame = pl.DataFrame({"image": [a for a, _ in rows], "caption": [b for _, b in rows]})
    return TableParts(frame=frame, columns={"image": Image(), "caption": Text()}, root=folder, source=str(file))


def _lines(file: Path, text: str) -> Iterator[tuple[str, Any, Any]]:
    """Place, image and caption of each line."""
    for number, line in enumerate(lines_of(text), 1):
        if not line.strip():
            continue
        name, tab, caption = line.partition("\t")
        if not tab:
            raise DataError(
                f"{file}, line {number}: no tab between image and caption in {line[:60]!r}. Lines are NAME.jpg#NUMBER, "
                "a tab and the caption; a table with a heading is read by Table.read."
            )
        yield f"line {number}", name.partition("#")[0], caption


def _coco(file: Path, text: str) -> Iterator[tuple[str, Any, Any]]:
    """Place, image and caption of each annotation."""
    try:
        content = json.loads(text)
        names = {each["id"]: each["file_name"] for each in content["images"]}
        annotations = [(each["image_id"], each["caption"]) for each in content["annotations"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{file} does not hold captions as COCO writes them, with images (id, file_name) and annotations "
            f"(image_id, caption): {error!r:.200}."
        ) from None
    for number, (image, caption) in enumerate(annotations):
        if image not in names:
            raise DataError(f"{file}: annotation {number} is of the image {image!r}, which the file does not list.")
        yield f"annotation {number}", names[image], caption

"""Pascal VOC's XML: one file for each image, with the boxes of its objects.

Source: the development kit of the PASCAL VOC challenge. Its pixels count from 1 and the last one belongs to the box:
xmin = 1, xmax = 3 are three pixels, here x0 = 0, x1 = 3. Many tools write edges instead (xmin = 0, xmax = 3 for the
same three): `corners="edges"` reads them. Taken for one another, boxes are off by one pixel to the left and above.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from longspan.columns import Boxes, Image
from longspan.data.annotations.annotation_series import boxes_cells
from longspan.data.annotations.faults import Faults, OnError, left_of
from longspan.data.annotations.files import ImageFiles, existing_folder, files_below, inside, stem_of
from longspan.data.annotations.geometry import check_pixels, check_upright, checked_box, flag_of, number_of, size_fault
from longspan.data.annotations.xml_tree import Element, parse_xml
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, DataError

__all__ = ["read_voc"]


def read_voc(
    annotations: str | Path,
    images: str | Path,
    *,
    labels: Sequence[str] | None = None,
    only: str | Path | Iterable[str] | None = None,
    no_file: Literal["empty", "missing"] = "empty",
    corners: Literal["pixels", "edges"] = "pixels",
    image: str = "image",
    on_error: OnError = "raise",
) -> TableParts:
    """The images of a folder with the boxes in the XML file of the same name; a difficult object is ignored.

    Args:
        annotations: The folder of XML files, looked through with everything below it.
        images: The folder of images; `sub/a.xml` belongs to `sub/a.jpg`, or else to the image it names itself.
        labels: Only objects of these classes, in this order. None: all; the training rows then say which there are.
        only: The images to read: names with or without ending, or a file with one a line, as VOC's ImageSets are.
        no_file: An image without an XML file has no objects ("empty"), or nobody has looked ("missing").
        corners: The four numbers are the first and last pixel of the box, counted from 1 ("pixels", as VOC has it), or
            the box's edges ("edges").
        image: Name of the image column.
        on_error: "raise" refuses all and names every fault; "skip" leaves bad objects out and warns once. An image
            whose XML file cannot be read then has a missing value, not an empty one.

    Returns:
        A row for each image, sorted by name or in the order of `only`, with `image` and `boxes`.

    Raises:
        DataError: folders that are not there, or faults; `faults` lists them all.
    """
    if no_file not in ("empty", "missing"):
        raise ConfigError(f"no_file must be 'empty' or 'missing', got {no_file!r}.")
    if corners not in ("pixels", "edges"):
        raise ConfigError(f"corners must be 'pixels' or 'edges', got {corners!r}.")
    first = 1 if corners == "pixels" else 0
    folder = existing_folder(annotations, "XML files")
    faults = Faults(str(folder), on_error)
    files = ImageFiles(images)
    chosen = files.only(only)
    cells: dict[str, list[dict[str, Any]] | None] = dict.fromkeys(chosen, [] if no_file == "empty" else None)
    written = files_below(folder, (".xml",))
    if not written:
        raise DataError(f"The folder {folder} holds no XML file.")
    read: dict[str, str] = {}
    for xml in written:
        beside = files.by_stem.get(stem_of(xml), [])
        if only is not None and beside and not any(path in cells for path in beside):
            continue
        try:
            top = parse_xml(folder / xml)
        except ValueError as error:
            faults.add(xml, error, "Fix the file, or export it again.")
            cells.update((path, None) for path in beside if path in cells)
            continue
        try:
            path = _image(top, xml, beside, files)
        except ValueError as error:
            if only is None:  # with a list, files for other images are no faults
                faults.add(xml, error)
            continue
        if path not in cells:
            continue
        if path in read:
            faults.add(xml, f"the image {path!r} has an XML file already, {read[path]!r}", "Keep one of them.")
            continue
        read[path] = xml
        cells[path] = _objects(top, xml, path, files, labels, first, faults)
    faults.close()
    frame = pl.DataFrame(
        [pl.Series(image, [files.full(path) for path in cells]), boxes_cells("boxes", list(cells.values()))]
    )
    return TableParts(
        frame=frame, columns={image: Image(), "boxes": Boxes(vocab=tuple(labels or ()))}, source=str(folder)
    )


def _image(top: Element, xml: str, beside: list[str], files: ImageFiles) -> str:
    """The image that an XML file is about: the one of its own name, else the one it names.

    Raises:
        ValueError: none, or several, or the file's name and its content name two that are both there.
    """
    named = top.said("filename")
    if len(beside) > 1:
        beside = [path for path in beside if path.rpartition("/")[2] == named] or beside
    if len(beside) > 1:
        raise ValueError(f"it may be about {' or '.join(map(repr, beside))}: <filename> says {named!r}")
    if not named:
        if beside:
            return beside[0]
        if top.name == "annotations":
            raise ValueError("this is CVAT's own XML: export the task as COCO or Pascal VOC")
        raise ValueError(f"there is no image of its name in {files.folder}, and it has no <filename>")
    try:
        path = inside(named)
    except ValueError:
        if beside:  # tools write the path on the machine that annotated; the file's own name is enough
            return beside[0]
        raise
    here = Path(xml).parent.joinpath(path).as_posix()
    other = next((found for each in (here, path.as_posix()) if (found := files.spelled(each)) is not None), None)
    if beside and (other is None or other == beside[0]):
        return beside[0]
    if beside:
        raise ValueError(
            f"it is named after the image {beside[0]!r}, but its <filename> says {named!r}, which is there too; "
            "correct <filename>"
        )
    if other is None:
        raise ValueError(f"there is no image {named!r}, nor one of the file's own name, in {files.folder}")
    return other


def _objects(
    top: Element,
    xml: str,
    path: str,
    files: ImageFiles,
    labels: Sequence[str] | None,
    first: int,
    faults: Faults,
) -> list[dict[str, Any]] | None:
    """The boxes; None where the image is not the annotated one, or where all boxes are bad."""
    size_element = top.first("size")
    try:
        size = files.size_px(path)
        stated = size if size_element is None else _stated_size(size_element, size)
        what = size_fault(stated, size, lambda: files.turned(path))
    except ValueError as error:
        what, size = str(error), (0, 0)
    if what is not None:
        line = f", line {size_element.line}" if size_element is not None else ""
        faults.add(f"{xml}{line} ({path})", what)
        return None
    found, bad = [], 0
    for number, item in enumerate(top.all("object")):
        label = item.said("name")
        here = f"{xml}, line {item.line}, object {number + 1}" + (f" ({label!r})" if label else "")
        if not label:
            faults.add(here, "it has no <name>", "Name its class.")
            bad += 1
            continue
        if labels is not None and label not in labels:
            continue
        bounds = item.first("bndbox")
        if bounds is None:
            faults.add(here, "it has no <bndbox>", "Add its box, or delete the object.")
            bad += 1
            continue
        try:
            ignore = _flag(item, "difficult")
            x0, y0, x1, y1 = (_coordinate(bounds, name) for name in ("xmin", "ymin", "xmax", "ymax"))
            check_pixels([x0, y0, x1, y1], size)
            box = checked_box([x0 - first, y0 - first, x1, y1], size)
            check_upright(_attribute(item, "rotation"))
        except ValueError as error:
            faults.add(here, error)
            bad += 1
            continue
        found.append({"box": box, "label": label, "ignore": ignore})
    return left_of(found, bad)


def _attribute(item: Element, name: str) -> str:
    """The value of an attribute that CVAT has written, "" without one."""
    written = item.first("attributes")
    found = () if written is None else (each for each in written.all("attribute") if each.said("name") == name)
    return next((each.said("value") for each in found), "")


def _flag(element: Element, name: str) -> bool:
    try:
        return flag_of(element.said(name))
    except ValueError as error:
        raise ValueError(f"<{name}>: {error}") from None


def _coordinate(bounds: Element, name: str) -> float:
    text = bounds.said(name)
    if not text:
        raise ValueError(f"its <bndbox> has no <{name}>")
    try:
        return number_of(text)
    except ValueError as error:
        raise ValueError(f"<{name}>: {error}") from None


def _stated_size(element: Element, real: tuple[int, int]) -> tuple[float, float]:
    """Height and width in the file; some tools write 0 for a size they did not look up."""
    height, width = (number_of(element.said(name) or "0") for name in ("height", "width"))
    return (height, width) if height and width else real

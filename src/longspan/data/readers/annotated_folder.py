"""Folders as annotation tools and public data sets leave them: images, and files that say what is in them.

Nothing is guessed from pixels: the names of folders and the endings of files decide, and the reader says what it took
them for. What does not look like one of these is left to `read_folder`.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, final

import polars as pl

from longspan.columns import Category
from longspan.data.annotations import read_coco, read_masks, read_voc, read_yolo
from longspan.data.annotations.faults import OnError
from longspan.data.annotations.files import IMAGE_ENDINGS, files_below, is_hidden, stem_of
from longspan.data.combine import concat_rows
from longspan.data.readers.box_columns import Corners
from longspan.data.readers.yolo_project import read_yolo_project
from longspan.data.splits.split_column import PART_WORDS
from longspan.data.table_parts import TableParts
from longspan.errors import DataError
from longspan.storage.file_names import composed

__all__ = ["coco_images", "is_coco", "read_annotated_folder", "unread_annotations"]

_IMAGES = ("images", "image", "imgs", "img", "jpegimages", "photos")
_MASKS = ("masks", "mask", "labels", "label", "annotations", "segmentationclass", "gt", "ground_truth", "trimaps")
_MASK_NAMES = ("{stem}.png", "{stem}_mask.png", "{stem}_masks.png", "{stem}_seg.png", "{stem}_label.png",
               "{stem}_gt.png", "{stem}_P.png", "{stem}_L.png", "{stem}.tif", "{stem}.tiff", "{stem}_mask.tif",
               "{stem}.bmp", "{stem}.gif", "{stem}_mask.gif")  # fmt: skip
_TOOLS = {
    "labelme": (b'"shapes"', b'"imagePath"'),
    "the VGG Image Annotator": (b'"shape_attributes"', b'"filename"'),
    "Label Studio": (b'"from_name"', b'"to_name"'),
    "Supervisely": (b'"objects"', b'"classTitle"'),
}
_JPEG = (".jpg", ".jpeg", ".jfif")
_LOOKED_AT, _HEAD_BYTES = 20, 1 << 16
_BESIDE = re.compile(r"(?i)_(?:mask|masks|seg)$")


@final
@dataclass(frozen=True, slots=True)
class _Layout:
    """How to read a folder, or a part of it."""

    what: str
    """What it was taken for, in words."""
    read: Callable[[], TableParts]


def read_annotated_folder(
    folder: Path,
    *,
    image: str = "image",
    corners: Corners | None = None,
    instances: bool | None = None,
    on_error: OnError = "raise",
) -> tuple[TableParts, str] | None:
    """The images of a folder with what files in it say about them; None if there are no such files.

    Looked for, in this order: data.yaml (YOLO), COCO's JSON, Pascal VOC's XML, masks beside or among the images, and
    YOLO's text files. Folders called train, valid (or val) and test become the column `split`.

    Args:
        folder: Looked through with everything below it.
        image: Name of the column of images.
        corners: Of Pascal VOC's files; see `read_voc`. None: pixels.
        instances: Whether there is a column of instances, where the format can have one; None: if the files have any.
        on_error: "raise" or "skip", as the reader of each format has it.

    Returns:
        The rows, and a sentence that says what the folder was taken for.

    Raises:
        DataError: what was found cannot be read.
    """
    options: dict[str, Any] = {"image": image, "on_error": on_error}
    for name in ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml"):
        if (folder / name).is_file():
            parts = read_yolo_project(folder / name, instances=instances, **options)
            return parts, f"YOLO's text files, as {name} names them"
    below = {PART_WORDS[each.name.lower()]: each for each in _folders(folder) if each.name.lower() in PART_WORDS}
    if "train" in below and len(below) > 1:
        layouts = {part: _layout(each, instances, corners, options) for part, each in below.items()}
        found = {part: layout for part, layout in layouts.items() if layout is not None}
        if found:
            if lacking := [str(below[part]) for part in below if part not in found]:
                raise DataError(
                    f"{lacking[0]} holds no annotations, while {below[next(iter(found))]} does. Put them there, move "
                    "the folder elsewhere, or name the part to read."
                )
            read = [_with_split(layout.read(), part) for part, layout in found.items()]
            whole = read[0]
            for each in read[1:]:
                whole = _joined(whole, each)
            what = f"{next(iter(found.values())).what}, and likewise in {', '.join(below[part].name for part in below)}"
            return replace(whole, source=str(folder)), what
    layout = _layout(folder, instances, corners, options)
    return None if layout is None else (layout.read(), layout.what)


def unread_annotations(folder: Path) -> str | None:
    """What tool wrote annotations that longspan does not read, and one of its files; None if there are none."""
    for path in files_below(folder, (".json",))[:_LOOKED_AT]:
        try:
            with (folder / path).open("rb") as file:
                head = file.read(_HEAD_BYTES)
                file.seek(max(0, (folder / path).stat().st_size - _HEAD_BYTES))
                head += file.read()
        except OSError:
            continue
        for tool, words in _TOOLS.items():
            if all(word in head for word in words):
                return f"{path} is {tool}'s"
    return None


def is_coco(path: Path) -> bool:
    """Whether a JSON file has the keys of COCO's format."""
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return all(content.find(word) >= 0 for word in (b'"images"', b'"annotations"', b'"categories"', b'"file_name"'))


def coco_images(path: Path, around: Path | None = None) -> Path:
    """The folder that the file names in a COCO file start from: that of the file, or one beside or below it.

    Raises:
        DataError: no image of this name is found there.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        match = re.search(rb'"file_name"\s*:\s*"((?:[^"\\]|\\.)*)"', content)
        name = "" if match is None else match[1].decode("utf-8", "replace")
    near = [path.parent, *_folders(path.parent), path.parent.parent, *_folders(path.parent.parent)]
    if around is not None:
        near = [around, *_folders(around), *near]
    found = next((folder for folder in near if name and (folder / name).is_file()), None)
    if found is None:
        raise DataError(
            f"{path} names the image {name!r}, which is neither beside the file nor in a folder beside it. Pass the "
            "folder of the images: root= (--root FOLDER)."
        )
    return found


def _layout(folder: Path, instances: bool | None, corners: Corners | None, options: dict[str, Any]) -> _Layout | None:
    """What one folder of images with annotations looks like."""
    written = [path for path in (*folder.glob("*.json"), *folder.glob("annotations/*.json")) if is_coco(path)]
    if len(written) > 1:
        raise DataError(
            f"{folder} holds several COCO files: {', '.join(path.name for path in sorted(written)[:5])}. Name the one "
            "to read as SOURCE, such as "
            f"{sorted(written)[0]}."
        )
    if written:
        images = coco_images(written[0], folder)
        read = partial(read_coco, written[0], images, instances=instances, **options)
        return _Layout(f"the COCO file {written[0].name}, with the images in {images}", read)
    if (xml := _xml_folder(folder)) is not None:
        images = _folder_called(folder, _IMAGES) or folder
        read = partial(read_voc, xml, images, corners=corners or "pixels", **options)
        return _Layout(f"Pascal VOC's XML files in {xml}, with the images in {images}", read)
    images = _folder_called(folder, _IMAGES)
    if images is not None:
        for each in (found for name in _MASKS if (found := _folder_called(folder, (name,))) is not None):
            mask_name = _mask_name(images, each)
            if mask_name is not None:
                read = partial(read_masks, images, each, mask_name=mask_name, **options)
                return _Layout(f"masks in {each} ({mask_name}) of the images in {images}", read)
            if any(each.rglob("*.txt")):
                return _yolo(folder, images, each, instances, options)
            if written := files_below(each, IMAGE_ENDINGS):
                raise DataError(_unknown_masks(images, each, written))
    elif files_below(folder, (".txt",)) and _share_stems(folder):
        return _yolo(folder, folder, folder, instances, options)
    if images is None and (mask_name := _masks_beside(folder)) is not None:
        read = partial(read_masks, folder, folder, mask_name=mask_name, **options)
        return _Layout(f"masks beside their images ({mask_name})", read)
    return None


def _yolo(folder: Path, images: Path, labels: Path, instances: bool | None, options: dict[str, Any]) -> _Layout:
    names = next((path for place in (folder, labels) if (path := place / "classes.txt").is_file()), None)
    what = "without names of classes" if names is None else f"with the names in {names}"
    return _Layout(
        f"YOLO's text files in {labels}, {what}",
        partial(read_yolo, labels, images, names, instances=instances, **options),
    )


def _xml_folder(folder: Path) -> Path | None:
    """The folder of VOC's XML files."""
    own = _folder_called(folder, ("annotations", "xml", "xmls"))
    for place in (own, folder):
        if place is None:
            continue
        first = next((path for path in sorted(place.glob("*.xml"))), None)
        if first is not None and b"<annotation" in first.read_bytes()[:4096]:
            return place
    return None


def _mask_name(images: Path, masks: Path) -> str | None:
    """How masks are named after their images: the first usual form that at least half of the images have."""
    stems = [stem_of(path) for path in files_below(images, IMAGE_ENDINGS)]
    there = {composed(path).lower() for path in files_below(masks, IMAGE_ENDINGS)}
    for form in _MASK_NAMES:
        if stems and 2 * sum(form.replace("{stem}", stem).lower() in there for stem in stems) >= len(stems):
            return form
    return None


def _unknown_masks(images: Path, masks: Path, written: list[str]) -> str:
    """Why the images in a folder of masks are not read; as classes called "images" and "masks" they would be wrong."""
    if all(Path(path).suffix.lower() in _JPEG for path in written):
        return (
            f"{masks} holds JPEG files, such as {written[0]}. JPEG blurs the numbers of classes at their borders; save "
            "the masks as PNG where they come from."
        )
    return (
        f"{masks} holds images, such as {written[0]}, that are not named like masks of those in {images}. Say how they "
        f"are named: --format masks --annotations {masks} --mask-name '{{stem}}_mask.png' (Table.from_masks in Python)."
    )


def _masks_beside(folder: Path) -> str | None:
    """The same for masks that lie among their images, such as a.jpg and a_mask.png."""
    paths = files_below(folder, IMAGE_ENDINGS)
    stems = {stem_of(path) for path in paths if not _BESIDE.search(stem_of(path))}
    there = set(map(composed, paths))
    for form in _MASK_NAMES[1:4]:
        if stems and 2 * sum(form.replace("{stem}", stem) in there for stem in stems) >= len(stems):
            return form
    return None


def _share_stems(folder: Path) -> bool:
    """Whether most text files have an image of their name and hold numbers."""
    texts = [path for path in files_below(folder, (".txt",)) if Path(path).name.lower() != "classes.txt"]
    stems = {stem_of(path) for path in files_below(folder, IMAGE_ENDINGS)}
    if not texts or 2 * sum(stem_of(path) in stems for path in texts) < len(texts):
        return False
    lines = [(folder / path).read_bytes()[:200].split(b"\n")[0].strip() for path in texts[:20]]
    return all(re.fullmatch(rb"\d+(?:\s+-?[\d.eE+-]+){4,}", line) for line in lines if line)


def _folders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and not is_hidden(each.name))


def _folder_called(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((each for each in _folders(folder) if each.name.lower() in names), None)


def _with_split(parts: TableParts, part: str) -> TableParts:
    frame = parts.frame.with_columns(pl.lit(part).alias("split"))
    return replace(parts, frame=frame, columns={**parts.columns, "split": Category()})


def _joined(first: TableParts, second: TableParts) -> TableParts:
    """The rows of two parts; paths are absolute already."""
    return concat_rows(first, second)  # type: ignore[arg-type]

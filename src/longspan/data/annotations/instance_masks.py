"""Masks in a folder beside the images in which 0 is background and k the k-th object, as Penn-Fudan has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from longspan.columns import Boxes, Image, Instances
from longspan.data.annotations.annotation_series import boxes_cells, instances_cells
from longspan.data.annotations.faults import Faults, OnError
from longspan.data.annotations.files import ImageFiles, existing_folder
from longspan.data.annotations.geometry import mask_box
from longspan.data.annotations.mask_pairing import STEM, mask_of_each
from longspan.data.table_parts import TableParts
from longspan.vision.image_io import open_image
from longspan.vision.mask_files import JPEG
from longspan.vision.rle import encode_runs

__all__ = ["read_instance_masks"]

_MOST_OBJECTS = 10_000


def read_instance_masks(
    images: str | Path,
    masks: str | Path,
    *,
    label: str = "object",
    mask_name: str = "{stem}.png",
    pattern: str = STEM,
    ignored: tuple[int, ...] = (),
    image: str = "image",
    on_error: OnError = "raise",
) -> TableParts:
    """The images of a folder with the objects in the mask of each: columns `image`, `boxes` and `instances`.

    Args:
        images: The folder of images, looked through with everything below it.
        masks: The folder of masks, PNG with one number for each object and 0 for the background.
        label: The label of all objects.
        mask_name: The mask's path below its folder, put together from groups of `pattern`: "{stem}_mask.png".
        pattern: A regular expression for the image's whole path below its folder; other files are left out.
        ignored: Numbers that stand for no object (255, say, for borders).
        image: Name of the image column.
        on_error: "raise" refuses all and names every fault; "skip" leaves bad masks out and warns once.

    Raises:
        DataError: folders that are not there, no mask at all, or faults; `faults` lists them all.
    """
    folder = existing_folder(masks, "masks")
    files = ImageFiles(images)
    faults = Faults(str(folder), on_error)
    pairs = mask_of_each(files, folder, pattern, mask_name, faults)
    boxes: list[list[dict[str, object]] | None] = []
    objects: list[list[dict[str, object]] | None] = []
    for path, (name, _) in pairs.items():
        try:
            numbers = None if name is None else _numbers(folder / name, files.size_px(path))
        except ValueError as error:
            faults.add(f"{name} ({path})", error)
            numbers = None
        found = [] if numbers is None else [n for n in np.unique(numbers).tolist() if n and n not in ignored]
        if numbers is not None and len(found) > _MOST_OBJECTS:
            what = f"it holds {len(found):,} numbers, more than any mask has objects: was it scaled or blurred?"
            faults.add(f"{name} ({path})", what)
            numbers, found = None, []
        boxes.append(None if numbers is None else [])
        objects.append(None if numbers is None else [])
        for number in found:  # one mask at a time: of all together, an image's pixels would count for each object
            alone = numbers == number
            runs = {"size": list(alone.shape), "counts": encode_runs(alone)}
            boxes[-1].append({"box": mask_box(alone), "label": label})  # type: ignore[union-attr]
            objects[-1].append({"rle": runs, "label": label})  # type: ignore[union-attr]
    faults.close()
    frame = pl.DataFrame(
        [
            pl.Series(image, [files.full(path) for path in pairs]),
            boxes_cells("boxes", boxes),
            instances_cells("instances", objects),
        ]
    )
    columns = {image: Image(), "boxes": Boxes(vocab=(label,)), "instances": Instances(vocab=(label,))}
    return TableParts(frame=frame, columns=columns, source=str(files.folder))


def _numbers(mask: Path, size_px: tuple[int, int]) -> np.ndarray:
    """The numbers of a mask's pixels, `(h, w)`.

    Raises:
        ValueError: it cannot be read, is in colours, or has another size than its image.
    """
    image = open_image(mask)
    try:
        if image.format in ("JPEG", "MPO", "JPEG2000"):
            raise ValueError(JPEG)
        if len(image.getbands()) != 1:
            raise ValueError(f"its pixels are colours ({image.mode}), not the numbers of objects")
        if (image.height, image.width) != size_px:  # by the header: what is not used is not decoded
            raise ValueError(f"the mask has {image.width} x {image.height} px, its image {size_px[1]} x {size_px[0]}")
        try:
            return np.asarray(image)
        except Exception as error:  # decoders of damaged files raise what they like
            raise ValueError(f"cannot be decoded ({error})") from None
    finally:
        image.close()

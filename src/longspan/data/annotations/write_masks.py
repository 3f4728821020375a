"""Masks as PNG files: numbers a byte, with the classes' colours as a palette."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image as PILImage

from longspan.columns import Mask
from longspan.data.annotations.files import stem_of
from longspan.data.annotations.writing import check_overwrite, names_below, write_bytes
from longspan.errors import ConfigError, Fault, data_error

__all__ = ["write_masks"]

_IGNORED = 255  # in class numbers, whatever a column's files store for it


def write_masks(
    folder: str | Path,
    image_paths: Sequence[str | Path],
    classes: Sequence[np.ndarray | None],
    *,
    column: Mask,
    mask_name: str = "{stem}.png",
    images: str | Path | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write class numbers of pixels as PNG files with a palette, which `Table.from_masks` reads again.

    Files hold what the column's own files hold: the stored number of each class, not its place in the vocabulary.

    Args:
        folder: Where the files go.
        image_paths: The paths of the images that the masks belong to.
        classes: For each image its class numbers `(h, w)`, 255 where ignored, as a head predicts them and `Mask.decode`
            gives; None writes no file.
        column: The fitted column: stored numbers and colours.
        mask_name: A mask's name below `folder`, from the image's path without its ending: "{stem}_mask.png".
        images: The folder that images' names are to start from; None takes bare file names.
        overwrite: Whether files that are there may be replaced.

    Returns:
        The files written.

    Raises:
        ConfigError: numbers of images and masks differ, two get one name, or the column's numbers do not fit a byte.
        DataError: class numbers that the column does not have, or files that are there or cannot be written.
    """
    if len(image_paths) != len(classes):
        raise ConfigError(
            f"write_masks got {len(image_paths)} images and {len(classes)} masks; give one value for each image."
        )
    if "{stem}" not in mask_name or PurePosixPath(mask_name).suffix.lower() != ".png" or ".." in mask_name:
        raise ConfigError(f"mask_name holds {{stem}} and ends in .png, such as '{{stem}}_mask.png'; got {mask_name!r}.")
    stored, palette = _stored(column)
    names = names_below(image_paths, images)
    wanted = [(Path(p), n, c) for p, n, c in zip(image_paths, names, classes, strict=True) if c is not None]
    files = [Path(folder) / mask_name.replace("{stem}", stem_of(name)) for _, name, _ in wanted]
    if len(set(files)) < len(files):
        raise ConfigError("Two images differ in their ending only; their masks would have one name.")
    check_overwrite(files, overwrite)
    faults = [Fault(str(p), what) for p, _, each in wanted if (what := _fault(np.asarray(each), column)) is not None]
    if faults:
        raise data_error(f"Nothing was written to {folder}:", faults)
    for file, (_, _, each) in zip(files, wanted, strict=True):
        image = PILImage.fromarray(stored[np.asarray(each)])
        image.putpalette(palette)
        write_bytes(file, lambda part, image=image: image.save(part, "PNG"))
    return files


def _stored(column: Mask) -> tuple[np.ndarray, list[int]]:
    """The stored number of each class number, `(256,)` uint8, and the colours of the 256 stored numbers."""
    values = column.values or ()
    if not values or max(*values, *column.ignored[:1], 0) > 255 or min(*values, *column.ignored[:1], 0) < 0:
        raise ConfigError(f"A palette holds the numbers 0 to 255; the column has {values or 'no classes: fit it'}.")
    free = next(number for number in range(255, -1, -1) if number not in values)
    stored = np.zeros(256, np.uint8)
    stored[: len(values)] = values
    stored[_IGNORED] = column.ignored[0] if column.ignored else free
    colours = np.zeros((256, 3), np.uint8)
    colours[stored[_IGNORED]] = (224, 224, 224)
    colours[list(values)] = column.palette
    return stored, colours.ravel().tolist()


def _fault(classes: np.ndarray, column: Mask) -> str | None:
    if classes.ndim != 2 or classes.dtype.kind not in "iu" or not classes.size:
        return f"class numbers are a whole-numbered array (h, w), got {classes.dtype} {classes.shape}"
    unknown = np.setdiff1d(classes, [*range(len(column.vocab)), _IGNORED])
    if len(unknown):
        return f"the mask holds {unknown[0]}, but there are only the classes 0 to {len(column.vocab) - 1}, and 255"
    return None

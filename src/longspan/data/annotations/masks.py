"""Masks in a folder beside the images: the number of each pixel is its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from longspan.columns import Category, Column, Image, Mask
from longspan.data.annotations.class_lists import class_colours, class_names
from longspan.data.annotations.faults import Faults, OnError
from longspan.data.annotations.files import ImageFiles, existing_folder
from longspan.data.annotations.mask_pairing import STEM, mask_of_each
from longspan.data.annotations.palettes import palette_faults
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, unknown_name
from longspan.vision.image_io import look, open_image
from longspan.vision.mask_files import JPEG

__all__ = ["read_masks"]

_COLOUR_MODES = ("RGB", "RGBA")


def read_masks(
    images: str | Path,
    masks: str | Path,
    *,
    mask_name: str = "{stem}.png",
    pattern: str = STEM,
    codes: str | Path | Sequence[str] | Mapping[int, str] | None = None,
    colours: str | Path | Sequence[Sequence[int]] | None = None,
    ignored: Sequence[int | str] | None = None,
    image: str = "image",
    mask: str = "mask",
    on_error: OnError = "raise",
) -> TableParts:
    r"""The images of a folder with the mask that belongs to each; missing where there is none.

    Only headers are read here, and pixels where palettes differ from file to file. Numbers that stand for no class
    are found, all at once, when a task reads the masks.

    Args:
        images: The folder of images, looked through with everything below it.
        masks: The folder of masks; it may be the same.
        mask_name: The mask's path below its folder, put together from groups of `pattern`: "{stem}_P.png".
        pattern: A regular expression for the image's whole path below its folder; other files are left out. Named
            groups other than `stem` become columns, as in `Table.from_files`.
        codes: Names of the classes: a list (numbered from 0), a dict by number, or a file with one name a line, with
            or without its colour. None: the training masks say which numbers there are.
        colours: The colour of each class in the order of `codes`, to draw with; or a file. Masks of colours are read
            by them, and so are palette masks whose palette says otherwise than their numbers.
        ignored: Numbers, or names in `codes`, of pixels that neither teach nor count. None: 255, unless it is a code.
        image: Name of the image column.
        mask: Name of the mask column.
        on_error: "raise" refuses all and names every fault; "skip" leaves bad masks out and warns once.

    Raises:
        DataError: folders that do not exist, no mask at all, or faults: masks of another size than their image, in
            colours without codes= and colours=, that cannot be opened, without an image, in JPEG, or with palettes that
            contradict each other. `faults` lists them all.
    """
    column = _column(codes, colours, ignored)
    folder = existing_folder(masks, "masks")
    files = ImageFiles(images)
    faults = Faults(str(folder), on_error)
    pairs = mask_of_each(files, folder, pattern, mask_name, faults)
    cells: dict[str, list[str | None]] = {image: [], mask: []}
    groups = [group for group in next(iter(pairs.values()))[1] if group != "stem"]
    clash = {image, mask} & set(groups) or ({image} if image == mask else set())
    if clash:
        raise ConfigError(f"Two columns would be called {clash.pop()!r}; give image=, mask= or the group another name.")
    differ = {} if colours is not None else dict(palette_faults((n, folder / n) for n, _ in pairs.values() if n))
    for path, (name, said) in pairs.items():
        what = None if name is None else _fault(folder, name, files, path, colours is not None)
        if what is None and name in differ:
            what = f"{differ[name]}. Give codes= and colours=, so that the colours decide (--classes FILE)"
        if what is not None:
            faults.add(f"{name} ({path})", what)
        cells[image].append(files.full(path))
        cells[mask].append(None if name is None or what is not None else str(folder / name))
        for group in groups:
            cells.setdefault(group, []).append(said[group])
    faults.close()
    frame = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    columns: dict[str, Column] = {image: Image(), mask: column, **{group: Category() for group in groups}}
    return TableParts(frame=frame, columns=columns, source=str(files.folder))


def _fault(folder: Path, name: str, files: ImageFiles, path: str, colours: bool) -> str | None:
    """What the header of a mask shows to be wrong."""
    try:
        mode, size, jpeg = _header(folder / name)
        real = files.size_px(path)
    except ValueError as error:
        return str(error)
    if size != real:
        return (
            f"the mask has {size[1]} x {size[0]} px, its image {real[1]} x {real[0]}; annotate the image at its "
            "own size"
        )
    if jpeg:
        return JPEG
    if mode in _COLOUR_MODES and not colours:
        return (
            f"its pixels are colours ({mode}), not numbers; say which colour is which class: codes= and colours= "
            f"(--format masks --annotations {folder} --classes FILE, with lines such as: car 255 0 0)"
        )
    return None


def _header(mask: Path) -> tuple[str, tuple[int, int], bool]:
    """Mode, height and width, and whether it is a JPEG file."""
    image = open_image(mask)
    try:
        jpeg = image.format in ("JPEG", "MPO", "JPEG2000")
    finally:
        image.close()
    return *look(mask), jpeg


def _column(
    codes: str | Path | Sequence[str] | Mapping[int, str] | None,
    colours: str | Path | Sequence[Sequence[int]] | None,
    ignored: Sequence[int | str] | None,
) -> Mask:
    """The column, its classes without those that are ignored."""
    if codes is None:
        words = [each for each in ignored or () if isinstance(each, str)]
        if words or colours is not None:
            raise ConfigError(f"{f'ignored={words}' if words else 'colours='} needs codes=, the names of the classes.")
        return Mask() if ignored is None else Mask(ignored=tuple(int(each) for each in ignored))
    name_of = class_names(codes)
    number_of = {name: number for number, name in name_of.items()}
    left_out: list[int] = [255] if ignored is None and 255 not in name_of else []
    for each in ignored or ():
        if isinstance(each, str) and each not in number_of:
            raise unknown_name("class (in ignored=)", each, number_of)
        left_out.append(number_of[each] if isinstance(each, str) else int(each))
    kept = [number for number in name_of if number not in left_out]
    if not kept:
        raise ConfigError(f"All classes are ignored: {', '.join(name_of.values())}.")
    column = Mask(vocab=tuple(name_of[n] for n in kept), values=tuple(kept), ignored=tuple(dict.fromkeys(left_out)))
    if colours is None:
        return column
    given = class_colours(colours)
    if len(given) < len(name_of):
        raise ConfigError(f"colours= has {len(given)} colours for {len(name_of)} classes; give one for each.")
    colour_of = dict(zip(name_of, given, strict=False))
    # A mask's colours behind those of its classes are what is ignored in images that store colours.
    return replace(column, colours=tuple(colour_of[n] for n in (*kept, *(n for n in left_out if n in colour_of))))

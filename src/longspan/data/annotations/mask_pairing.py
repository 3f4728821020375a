"""Which mask belongs to which image, by their names."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from longspan.data.annotations.faults import Faults
from longspan.data.annotations.files import IMAGE_ENDINGS, ImageFiles, files_below, inside, stem_of
from longspan.errors import ConfigError, DataError, unknown_name
from longspan.storage.file_names import composed

__all__ = ["STEM", "mask_of_each"]

STEM = r"(?P<stem>.+)\.[^./]+"
"""Any path with an ending; what stands before it is the stem."""


def mask_of_each(
    images: ImageFiles, folder: Path, pattern: str, mask_name: str, faults: Faults
) -> dict[str, tuple[str | None, dict[str, str | None]]]:
    """For each image whose path matches, in order: its mask below `folder`, None without one, and the groups.

    Masks to which no image belongs are added to `faults`.

    Raises:
        ConfigError: no regular expression, or a mask's name that leads out of the folder.
        UnknownNameError: the mask's name uses a group that the pattern does not have.
        DataError: the pattern matches no image, or not a single image has a mask.
    """
    compiled = _compiled(pattern, mask_name)
    matches = [(path, match) for path in images.paths if (match := compiled.fullmatch(path))]
    # Masks in the folder of the images are not images to predict for.
    there = frozenset(files_below(folder, (PurePosixPath(mask_name).suffix,)))
    by_small = {_small_ending(name): name for name in sorted(there)}
    same = folder.resolve() == images.folder.resolve()
    found: dict[str, tuple[str | None, dict[str, str | None]]] = {}
    wanted: dict[str, str] = {}
    for path, match in matches:
        groups = match.groupdict()
        name = mask_name
        for group, said in groups.items():
            name = name.replace(f"{{{group}}}", said or "")
        name = name if name in there else by_small.get(_small_ending(name), name)  # a.PNG where a.png is expected
        wanted.setdefault(name, path)
        found[path] = (name if name in there else None, groups)
    if same:
        found = {path: each for path, each in found.items() if path not in wanted}
    if not found:
        raise DataError(
            f"The pattern '{pattern}' matches none of the {len(images.paths)} images below {images.folder}, such "
            f"as {images.paths[0]!r}. It must match the whole path below the folder, with forward slashes."
        )
    if not any(mask for mask, _ in found.values()):
        first = next(iter(wanted))
        has = f"it holds {sorted(there)[0]!r}, for example" if there else "it holds no such file"
        raise DataError(
            f"No image has a mask: for {wanted[first]!r} there should be {first!r} in {folder}; {has}. "
            "Say how masks are named: mask_name='{stem}_mask.png'."
        )
    lacking = {stem_of(name): name for name, path in wanted.items() if found.get(path, ("",))[0] is None}
    for name in () if same or not lacking else files_below(folder, IMAGE_ENDINGS):
        if name not in there and stem_of(name) in lacking:
            ending = PurePosixPath(name).suffix
            faults.add(
                name,
                f"{lacking[stem_of(name)]!r} was expected for the image {wanted[lacking[stem_of(name)]]!r}",
                f"Give all masks one ending, or say mask_name='{PurePosixPath(mask_name).with_suffix(ending)}'.",
            )
    shape = re.compile("(.+)".join(map(re.escape, re.split(r"\{\w+\}", mask_name))), re.IGNORECASE)
    for name in sorted(there):
        if name not in wanted and shape.fullmatch(name) and not (same and name in found):
            faults.add(name, f"no image in {images.folder} belongs to this mask", "Add it, or delete the mask.")
    return found


def _small_ending(name: str) -> str:
    """A path with composed letters and its ending in small letters."""
    path = PurePosixPath(composed(name))
    return path.with_suffix(path.suffix.lower()).as_posix()


def _compiled(pattern: str, mask_name: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"The pattern '{pattern}' is not a regular expression: {error}.") from None
    used = re.findall(r"\{(\w+)\}", mask_name)
    for name in used:
        if name not in compiled.groupindex:
            raise unknown_name(f"group (of the pattern {pattern!r})", name, compiled.groupindex)
    try:
        inside(mask_name)
    except ValueError as error:
        raise ConfigError(f"mask_name: {error}.") from None
    if not used or not PurePosixPath(mask_name).suffix:
        raise ConfigError(f"mask_name is put together from groups, such as '{{stem}}_mask.png', got {mask_name!r}.")
    return compiled

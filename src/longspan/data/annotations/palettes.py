"""Whether the palettes of a folder of masks agree: the same number must show the same colour in every file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from longspan.vision.mask_files import palette_of, read_stored

__all__ = ["palette_faults"]


def palette_faults(masks: Iterable[tuple[str, Path]]) -> list[tuple[str, str]]:
    """(name, fault) of masks whose palette gives a number another colour than an earlier mask does.

    Some tools write a palette of its own for each image, numbered by what occurs in it; read by number, classes would
    be mixed up. Pixels are decoded only if the palettes differ at all.

    Args:
        masks: Name and path of each mask; those that cannot be read are skipped.
    """
    palettes: list[tuple[str, Path, np.ndarray]] = []
    for name, path in masks:
        try:
            palette = palette_of(path)
        except ValueError:
            continue
        if palette is not None and len(palette):
            palettes.append((name, path, palette))
    if not palettes:
        return []
    longest = max((palette for _, _, palette in palettes), key=len)
    if all(np.array_equal(palette, longest[: len(palette)]) for _, _, palette in palettes):
        return []
    meaning: dict[int, tuple[tuple[int, ...], str]] = {}
    faults = []
    for name, path, palette in palettes:
        try:
            numbers = np.unique(read_stored(path)).tolist()
        except ValueError:
            continue
        for number in numbers:
            if number >= len(palette):
                continue
            colour = tuple(palette[number].tolist())
            first, where = meaning.setdefault(number, (colour, name))
            if first != colour:
                faults.append((name, f"its palette shows number {number} as {colour}, but {where} shows it as {first}"))
                break
    return faults

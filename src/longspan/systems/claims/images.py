"""Images of a named data set as tensors in memory: what the claims about images train on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

import longspan as ls
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ImageSet", "images_of", "load_parts", "pixels_of"]


@final
@dataclass(frozen=True, slots=True)
class ImageSet:
    """`images` `(N, C, H, W)` float from 0 to 1, and `classes` `(N,)` int64."""

    images: Tensor
    classes: Tensor
    num_classes: int

    def __len__(self) -> int:
        return len(self.images)

    def sample(self, rows: int, seed: int) -> ImageSet:
        """So many rows, drawn at random without repetition; all if there are no more."""
        chosen = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))[:rows]
        return ImageSet(self.images[chosen], self.classes[chosen], self.num_classes)


def load_parts(data: str, *, rows: int, tested: int, seed: int) -> tuple[ls.Table, ls.Table]:
    """Training and test rows of a set with the column `part`: at most so many of each, drawn with the seed."""
    table = ls.datasets.load(data)
    parts = np.asarray(table.column_values("part"))
    found = []
    for part, count in (("train", rows), ("test", tested)):
        every = np.flatnonzero(parts == part)
        found.append(table.take(np.sort(np.random.default_rng(seed).permutation(every)[:count])))
    return found[0], found[1]


def images_of(table: ls.Table, target: str, *, size_px: int | None = None, grey: bool = False) -> ImageSet:
    """The images of a table, and its classes by number in the order of their names."""
    names = sorted({str(each) for each in table.column_values(target)})
    numbers = [names.index(str(each)) for each in table.column_values(target)]
    return ImageSet(pixels_of(table, size_px=size_px, grey=grey), torch.tensor(numbers), len(names))


def pixels_of(
    table: ls.Table, *, size_px: int | None = None, grey: bool = False, square: bool = False
) -> Tensor:  # fmt: skip
    """`(N, C, H, W)` float from 0 to 1: the images of the column `image`, resized if `size_px` is given.

    Args:
        table: With a column `image`.
        size_px: Height and width; None leaves the size.
        grey: One channel.
        square: Cut the longer side off, from below, before resizing.
    """
    from longspan.vision.image_io import read_pixels, resize

    found = []
    for row in range(len(table)):
        value = table.value(row, "image")
        pixels = read_pixels(value, "L" if grey else "RGB", size_px or 1 << 20)
        if square:
            side = min(pixels.size)
            pixels = pixels.crop((0, 0, side, side))
        if size_px is not None and pixels.size != (size_px, size_px):
            pixels = resize(pixels, size_px, size_px, "stretch")
        array = np.asarray(pixels)
        found.append(array[None] if grey else array.transpose(2, 0, 1))
    return torch.from_numpy(np.stack(found)).float() / 255
